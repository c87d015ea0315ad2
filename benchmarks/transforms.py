"""What is timed beside `jax.grad`: the forward pass, and a statistic of each kind."""

from collections.abc import Callable
from typing import Any

import jax

import semigrad as sg
from benchmarks import report
from semigrad.kernels import maximum_native

Transform = Callable[[Callable[..., Any]], Callable[..., Any]]


def statistic(semiring: sg.Semiring) -> Transform:
    """Returns `sg.backprop` with a semiring."""
    return lambda f: sg.backprop(f, semiring)


TRANSFORMS: dict[str, Transform] = {
    report.BASELINE: jax.grad,
    "jax.value_and_grad": jax.value_and_grad,
    "forward pass": lambda f: f,
    "SumProduct": statistic(sg.SumProduct()),
    "LogSumProduct": statistic(sg.LogSumProduct()),
    "Entropy": statistic(sg.Entropy()),
    "Count": statistic(sg.Count()),
    "Signed": statistic(sg.Signed()),
    "AbsMaxProduct (XLA)": statistic(sg.AbsMaxProduct(kernel="xla")),
    "MaxProduct (XLA)": statistic(sg.MaxProduct(kernel="xla")),
    "Product(Sum, Max, Entropy)": statistic(
        sg.Product(sg.SumProduct(), sg.MaxProduct(kernel="xla"), sg.Entropy())
    ),
    "TopK(4)": statistic(sg.TopK(4)),
    "top_path": sg.top_path,
}
if maximum_native.is_available() and jax.default_backend() == "cpu":
    TRANSFORMS["AbsMaxProduct (native)"] = statistic(sg.AbsMaxProduct(kernel="native"))
    TRANSFORMS["MaxProduct (native)"] = statistic(sg.MaxProduct(kernel="native"))
