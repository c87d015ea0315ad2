"""The identities between the semirings, on random small graphs."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import oracles
from hypothesis import given, settings
from hypothesis import strategies as st

import semigrad as sg

Array = Any
_MIX = np.array([[0.9, -0.4, 0.3], [0.0, 1.2, -0.7], [-0.5, 0.6, 0.2]])

# Functions of one or two [3] vectors to one [3] vector: the steps of a random graph. One shape
# throughout, so that eager evaluation compiles each operation once for all graphs.
_UNARY: dict[str, Callable[[Array], Array]] = {
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "exp": lambda x: jnp.exp(0.3 * x),
    "square": jnp.square,
    "relu": jax.nn.relu,
    "mix": lambda x: _MIX @ x,
    "rev": lambda x: x[::-1],
    "softmax": jax.nn.softmax,
    "cumsum": jnp.cumsum,
    "gather": lambda x: x[np.array([2, 0, 2])],
    "max": lambda x: x - jnp.max(x),
}
_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "where": lambda x, y: jnp.where(x > y, x, 0.5 * y),
}


class RandomGraph(NamedTuple):
    """A straight-line program: each step reads earlier vectors; the last is summed."""

    steps: tuple[tuple[str, int, int], ...]
    point: tuple[float, ...]

    def __call__(self, x: Array) -> Array:
        values = [x]
        for name, first, second in self.steps:
            a, b = values[first % len(values)], values[second % len(values)]
            values.append(_UNARY[name](a) if name in _UNARY else _BINARY[name](a, b))
        return jnp.sum(values[-1] + values[len(values) // 2])

    @property
    def x(self) -> Array:
        return jnp.asarray(self.point, jnp.float64)


_step = st.tuples(
    st.sampled_from([*_UNARY, *_BINARY, "mul", "add"]),
    st.integers(-3, -1),
    st.integers(-3, -1),
)
_number = st.sampled_from([-1.7, -0.8, -0.3, 0.4, 0.9, 1.6])
graphs = st.builds(
    RandomGraph,
    st.lists(_step, min_size=1, max_size=5).map(tuple),
    st.tuples(_number, _number, _number),
)
on_graphs = settings(max_examples=15)


def _log_sum(graph: RandomGraph, power: Any = 1.0) -> Array:
    return sg.backprop(graph, sg.LogSumProduct(power))(graph.x)


def _power_derivative(graph: RandomGraph, order: int) -> Array:
    """The derivative of L(a) in a, at 1."""
    f = lambda power: _log_sum(graph, power)
    for _ in range(order):
        f = _derivative(f)
    return f(jnp.float64(1.0))


def _derivative(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda power: jax.jvp(f, (power,), (jnp.ones_like(power),))[1]


def _close(got: Any, want: Any, tolerance: float = 1e-8) -> None:
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def _distributions(graph: RandomGraph) -> list[np.ndarray]:
    """Per input element, the probabilities of its paths of non-zero weight."""
    lists = oracles.statistics(graph, graph.x)[0].lists
    masses = [np.abs(w[w != 0]) for w in lists]
    return [m / m.sum() if len(m) else m for m in masses]


@on_graphs
@given(graphs)
def test_everything_equals_the_listed_paths(graph: RandomGraph) -> None:
    parts = sg.SumProduct(), sg.MaxProduct(), sg.AbsMaxProduct(), sg.Entropy(), sg.Count()
    total, extremes, absmax, entropy, count = sg.backprop(graph, sg.Product(*parts))(graph.x)
    listed = oracles.statistics(graph, graph.x)[0]
    _close(total, listed.sum)
    _close(extremes.max, listed.max)
    _close(extremes.min, listed.min)
    _close(absmax, listed.absmax)
    _close(entropy.log_mass, listed.log_mass)
    _close(entropy.entropy, listed.entropy)
    _close(count, listed.log_count)


@on_graphs
@given(graphs)
def test_cancelling_masses_leave_the_gradient(graph: RandomGraph) -> None:
    parts = sg.Product(sg.SumProduct(), sg.Signed())
    gradient, signed = sg.backprop(graph, parts)(graph.x)
    listed = oracles.statistics(graph, graph.x)[0]
    _close(signed.log_positive, listed.log_signed(1))
    _close(signed.log_negative, listed.log_signed(-1))
    _close(np.exp(signed.log_positive) - np.exp(signed.log_negative), gradient)
    _close(np.logaddexp(*signed), _log_sum(graph))


@on_graphs
@given(graphs, st.integers(1, 5))
def test_the_best_of_the_k_best_is_the_best(graph: RandomGraph, k: int) -> None:
    parts = sg.Product(sg.MaxProduct("xla"), sg.TopK(k))
    extremes, top = sg.backprop(graph, parts)(graph.x)
    np.testing.assert_array_equal(top.values[..., 0], extremes.max)
    np.testing.assert_array_equal(top.lowest[..., 0], extremes.min)
    listed = oracles.statistics(graph, graph.x)[0]
    _close(top.values, listed.top(k))
    _close(top.lowest, -listed.negated.top(k))


@on_graphs
@given(graphs)
def test_entropy_is_log_mass_minus_its_derivative(graph: RandomGraph) -> None:
    entropy = sg.backprop(graph, sg.Entropy())(graph.x)
    log_mass = _log_sum(graph)
    _close(entropy.log_mass, log_mass)
    no_mass = np.isneginf(log_mass)
    _close(entropy.entropy, np.where(no_mass, 0.0, log_mass - _power_derivative(graph, 1)))


@on_graphs
@given(graphs)
def test_varentropy_is_the_second_derivative(graph: RandomGraph) -> None:
    got = _power_derivative(graph, 2)
    for i, p in enumerate(_distributions(graph)):
        if len(p):
            mean = np.sum(p * np.log(p))
            _close(got[i], np.sum(p * (np.log(p) - mean) ** 2))


@on_graphs
@given(graphs, st.sampled_from([0.5, 2.0, 3.0]))
def test_renyi_entropy(graph: RandomGraph, order: float) -> None:
    log_mass, powered = _log_sum(graph), _log_sum(graph, order)
    for i, p in enumerate(_distributions(graph)):
        if len(p):
            got = (powered[i] - order * log_mass[i]) / (1 - order)
            _close(got, math.log(np.sum(p**order)) / (1 - order))


@on_graphs
@given(graphs)
def test_power_0_counts_and_bounds_the_entropy(graph: RandomGraph) -> None:
    entropy, count = sg.backprop(graph, sg.Product(sg.Entropy(), sg.Count()))(graph.x)
    _close(_log_sum(graph, 0.0), count)
    exists = np.isfinite(count)
    assert np.all(entropy.entropy[exists] <= count[exists] + 1e-12)
    assert np.all(entropy.entropy >= -1e-12)


@on_graphs
@given(graphs)
def test_large_powers_lead_to_the_strongest_path(graph: RandomGraph) -> None:
    """log max <= L(a) / a <= log max + log(number of paths) / a."""
    power = 200.0
    parts = sg.Product(sg.AbsMaxProduct(), sg.Count())
    absmax, count = sg.backprop(graph, parts)(graph.x)
    got = _log_sum(graph, power) / power
    for i in range(3):
        if absmax[i] > 0:
            assert math.log(absmax[i]) - 1e-9 <= got[i]
            assert got[i] <= math.log(absmax[i]) + count[i] / power + 1e-9
        else:
            assert got[i] == -np.inf


@on_graphs
@given(graphs)
def test_strongest_path_is_the_larger_extreme(graph: RandomGraph) -> None:
    parts = sg.Product(sg.AbsMaxProduct(), sg.MaxProduct())
    absmax, extremes = sg.backprop(graph, parts)(graph.x)
    exists = extremes.max >= extremes.min
    larger = np.maximum(np.abs(extremes.max), np.abs(extremes.min))
    _close(absmax, np.where(exists, larger, 0.0))


class Expectation(sg.Semiring):
    """Li & Eisner (2009): pairs (Z, R); R / Z is the expectation of -log of the path's weight."""

    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)

    def one(self, shape: Any, dtype: Any) -> Any:
        return jnp.ones(shape, dtype), jnp.zeros(shape, dtype)

    def lift(self, weight: Any) -> Any:
        mass = jnp.abs(weight)
        return mass, -mass * jnp.log(jnp.where(mass > 0, mass, 1.0))

    def plus(self, a: Any, b: Any) -> Any:
        return a[0] + b[0], a[1] + b[1]

    def times(self, a: Any, b: Any) -> Any:
        return a[0] * b[0], a[0] * b[1] + a[1] * b[0]


