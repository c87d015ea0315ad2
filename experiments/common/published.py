"""What the paper's code computed in place of its Eq. 5, to compare its figures like with like.

The paper's library (brunoflow) has one gradient per array, and hands both ends of the interval of
path weights through the ordinary backward function of each operation. So

- within an operation weights are *summed*: over the columns of a matrix product, over what a
  broadcast or an embedding look-up copied;
- after an operation the two ends are put in order, element by element: the larger is `max`. That
  is how a negative weight comes to exchange them, and it is done to sums, not to their terms;
- maximum and minimum are taken only where several operations use one array, of their sums;
- what an index did not select has weight 0, and 0 takes part in that maximum.

The numbers so are no weights of paths, but of bundles of paths, and depend on how a model is cut
into operations. They are those of `semigrad.MaxProduct` only where no sum has two terms.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from transformers.models.bert.modeling_flax_bert import (
    FlaxBertIntermediate,
    FlaxBertPredictionHeadTransform,
)

import semigrad as sg

_SUMS = sg.SumProduct()


@dataclasses.dataclass(frozen=True)
class PublishedMaxProduct(sg.Semiring):
    """The paper's code's rules as operations that semigrad can run; not a semiring.

    Sums inside operations and maxima between them are not one `plus`: `plus` is what happens
    between operations, `sum`, `segment_sum` and `contract` what happens inside. Neither does
    `times` distribute over `plus`, nor is `zero`, their 0, neutral for it.

    Elements are `semigrad.Extremes`, whose ends need not be in order: `scale` leaves them as they
    are, since a sum that follows it within one operation is over them as they are. Whoever reads
    an element calls `in_order` first.

    Where it differs from their code all the same, because JAX's graph is cut elsewhere: a softmax
    there also differentiates through the shift by its maximum, as does the log-softmax of a
    quantity of log-probabilities; the weights of a layer norm come before the deviation instead of
    after it, which matters for the order of the two ends where such a weight is negative. GELU,
    one operation there and two edges here, is made one by `with_one_edge_activations`.
    """

    def zero(self, shape: Sequence[int], dtype: Any) -> sg.Extremes:
        return sg.Extremes(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def one(self, shape: Sequence[int], dtype: Any) -> sg.Extremes:
        return sg.Extremes(jnp.ones(shape, dtype), jnp.ones(shape, dtype))

    def lift(self, weight: jax.Array) -> sg.Extremes:
        return sg.Extremes(weight, weight)

    def plus(self, a: sg.Extremes, b: sg.Extremes) -> sg.Extremes:
        return sg.Extremes(
            jnp.maximum(jnp.maximum(*a), jnp.maximum(*b)),
            jnp.minimum(jnp.minimum(*a), jnp.minimum(*b)),
        )

    def times(self, a: sg.Extremes, b: sg.Extremes) -> sg.Extremes:
        return sg.Extremes(a.max * b.max, a.min * b.min)

    def sum(self, a: sg.Extremes, axis: int | Sequence[int] | None = None) -> sg.Extremes:
        return in_order(sg.Extremes(*(_SUMS.sum(end, axis) for end in a)))

    def segment_sum(self, a: sg.Extremes, ids: jax.Array, num_segments: int) -> sg.Extremes:
        return in_order(sg.Extremes(*(_SUMS.segment_sum(end, ids, num_segments) for end in a)))

    def contract(self, weight: jax.Array, a: sg.Extremes, precision: Any = None) -> sg.Extremes:
        ends = in_order(a)
        return in_order(sg.Extremes(*(_SUMS.contract(weight, end, precision) for end in ends)))


def in_order(a: sg.Extremes) -> sg.Extremes:
    """Calls the larger end of each element `max`, as their code does after each operation."""
    return sg.Extremes(jnp.maximum(*a), jnp.minimum(*a))


def with_one_edge_activations(quantity: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Makes the activations that a function of a stock Flax BERT passes through one edge each.

    Values and derivatives stay what they are. `jax.nn.gelu(x)` is x times a function of x, so two
    edges lead from x; in the paper's code it is one operation.
    """

    def with_one_edge(*args: Any) -> jax.Array:
        with nn.intercept_methods(_one_edge_activation):
            return quantity(*args)

    return with_one_edge


def _one_edge_activation(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
    module = context.module
    if context.method_name != "__call__" or not isinstance(
        module, (FlaxBertIntermediate, FlaxBertPredictionHeadTransform)
    ):
        return next_fun(*args, **kwargs)
    hidden = _one_edge(module.activation)(module.dense(*args))
    return module.LayerNorm(hidden) if hasattr(module, "LayerNorm") else hidden


def _one_edge(activation: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """Gives an elementwise function the derivative that it has, as one edge."""

    def with_derivative(
        primals: tuple[jax.Array], tangents: tuple[jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        (x,), (tangent,) = primals, tangents
        value, weight = jax.jvp(activation, (x,), (jnp.ones_like(x),))
        return value, weight * tangent

    wrapped = jax.custom_jvp(activation)
    wrapped.defjvp(with_derivative)
    return wrapped
