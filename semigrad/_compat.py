"""Every difference between JAX 0.10.2 and 0.12, and all use of its private parts.

Nothing outside this file may import `jax._src` or ask for a version.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax._src import source_info_util
from jax._src.interpreters import ad as _private_ad
from jax.extend import core as jex_core
from jax.interpreters import ad

Literal = jex_core.Literal


def open_jaxpr(jaxpr: Any) -> tuple[Any, Sequence[Any]]:
    """Returns the equations' jaxpr and its constants, for an open or a closed jaxpr.

    Up to JAX 0.10 a `ClosedJaxpr` wraps a `Jaxpr`; from 0.11 the two are one class.
    """
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    consts = getattr(jaxpr, "consts", None)
    return inner, [] if consts is None else list(consts)


def bind(primitive: Any, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """Evaluates a primitive on operands from an equation's own params.

    Call-like primitives (`custom_jvp_call`, `custom_vjp_call`) keep in the equation a form of
    their params that `bind` does not take; `get_bind_params` converts it, to a pair of
    subfunctions and params up to JAX 0.9.2 and to one dict since.
    """
    bind_params = primitive.get_bind_params(params)
    if isinstance(bind_params, tuple):
        subfunctions, bind_params = bind_params
        return primitive.bind(*subfunctions, *operands, **bind_params)
    return primitive.bind(*operands, **bind_params)


def source_line(source_info: Any) -> str:
    """Returns the user's own line, `file:line:column (function)`, of an equation."""
    return source_info_util.summarize(source_info)


def in_scope(source_info: Any) -> Any:
    """Returns a context in which new equations carry the traceback of an old one."""
    return source_info_util.user_context(source_info.traceback)


def differentiable_primitives() -> list[str]:
    """Returns the sorted names of all primitives that JAX has any differentiation rule for."""
    tables: tuple[Any, ...] = (
        ad.primitive_jvps,
        ad.primitive_transposes,
        getattr(_private_ad, "fancy_transposes", {}),
        getattr(_private_ad, "primitive_linearizations", {}),
    )
    names = {primitive.name for table in tables for primitive in table}
    # JAX 0.12 adds a primitive for each call that it differentiates, `vjp_node[...]`.
    names = {name for name in names if not name.startswith("vjp_node[")}
    # Dispatched by the trace itself, hence in no table.
    return sorted(names | {"custom_jvp_call", "custom_vjp_call"})


def trace(fun: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """Traces `fun(*args)` to a closed jaxpr and the pytree of its outputs' shapes."""
    return jax.make_jaxpr(fun, return_shape=True)(*args)