@on_graphs
@given(graphs)
def test_entropy_is_the_expectation_semirings(graph: RandomGraph) -> None:
    """Eq. 7: H = log Z + R / Z."""
    mass, expectation = sg.backprop(graph, Expectation())(graph.x)
    entropy = sg.backprop(graph, sg.Entropy())(graph.x)
    for i in range(3):
        if mass[i] > 0:
            _close(entropy.log_mass[i], math.log(mass[i]))
            _close(entropy.entropy[i], math.log(mass[i]) + expectation[i] / mass[i])
        else:
            assert entropy.log_mass[i] == -np.inf


class TwoBest(sg.Semiring):
    """The log magnitudes of the two strongest paths, descending: elements with a trailing axis."""

    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.full((*shape, 2), -jnp.inf, dtype)

    def one(self, shape: Any, dtype: Any) -> Any:
        return jnp.broadcast_to(jnp.asarray([0.0, -jnp.inf], dtype), (*shape, 2))

    def lift(self, weight: Any) -> Any:
        none = jnp.full_like(weight, -jnp.inf)
        return jnp.stack([jnp.log(jnp.abs(weight)), none], axis=-1)

    def plus(self, a: Any, b: Any) -> Any:
        return jnp.sort(jnp.concatenate([a, b], axis=-1), axis=-1)[..., :1:-1]

    def times(self, a: Any, b: Any) -> Any:
        pairs = a[..., :, None] + b[..., None, :]
        return jnp.sort(pairs.reshape(*pairs.shape[:-2], 4), axis=-1)[..., :1:-1]


