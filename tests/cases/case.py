"""A row of the table of cases: a function with few enough paths to list, and its arguments."""

import dataclasses
import math
import zlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

Array = Any


@dataclasses.dataclass(frozen=True)
class Real:
    """A float argument: random in [low, high), or the given values."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    values: Any = None

    def make(self, rng: np.random.Generator, sample: int, dtype: Any) -> np.ndarray:
        if self.values is None:
            return rng.uniform(self.low, self.high, self.shape).astype(dtype)
        values = np.asarray(self.values, dtype)
        return np.flip(values).copy() if sample % 2 else values


@dataclasses.dataclass(frozen=True)
class Whole:
    """An integer (or boolean) argument of the given values."""

    values: Any

    def make(self, rng: np.random.Generator, sample: int, dtype: Any) -> np.ndarray:
        values = np.asarray(self.values)
        if values.dtype != bool:
            values = values.astype(np.int32)
        return np.flip(values).copy() if sample % 2 else values


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> Real:
    return Real(shape, low, high)


def positive(*shape: int) -> Real:
    return Real(shape, 0.2, 2.5)


def exactly(values: Any) -> Real:
    return Real(np.shape(values), values=values)


@dataclasses.dataclass(frozen=True)
class Case:
    """One function of the table.

    Attributes:
        name: family and name.
        f: the function, with a scalar float result.
        specs: what its arguments are.
        covers: primitives it is there for; a test checks that they occur in its jaxpr.
        strict: whether the function itself allows strict dtype and rank promotion.
    """

    name: str
    f: Callable[..., Array]
    specs: tuple[Real | Whole, ...]
    covers: tuple[str, ...] = ()
    rtol: float = 1e-9
    rtol32: float = 2e-5
    strict: bool = True

    @property
    def family(self) -> str:
        return self.name.split("/")[0]

    @property
    def argnums(self) -> tuple[int, ...]:
        return tuple(i for i, spec in enumerate(self.specs) if isinstance(spec, Real))

    def arguments(self, sample: int = 0, dtype: Any = np.float64) -> tuple[Array, ...]:
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), sample])
        return tuple(jnp.asarray(spec.make(rng, sample, dtype)) for spec in self.specs)

    def batch(self, samples: int = 2, dtype: Any = np.float64) -> tuple[Array, ...]:
        rows = [self.arguments(sample, dtype) for sample in range(samples)]
        return tuple(jnp.stack(column) for column in zip(*rows, strict=True))


def weigh(y: Array) -> Array:
    """A scalar from an array: a sum with generic weights of both signs."""
    weights = np.array([0.7 * (-1) ** (i // 2) + 0.31 * math.sin(3.0 * i) for i in range(y.size)])
    return jnp.sum(y * jnp.asarray(weights.reshape(y.shape), y.dtype))


def make(name: str, f: Callable[..., Array], *specs: Real | Whole, **kwargs: Any) -> Case:
    return Case(name, f, specs, **kwargs)
