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
    ["cond", "scan"],
    "semigrad has no rule for control flow. Unroll it: a Python loop or a Python branch is traced "
    "to plain equations, " + _STOP,
    family="control flow",
)

refuse(
    [
        "call_hi_primitive", "call_hi_primitive_linearized", "composite", "compute_on",
        "custom_lin", "custom_linear_solve", "custom_vmap_call", "fused_call", "linear_call",
        "mpmd_map", "pallas_call", "remat_opt", "run_state", "shard_map", "xla_metadata_call",
    ],
    "semigrad does not look inside this kind of call. Call the function without it, " + _STOP,
    family="calls",
)  # fmt: skip

refuse(
    ["conv_general_dilated", "ragged_dot_general", "scaled_dot", "scaled_matmul"],
    "semigrad has no rule for this contraction. " + _RULE,
    family="contractions",
)

refuse(
    [
        "reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum",
        "select_and_gather_add", "select_and_scatter", "select_and_scatter_add",
    ],
    "semigrad has no rule for windowed reductions. " + _RULE,
    family="windows",
)  # fmt: skip

refuse(
    ["cumlogsumexp", "cummax", "cummin", "cumprod", "reduce"],
    "semigrad has no rule for this reduction. " + _RULE,
    family="reductions",
)

refuse(
    ["scatter-max", "scatter-min", "scatter-mul", "scatter-sub"],
    "semigrad has no rule for this scatter; it has one for `.at[].set` and `.at[].add`. " + _RULE,
    family="scatter",
)

refuse(
    ["approx_top_k", "sort", "top_k"],
    "semigrad has no rule for sorting. Sort the indices (`jnp.argsort` has no edges) and index "
    "with them, " + _STOP,
    family="selection",
)

refuse(
    [
        "cholesky", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu", "ormqr",
        "qr", "schur", "svd", "symmetric_product", "triangular_solve", "tridiagonal",
        "tridiagonal_solve",
    ],
    "semigrad has no rule for linear algebra. " + _RULE,
    family="linear algebra",
)  # fmt: skip

refuse(
    ["complex", "conj", "eig", "fft", "from_edtype", "imag", "real", "to_edtype"],
    "it computes with complex numbers or extended dtypes, and the weight of a path is real. "
    "Write the model over real and imaginary parts, " + _STOP,
    family="complex",
)

refuse(
    [
        "accum_grad_in_ref", "addupdate", "box_get", "box_set", "empty_ref", "free_ref", "freeze",
        "get", "get_global", "log_extend", "log_read", "masked_load", "masked_swap", "new_box",
        "new_log", "new_ref", "swap",
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
