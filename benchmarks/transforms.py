"""What is timed beside `jax.grad`: a statistic of each kind."""

from collections.abc import Callable
from typing import Any

import jax

import semigrad as sg
from benchmarks import report
from semigrad.kernels import maximum_native

Transform = Callable[[Callable[..., Any]], Callable[..., Any]]


def _statistic(semiring: sg.Semiring) -> Transform:
    return lambda f: sg.backprop(f, semiring)


TRANSFORMS: dict[str, Transform] = {
    report.BASELINE: jax.grad,
    "jax.value_and_grad": jax.value_and_grad,
    "SumProduct": _statistic(sg.SumProduct()),
    "LogSumProduct": _statistic(sg.LogSumProduct()),
    "Entropy": _statistic(sg.Entropy()),
    "Count": _statistic(sg.Count()),
    "Signed": _statistic(sg.Signed()),
    "AbsMaxProduct (XLA)": _statistic(sg.AbsMaxProduct(kernel="xla")),
    "MaxProduct (XLA)": _statistic(sg.MaxProduct(kernel="xla")),
    "Product(Sum, Max, Entropy)": _statistic(
        sg.Product(sg.SumProduct(), sg.MaxProduct(kernel="xla"), sg.Entropy())
    ),
    **{f"TopK({k})": _statistic(sg.TopK(k)) for k in (1, 2, 4, 8)},
    "top_path": sg.top_path,
}
if maximum_native.is_available() and jax.default_backend() == "cpu":
    TRANSFORMS["AbsMaxProduct (native)"] = _statistic(sg.AbsMaxProduct(kernel="native"))
    TRANSFORMS["MaxProduct (native)"] = _statistic(sg.MaxProduct(kernel="native"))
