"""What a semiring is: the protocol, and the operations that follow from it.

A semiring (K, plus, times, zero, one) and a map lift: float -> K replace (+, x) in
backpropagation (Du et al. 2023, section 3.3). `plus` joins alternative paths, `times` extends a
path by an edge, `lift` reads an edge's weight. Elements are pytrees of arrays whose leaves have
the node's shape as their leading axes; trailing axes, if any, belong to the element.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Element = Any
Array = jax.Array


class Semiring:
    """Base class. A semiring of your own defines `zero`, `one`, `lift`, `plus` and `times`.

    The other methods follow from these five; override them where there is a faster way.
    `semigrad.check_laws` tests the axioms, and that overrides agree with what they replace.

    Example:
      >>> class Viterbi(sg.Semiring):
      ...     '''The strongest path by magnitude.'''
      ...     def zero(self, shape, dtype): return jnp.zeros(shape, dtype)
      ...     def one(self, shape, dtype): return jnp.ones(shape, dtype)
      ...     def lift(self, weight): return jnp.abs(weight)
      ...     def plus(self, a, b): return jnp.maximum(a, b)
      ...     def times(self, a, b): return a * b
    """

    def zero(self, shape: Sequence[int], dtype: Any) -> Element:
        """Returns "no path" for nodes of a shape and dtype: neutral for plus, absorbing."""
        raise NotImplementedError

    def one(self, shape: Sequence[int], dtype: Any) -> Element:
        """Returns the empty path for nodes of a shape and dtype: neutral for times."""
        raise NotImplementedError

    def lift(self, weight: Array) -> Element:
        """Returns the elements of paths that are one edge long."""
        raise NotImplementedError

    def plus(self, a: Element, b: Element) -> Element:
        """Joins alternative paths, elementwise; both elements have one shape."""
        raise NotImplementedError

    def times(self, a: Element, b: Element) -> Element:
        """Joins paths end to end, elementwise; both elements have one shape."""
        raise NotImplementedError

    def scale(self, weight: Array, a: Element) -> Element:
        """Extends paths by an edge each: `times(lift(weight), a)`, in one shape."""
        return self.times(self.lift(weight), a)

    def sum(self, a: Element, axis: int | Sequence[int] | None = None) -> Element:
        """Joins by `plus` along axes of the node's shape (Eq. 3).

        Args:
          a: an element.
          axis: one or several axes; negative ones count from the end of the node's shape; None
            joins all.

        Returns:
          The element with these axes removed. An empty axis gives `zero`.
        """
        for ax in sorted(self.axes(a, axis), reverse=True):
            a = _fold(self, a, ax)
        return a

    def segment_sum(self, a: Element, ids: Array, num_segments: int) -> Element:
        """Joins by `plus` the rows of `a` that share an id.

        Args:
          a: an element of shape [n, ...].
          ids: int32 [n]; rows whose id is outside [0, num_segments) are left out.
          num_segments: the number of rows of the result.

        Returns:
          An element of shape [num_segments, ...]; `zero` where no row has the id.
        """
        return _sorted_segments(self, a, ids, num_segments)

    def contract(self, weight: Array, a: Element, precision: Any = None) -> Element:
        """Joins by `plus` over n: out[b, m, k] = plus_n times(lift(weight[b, k, n]), a[b, m, n]).

        This is backpropagation through a matrix product, the heaviest step there is. The
        [m, k, n] product is never formed.

        Args:
          weight: real numbers [b, k, n].
          a: an element of shape [b, m, n].
          precision: the precision of the user's own product, for those who use a real one.

        Returns:
          An element of shape [b, m, k].
        """
        del precision
        return _scan_contract(self, weight, a)

    def map(self, fun: Callable[..., Array], *elements: Element) -> Element:
        """Applies a function of arrays of the node's shape to the leaves of elements.

        The function moves data only; trailing axes of a leaf are carried along.
        """
        scalar = jax.eval_shape(lambda: self.zero((), jnp.float32))
        return jax.tree.map(
            lambda t, *leaves: _over_trailing(fun, t.ndim)(*leaves), scalar, *elements
        )

    def shape(self, a: Element) -> tuple[int, ...]:
        """Returns the node's shape of an element."""
        scalar = jax.eval_shape(lambda: self.zero((), jnp.float32))
        leaf, trailing = jax.tree.leaves(a)[0], jax.tree.leaves(scalar)[0].ndim
        return leaf.shape[: leaf.ndim - trailing]

    def axes(self, a: Element, axis: int | Sequence[int] | None) -> tuple[int, ...]:
        """Returns axes of the node's shape as a tuple of distinct non-negative numbers."""
        ndim = len(self.shape(a))
        if axis is None:
            return tuple(range(ndim))
        given = (axis,) if isinstance(axis, int) else tuple(axis)
        for ax in given:
            if not -ndim <= ax < ndim:
                raise ValueError(f"axis {ax} is out of bounds for nodes of shape {self.shape(a)}")
        return tuple(sorted({ax % ndim for ax in given}))


