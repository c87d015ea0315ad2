"""Stock models of transformers, flax and equinox: sum-product is `jax.grad`, the rest agrees.

Models run eagerly: they share the compiled operations of equal shapes, which takes a tenth of the
time that compiling every model as a whole would.
"""

from typing import Any

import jax
import numpy as np
import pytest
import stock_models as models

import semigrad as sg

Array = Any

pytestmark = [pytest.mark.float32]

SEMIRING = sg.Product(
    sg.SumProduct(), sg.MaxProduct(), sg.AbsMaxProduct(), sg.Entropy(), sg.Count()
)

# Models of transformers 4.57 that these versions of JAX and flax no longer build, and why.
DO_NOT_BUILD = {
    "t5": (TypeError, "clip.. got an unexpected keyword argument 'a_max'"),
    "mt5": (TypeError, "clip.. got an unexpected keyword argument 'a_max'"),
    "longt5": (TypeError, "clip.. got an unexpected keyword argument 'a_max'"),
}


# Those that are always run: one of each kind (BERT has tests of its own). All others are left to
# --exhaustive.
SAMPLE = {"equinox", "llama", "lstm", "nnx_transformer", "resnet"}
MARKED = [
    pytest.param(name, marks=[] if name in SAMPLE else pytest.mark.exhaustive)
    for name in models.names()
]


@pytest.mark.parametrize("name", MARKED)
def test_model(name: str) -> None:
    f, params = models.build(name)
    value, gradient = jax.value_and_grad(f)(params)
    got, elements = sg.value_and_backprop(f, SEMIRING)(params)
    np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)

    structure = jax.tree.structure(gradient)
    largest = max(float(np.max(np.abs(g), initial=0)) for g in jax.tree.leaves(gradient))
    assert largest > 0.1, "nothing to compare"
    entropies = []
    for (path, want), element in zip(
        jax.tree_util.tree_flatten_with_path(gradient)[0],
        structure.flatten_up_to(elements),
        strict=True,
    ):
        message = jax.tree_util.keystr(path)
        element = jax.tree.map(np.asarray, element)
        np.testing.assert_allclose(
            element[0], want, rtol=1e-5, atol=1e-5 * largest, err_msg=message
        )
        assert_consistent(element, message)
        entropies.append(np.max(element[3].entropy, initial=0))
    assert max(entropies) > 1, "hardly any paths"


def assert_consistent(element: Any, message: str) -> None:
    """What holds between the statistics of one set of paths."""
    gradient, extremes, strongest, (log_mass, entropy), count = element
    assert not any(np.any(np.isnan(leaf)) for leaf in jax.tree.leaves(element)), message

    # no path: where there is none for one, there is none for any
    path = extremes.max >= extremes.min
    assert np.all(np.isneginf(extremes.max[~path]) & np.isposinf(extremes.min[~path])), message
    assert np.all(np.isneginf(count[~path]) & np.isneginf(log_mass[~path])), message
    assert not np.any(gradient[~path]) and not np.any(strongest[~path]), message
    assert not np.any(entropy[~path]), message

    # paths of weight 0 only
    exists = np.isfinite(count)
    np.testing.assert_array_equal(exists, np.isfinite(log_mass), message)
    for leaf in (gradient, extremes.max, extremes.min, entropy):
        assert not np.any(leaf[path & ~exists]), message

    extremes, strongest, log_mass, entropy, count, gradient = jax.tree.map(
        lambda leaf: leaf[path], (extremes, strongest, log_mass, entropy, count, gradient)
    )
    for leaf in (gradient, extremes.max, extremes.min, strongest, entropy):
        assert np.all(np.isfinite(leaf)), message
    larger = np.maximum(np.abs(extremes.max), np.abs(extremes.min))
    np.testing.assert_allclose(strongest, larger, rtol=1e-5, atol=1e-30, err_msg=message)

    some = np.isfinite(count)
    log_mass, entropy, count, strongest, gradient = (
        leaf[some] for leaf in (log_mass, entropy, count, strongest, gradient)
    )
    slack = 1e-4 * (1 + np.abs(log_mass) + count)
    with np.errstate(divide="ignore"):
        log_strongest, log_gradient = np.log(strongest), np.log(np.abs(gradient))
    assert np.all(log_strongest <= log_mass + slack), message
    assert np.all(log_gradient <= log_mass + slack), message
    # the mass is that of at most e^count paths, none stronger than the strongest
    seen = strongest > 1e-30
    assert np.all((log_mass <= log_strongest + count + slack)[seen]), message
    assert np.all(count >= -slack), message
    assert np.all((-slack <= entropy) & (entropy <= count + slack)), message


@pytest.mark.parametrize("name", DO_NOT_BUILD)
def test_models_that_do_not_build(name: str) -> None:
    """If one builds again, it belongs among those that are tested."""
    error, message = DO_NOT_BUILD[name]
    with pytest.raises(error, match=message):
        models.build_broken(name)
