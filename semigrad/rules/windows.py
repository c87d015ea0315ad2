"""Reductions over windows: pooling, and the primitives that JAX differentiates it with.

Each window has an edge from every element that it reads; what lies on padding or on a hole of a
dilated operand is no element. The windows are laid out side by side (patches), where they do not
overlap, so that one `jax.vjp` with ones of the same primitive gives all weights, with JAX's own
choice among ties; those of a sum are 1. On the way back, places that read one element join.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semigrad.registry import Site, register_rule
from semigrad.rules import geometry
from semigrad.semirings.base import Element, Semiring

_FAMILY = "windows"


@register_rule("reduce_window_sum", family=_FAMILY)
def _reduce_window_sum(site: Site, ct: Element, x: Any, **params: Any) -> list[Element | None]:
    """Joins for each element the windows that read it, an axis at a time."""
    for axis, read in enumerate(_positions(x.shape, site.out_avals[0].shape, **params)):
        places = geometry.readers(read.ravel(), x.shape[axis])
        windows = np.where(places < 0, -1, places // read.shape[1])
        ct = geometry.join(site.semiring, ct, windows, axis, site.fill(0))
    return [ct]


def _reduce_window_extreme(
    site: Site, ct: Element, x: Any, *, fill: float, **params: Any
) -> list[Element | None]:
    reads = _positions(x.shape, site.out_avals[0].shape, **params)
    result, pull = jax.vjp(lambda p: site.bind(p, **_disjoint(params)), _patches(x, reads, fill))
    (weight,) = pull(jnp.ones_like(result))
    return [_from_windows(site, ct, weight, reads)]


@register_rule("reduce_window_max", family=_FAMILY)
def _reduce_window_max(site: Site, ct: Element, x: Any, **params: Any) -> list[Element | None]:
    return _reduce_window_extreme(site, ct, x, fill=-np.inf, **params)


@register_rule("reduce_window_min", family=_FAMILY)
def _reduce_window_min(site: Site, ct: Element, x: Any, **params: Any) -> list[Element | None]:
    return _reduce_window_extreme(site, ct, x, fill=np.inf, **params)


@register_rule("select_and_gather_add", family=_FAMILY)
def _select_and_gather_add(
    site: Site, ct: Element, tangents: Any, operand: Any, **params: Any
) -> list[Element | None]:
    """Each window copies the tangent of the operand's element that it selects."""
    reads = _positions(operand.shape, site.out_avals[0].shape, **params)
    patches = _patches(operand, reads, _worst(params["select_prim"]))
    result, pull = jax.vjp(
        lambda t: site.bind(t, patches, **_disjoint(params)), _patches(tangents, reads, 0)
    )
    (weight,) = pull(jnp.ones_like(result))
    return [_from_windows(site, ct, weight, reads), None]


@register_rule("select_and_scatter_add", family=_FAMILY)
def _select_and_scatter_add(
    site: Site, ct: Element, source: Any, operand: Any, **params: Any
) -> list[Element | None]:
    """Each window adds its source to the operand's element that it selects."""
    semiring, fill = site.semiring, site.fill(0)
    reads = _positions(operand.shape, source.shape, **params)
    patches = _patches(operand, reads, _worst(params["select_prim"]))
    changed = _disjoint(params)
    _, weight = jax.jvp(
        lambda s: site.bind(s, patches, **changed), (source,), (jnp.ones_like(source),)
    )
    for axis, read in enumerate(reads):
        ct = geometry.take(semiring, ct, read.ravel(), axis, fill)
    ct = semiring.scale(weight, ct)
    for axis, read in enumerate(reads):
        if read.shape[1] > 1:
            ct = semiring.sum(geometry.split(semiring, ct, axis, read.shape), axis + 1)
    return [ct, None]


def _positions(
    shape: Sequence[int],
    windows: Sequence[int],
    *,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
    **_: Any,
) -> list[np.ndarray]:
    """Returns, per axis, the element that each place of each window reads [windows, window]."""
    ones = (1,) * len(shape)
    lows = [low for low, _ in padding]
    axes = zip(
        shape,
        windows,
        window_dimensions,
        window_strides,
        lows,
        base_dilation or ones,
        window_dilation or ones,
        strict=True,
    )
    return [geometry.positions(*axis) for axis in axes]


def _disjoint(params: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters under which the windows are the patches."""
    window = tuple(params["window_dimensions"])
    ones = (1,) * len(window)
    changed = {
        "window_strides": window,
        "padding": ((0, 0),) * len(window),
        "base_dilation": ones,
        "window_dilation": ones,
    }
    return {name: value for name, value in changed.items() if name in params}


def _patches(x: Any, reads: Sequence[np.ndarray], fill: float) -> Any:
    """Lays the windows of an array side by side, with a value for what is no element."""
    for axis, read in enumerate(reads):
        x = geometry.read(x, read.ravel(), axis, jnp.asarray(fill, x.dtype))
    return x


def _from_windows(site: Site, ct: Element, weight: Any, reads: Sequence[np.ndarray]) -> Element:
    """Sends each window's cotangent to its places, by the patches' weights, and joins."""
    for axis, read in enumerate(reads):
        ct = _repeat(site.semiring, ct, read.shape[1], axis)
    ct = site.semiring.scale(weight, ct)
    for axis, read in enumerate(reads):
        places = geometry.readers(read.ravel(), site.in_avals[0].shape[axis])
        ct = geometry.join(site.semiring, ct, places, axis, site.fill(0))
    return ct


def _repeat(semiring: Semiring, a: Element, times: int, axis: int) -> Element:
    return a if times == 1 else semiring.map(lambda leaf: jnp.repeat(leaf, times, axis), a)


def _worst(select: Any) -> float:
    """Returns the value that a selection prefers least."""
    return {"ge": -np.inf, "le": np.inf}[select.name]