def log_dtype(dtype: Any) -> Any:
    """Returns the dtype in which logarithms of a dtype's numbers are kept: float32 at least."""
    return jnp.dtype(dtype if jnp.finfo(dtype).bits > 32 else jnp.float32)


def _over_trailing(fun: Callable[..., Array], trailing: int) -> Callable[..., Array]:
    for _ in range(trailing):
        fun = jax.vmap(fun, in_axes=-1, out_axes=-1)
    return fun


def _zero_like(semiring: Semiring, a: Element, shape: Sequence[int]) -> Element:
    dtype = jax.tree.leaves(a)[0].dtype
    return semiring.map(
        lambda like, fill: jnp.full(shape, fill, like.dtype), a, semiring.zero((), dtype)
    )


def _fold(semiring: Semiring, a: Element, axis: int) -> Element:
    """Joins along one axis by halving it."""
    size = semiring.shape(a)[axis]
    if size == 0:
        shape = semiring.shape(a)
        return _zero_like(semiring, a, shape[:axis] + shape[axis + 1 :])
    while size > 1:
        half = size // 2
        low, high, rest = (
            semiring.map(lambda x, s=s, e=e: lax.slice_in_dim(x, s, e, axis=axis), a)
            for s, e in ((0, half), (half, 2 * half), (2 * half, size))
        )
        joined = semiring.plus(low, high)
        a = semiring.map(lambda x, r: lax.concatenate([x, r], axis), joined, rest)
        size = size - half
    return semiring.map(lambda x: lax.squeeze(x, [axis]), a)


def _sorted_segments(semiring: Semiring, a: Element, ids: Array, num_segments: int) -> Element:
    """Sorts rows by id, joins runs of one id by a segmented scan, and reads each run's last row."""
    size = ids.shape[0]
    shape = semiring.shape(a)
    zero = _zero_like(semiring, a, (num_segments, *shape[1:]))
    if size == 0 or num_segments == 0:
        return zero
    order = jnp.argsort(ids, stable=True)
    ids = ids[order]
    rows = semiring.map(lambda x: x[order], a)

    def join(left: tuple[Array, Element], right: tuple[Array, Element]) -> tuple[Array, Element]:
        same = left[0] == right[0]
        joined = semiring.plus(left[1], right[1])
        mask = same.reshape(same.shape + (1,) * (len(shape) - 1))
        keep = semiring.map(lambda j, r: jnp.where(mask, j, r), joined, right[1])
        return right[0], keep

    _, rows = lax.associative_scan(join, (ids, rows))
    last = jnp.concatenate([ids[1:] != ids[:-1], jnp.ones(1, bool)])
    target = jnp.where(last & (ids >= 0), ids, num_segments)
    return semiring.map(lambda z, x: z.at[target].set(x, mode="drop"), zero, rows)


def _scan_contract(semiring: Semiring, weight: Array, a: Element) -> Element:
    """Joins over n one n at a time."""
    b, m, n = semiring.shape(a)
    k = weight.shape[1]
    shape = (b, m, k)

    def step(total: Element, at: tuple[Array, Element]) -> tuple[Element, None]:
        column, ct = at
        lifted = semiring.map(
            lambda x: jnp.broadcast_to(x[:, None, :], shape), semiring.lift(column)
        )
        ct = semiring.map(lambda x: jnp.broadcast_to(x[:, :, None], shape), ct)
        return semiring.plus(total, semiring.times(lifted, ct)), None

    columns = jnp.moveaxis(weight, 2, 0)
    cts = semiring.map(lambda x: jnp.moveaxis(x, 2, 0), a)
    total, _ = lax.scan(step, _zero_like(semiring, a, shape), (columns, cts), length=n)
    return total
