"""Primitives whose derivative is zero everywhere: no edge, hence no path."""

from semigrad.registry import register_no_edge

register_no_edge(
    [
        "and", "argmax", "argmin", "bitcast_convert_type", "ceil", "eq", "eq_to", "floor", "ge",
        "gt", "is_finite", "le", "le_to", "lt", "lt_to", "mulhi", "ne", "not", "or",
        "random_bits", "random_fold_in", "random_seed", "random_split", "random_unwrap",
        "random_wrap", "reduce_and", "reduce_or", "reduce_xor", "round", "shift_left",
        "shift_right_arithmetic", "shift_right_logical", "sign", "stop_gradient", "xor",
    ],
    family="no edge",
    pointwise=True,
)  # fmt: skip