@on_graphs
@given(graphs)
def test_trailing_axes_of_a_users_element(graph: RandomGraph) -> None:
    got = sg.backprop(graph, TwoBest())(graph.x)
    for i, weights in enumerate(oracles.statistics(graph, graph.x)[0].lists):
        with np.errstate(divide="ignore"):
            logs = np.sort(np.log(np.abs([0.0, 0.0, *weights])))[::-1]
        _close(got[i], logs[:2])


_weight = st.floats(-2.0, 2.0).map(lambda w: round(w, 3)).filter(lambda w: abs(w) > 0.05)
_matrix = st.lists(st.lists(_weight, min_size=3, max_size=3), min_size=3, max_size=3)


@settings(max_examples=10)
@given(_matrix, _matrix, st.tuples(_weight, _weight, _weight))
def test_posterior_is_the_derivative_in_log_weights(first: Any, second: Any, last: Any) -> None:
    """d L(1) / d log|w_e| is the probability that a path uses edge e, in a linear network."""
    first, second, last = (np.asarray(w, np.float64) for w in (first, second, last))

    def log_mass(w1: Array, w2: Array, w3: Array) -> Array:
        f = lambda x: jnp.dot(w3, w2 @ (w1 @ x))
        return sg.backprop(f, sg.LogSumProduct())(jnp.ones(3))

    jacobians = jax.jacrev(log_mass, (0, 1, 2))(first, second, last)
    # masses[i, j, k]: of the path from input i through hidden j and hidden k
    masses = np.abs(np.einsum("ji,kj,k->ijk", first, second, last))
    p = masses / masses.sum((1, 2), keepdims=True)
    own = np.einsum("ijk,ir->rjik", p, np.eye(3)).sum(-1)  # [input, j, i]: edges of `first`
    wants = own, np.moveaxis(p, 1, 2), p.sum(1)
    for got, weight, want in zip(jacobians, (first, second, last), wants, strict=True):
        _close(got * weight, want)


def test_posterior_of_an_elementwise_edge() -> None:
    """The same where the edges are those of a product: node i reaches the output through w[i]."""
    weights = np.array([0.7, -1.3, 0.4])

    def f(x: Array, w: Array) -> Array:
        scaled = x * w
        return jnp.sum(_MIX @ scaled + scaled[::-1])

    got = jax.jacfwd(lambda w: sg.backprop(f, sg.LogSumProduct())(jnp.ones(3), w))(weights)
    _close(got * weights, np.eye(3))
