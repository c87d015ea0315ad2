"""What is refused on an active path: the reason, and the way out."""

from semigrad.registry import refuse

_STOP = "or keep it out of the differentiated path with `jax.lax.stop_gradient`."
_RULE = "Write the function with other primitives, give this one a rule with "
_RULE += "`semigrad.register_rule`, " + _STOP

refuse(
    ["while"],
    "its number of iterations is not known before it runs, so its steps cannot be walked in "
    "reverse (`jax.grad` refuses it too: reverse-mode differentiation does not work for "
    "`lax.while_loop`). Use a Python loop over a fixed number of steps, " + _STOP,
    family="control flow",
    error=ValueError,
)

refuse(
    ["composite", "pallas_call"],
    "JAX cannot differentiate it in reverse either. Wrap it in a function with a derivative of its "
    "own (`jax.custom_vjp`), " + _STOP,
    family="calls",
    error=ValueError,
)

refuse(
    ["mpmd_map", "shard_map"],
    "its edges lead to other devices. Apply semigrad inside it, to the function of one device, or "
    "give the arrays shardings and let `jax.jit` place them, " + _STOP,
    family="calls",
)

refuse(
    ["call_hi_primitive_linearized", "custom_lin", "remat_opt", "run_state"],
    "it is a call that JAX makes in the middle of a transformation of its own or for experimental "
    "types, and semigrad does not look inside. Apply semigrad to the function before that, "
    + _STOP,
    family="calls",
)

refuse(
    ["scaled_dot", "scaled_matmul", "scaled_matmul_wrapper"],
    "JAX has no derivative for a product of scaled narrow numbers (as `jax.grad` says too); "
    "`jax.nn.scaled_dot_general` has one of its own. " + _RULE,
    family="contractions",
)

refuse(
    ["reduce_window"],
    "JAX has no reverse-mode derivative for a windowed reduction by a function of one's own (as "
    "`jax.grad` says too); sums from 0, maxima and minima over windows have one. Build the windows "
    "by indexing and reduce along an axis, " + _STOP,
    family="windows",
    error=ValueError,
)

refuse(
    ["select_and_scatter"],
    "JAX has no derivative for it; `jax.grad` of max pooling uses `select_and_scatter_add`, which "
    "has one. " + _RULE,
    family="windows",
)

refuse(
    [
        "cholesky_update", "geqp3", "geqrf", "hessenberg", "householder_product", "ormqr", "schur",
        "symmetric_product", "tridiagonal",
    ],
    "JAX has no derivatives for this decomposition (`jax.grad` refuses it too). " + _RULE,
    family="linear algebra",
)  # fmt: skip

refuse(
    ["complex", "conj", "eig", "fft", "from_edtype", "imag", "real", "to_edtype"],
    "it computes with complex numbers or extended dtypes, and the weight of a path is real. "
    "Write the model over real and imaginary parts; make a jitted function around it, from real to "
    "real numbers, one equation (`semigrad.local_jacobian`); " + _STOP,
    family="complex",
)

refuse(
    [
        "accum_grad_in_ref", "addupdate", "box_get", "box_set", "empty_ref", "free_ref", "freeze",
        "get", "get_global", "get_variable", "log_extend", "log_read", "masked_load", "masked_swap",
        "new_box", "new_log", "new_ref", "new_variable", "set_variable", "swap",
    ],
    "a mutable array has no place in the gradient graph, whose nodes are values. Write the "
    "function without refs, " + _STOP,
    family="mutable arrays",
)  # fmt: skip

refuse(
    [
        "global_array_to_host_local_array", "host_local_array_to_global_array",
        "all_gather", "all_gather_invariant", "all_gather_reduced", "all_to_all",
        "pbroadcast", "pbroadcast_dynamic", "ppermute", "preduced", "psum",
        "psum_invariant", "ragged_all_to_all", "reduce_scatter", "reduced_vary_cast",
        "reduced_vary_cast_p", "relayout", "unreduced_psum",
        "unreduced_reduce_scatter", "vary_unreduced_cast", "vary_unreduced_cast_p",
    ],
    "its edges lead to other devices. Apply semigrad to the function of one device, inside which "
    "no collective is on the path, " + _STOP,
    family="collectives",
)  # fmt: skip

refuse(
    ["io_callback", "pure_callback"],
    "what it does with its operands is not known to JAX, so it has no local derivatives (as "
    "`jax.grad` says too). " + _RULE,
    family="callbacks",
    error=ValueError,
)

refuse(
    [
        "buffer_callback", "check", "dce_sink", "debug_callback", "debug_print", "ffi_call",
        "inspect_sharding", "program_order", "stage", "tie", "xla_metadata_value",
    ],
    "what it does with its operands is not known to JAX, so it has no local derivatives here. "
    + _RULE,
    family="callbacks",
)  # fmt: skip

refuse(
    [
        "bcoo_dot_general", "bcoo_dot_general_sampled", "bcoo_extract", "bcoo_fromdense",
        "bcoo_sort_indices", "bcoo_spdot_general", "bcoo_sum_duplicates", "bcoo_todense",
        "bcoo_transpose", "bcsr_dot_general", "bcsr_extract", "bcsr_fromdense", "bcsr_todense",
        "coo_fromdense", "coo_matmat", "coo_matvec", "coo_todense", "csr_fromdense", "csr_matmat",
        "csr_matvec", "csr_todense", "spsolve", "todense",
    ],
    "semigrad has no rules for `jax.experimental.sparse`. Use dense arrays, " + _STOP,
    family="sparse",
)  # fmt: skip
