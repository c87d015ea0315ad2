"""What is refused on an active path: the reason, and the way out."""

from semigrad.registry import refuse

refuse(
    ["while"],
    "its number of iterations is not known before it runs, so its steps cannot be walked in "
    "reverse (`jax.grad` refuses it too). Use `jax.lax.scan`, or `jax.lax.fori_loop` with static "
    "bounds, or keep it out of the differentiated path with `jax.lax.stop_gradient`.",
    error=ValueError,
)

refuse(
    ["complex", "conj", "imag", "real", "from_edtype", "to_edtype", "eig", "fft"],
    "it computes with complex numbers or extended dtypes, and the weight of a path is real. "
    "Write the model over real and imaginary parts, or keep it out of the differentiated path "
    "with `jax.lax.stop_gradient`.",
)
