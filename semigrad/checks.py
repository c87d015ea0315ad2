"""What the transformations refuse before they trace, and how they say it: as `jax.grad` does."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from semigrad.semirings.base import Semiring

Custom = Literal["rule", "descend"]


def check_semiring(semiring: Any) -> None:
    """Refuses what is no semiring."""
    if isinstance(semiring, type) or not isinstance(semiring, Semiring):
        hint = f" Call the class: {semiring.__name__}()." if isinstance(semiring, type) else ""
        raise TypeError(
            f"semiring must be an instance of semigrad.Semiring, got {semiring!r}.{hint}"
        )


def check_custom(custom: Any) -> None:
    """Refuses what `custom` may not be."""
    if custom not in get_args(Custom):
        raise ValueError(
            f'custom must be "rule" (the paths of the author\'s derivative) or "descend" (those '
            f"of the function's body), got {custom!r}"
        )


def positions(argnums: Any, num_args: int) -> list[int]:
    """Returns the positional arguments that `argnums` names, checked as `jax.grad` does."""
    given = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in given):
        raise TypeError(f"argnums must be an integer or a sequence of integers, got {argnums!r}")
    for i in given:
        if not -num_args <= i < num_args:
            # As `jax.grad`: too large is a matter of the call, too small of the value.
            raise (TypeError if i >= 0 else ValueError)(
                f"differentiating with respect to argnums={argnums} requires at least "
                f"{i + 1 if i >= 0 else -i} positional arguments to be passed by the caller, but "
                f"got only {num_args} positional arguments. Keyword arguments cannot be chosen: "
                "pass what is differentiated by position."
            )
    positions = [i % num_args for i in given]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums={argnums} names an argument twice")
    return positions


def check_argument(position: int, argument: Any) -> None:
    """Refuses an argument that is not made of real floating-point arrays."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(argument)[0]:
        name = f"argument {position}{jax.tree_util.keystr(path)}"
        try:
            dtype = jax.dtypes.canonicalize_dtype(jnp.result_type(leaf))
        except TypeError:
            raise TypeError(
                f"backprop requires array inputs, but {name} is {leaf!r} of type {type(leaf)}."
            ) from None
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise TypeError(
                f"backprop requires real-valued inputs, but {name} is {dtype}: the weight of a "
                "path is real. Pass real and imaginary parts as two arguments."
            )
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"backprop requires real-valued inputs (input dtype that is a sub-dtype of "
                f"np.floating), but {name} is {dtype}. To look at what an integer input is turned "
                "into (the embedding of a token id, say), ask for a named value: "
                "`semigrad.intermediates(f, semiring, at=...)`."
            )


def check_output(out_shape: Any, has_aux: bool) -> None:
    """Refuses a function whose result is not a real scalar."""
    if has_aux:
        if not (isinstance(out_shape, tuple) and len(out_shape) == 2):
            raise TypeError(
                "has_aux=True, so the function must return a pair (value, auxiliary data), but "
                f"it returned {jax.tree.structure(out_shape)}"
            )
        out_shape = out_shape[0]
    leaves, structure = jax.tree.flatten(out_shape)
    if len(leaves) != 1 or not jax.tree_util.treedef_is_leaf(structure):
        raise TypeError(
            f"backprop is only defined for scalar-output functions. Output was {out_shape}. If the "
            "function returns auxiliary data as well, pass has_aux=True."
        )
    (leaf,) = leaves
    if leaf.shape != ():
        raise TypeError(
            f"backprop is only defined for scalar-output functions. Output had shape: "
            f"{leaf.shape}. Reduce it to the quantity of interest (index it, or sum it), or "
            "map over its elements with `jax.vmap`."
        )
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        raise TypeError(
            "backprop requires real-valued outputs (output dtype that is a sub-dtype of "
            f"np.floating), but got {leaf.dtype}."
        )
