"""The semirings obey the laws, and `check_laws` catches those that do not."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import SEMIRINGS

import semigrad as sg

LAWFUL = {
    **{name: semiring for name, (semiring, _) in SEMIRINGS.items()},
    "product": sg.Product(sg.MaxProduct(), sg.Entropy()),
    "nested product": sg.Product(sg.SumProduct(), sg.Product(sg.Count(), sg.AbsMaxProduct())),
}


@pytest.mark.parametrize("name", LAWFUL)
def test_laws_hold(name: str) -> None:
    sg.check_laws(LAWFUL[name], jax.random.key(0), dtype=jnp.float64)


@pytest.mark.float32
@pytest.mark.parametrize("name", ["max", "entropy"])
def test_laws_hold_in_32_bit_mode(name: str) -> None:
    sg.check_laws(LAWFUL[name], jax.random.key(1))


class Strongest(sg.Semiring):
    """A correct semiring of the five basic operations: the base of the broken ones below."""

    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.zeros(shape, dtype)

    def one(self, shape: Any, dtype: Any) -> Any:
        return jnp.ones(shape, dtype)

    def lift(self, weight: Any) -> Any:
        return jnp.abs(weight)

    def plus(self, a: Any, b: Any) -> Any:
        return jnp.maximum(a, b)

    def times(self, a: Any, b: Any) -> Any:
        return a * b


def test_a_users_semiring_is_lawful() -> None:
    sg.check_laws(Strongest(), jax.random.key(0))


class PlusNotAssociative(Strongest):
    def plus(self, a: Any, b: Any) -> Any:
        return (a + b) / 2


class PlusNotCommutative(Strongest):
    def plus(self, a: Any, b: Any) -> Any:
        return jnp.where(a > 0, a, b)


class WrongZero(Strongest):
    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.full(shape, 0.5, dtype)


class ZeroDoesNotAnnihilate(Strongest):
    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.full(shape, -1.0, dtype)


class WrongOne(Strongest):
    def one(self, shape: Any, dtype: Any) -> Any:
        return jnp.full(shape, 2.0, dtype)


class TimesNotAssociative(Strongest):
    def times(self, a: Any, b: Any) -> Any:
        return a * b * (1 + jnp.abs(a - b))


class OneOnOneSideOnly(Strongest):
    def times(self, a: Any, b: Any) -> Any:
        return a * b * b


class MaxOfSigned(Strongest):
    """The well-known trap: max does not distribute over a negative factor."""

    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.full(shape, -jnp.inf, dtype)

    def lift(self, weight: Any) -> Any:
        return weight

    def times(self, a: Any, b: Any) -> Any:
        return jnp.where(jnp.isneginf(a) | jnp.isneginf(b), -jnp.inf, a * b)


class NaNFromNoPath(Strongest):
    """Log space without a guard: logaddexp of two "no path" by hand makes NaN."""

    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.full(shape, -jnp.inf, dtype)

    def one(self, shape: Any, dtype: Any) -> Any:
        return jnp.zeros(shape, dtype)

    def lift(self, weight: Any) -> Any:
        return jnp.log(jnp.abs(weight))

    def plus(self, a: Any, b: Any) -> Any:
        top = jnp.maximum(a, b)
        return top + jnp.log(jnp.exp(a - top) + jnp.exp(b - top))

    def times(self, a: Any, b: Any) -> Any:
        return a + b


class ZeroOfFixedType(Strongest):
    def zero(self, shape: Any, dtype: Any) -> Any:
        return jnp.zeros(shape, jnp.float32)


class OneOfFixedType(Strongest):
    def one(self, shape: Any, dtype: Any) -> Any:
        return jnp.ones(shape, jnp.float32)


class PlusChangesType(Strongest):
    def plus(self, a: Any, b: Any) -> Any:
        return jnp.maximum(a, b).astype(jnp.float32)


class TimesChangesType(Strongest):
    def times(self, a: Any, b: Any) -> Any:
        return (a * b).astype(jnp.float32)


class LiftOfOtherStructure(Strongest):
    def lift(self, weight: Any) -> Any:
        return (jnp.abs(weight), jnp.abs(weight))


class LiftLosesShape(Strongest):
    def lift(self, weight: Any) -> Any:
        return jnp.abs(weight)[..., None]


class SumAdds(Strongest):
    """The bug that comparing with `jax.grad` cannot see: a + where a plus belongs."""

    def sum(self, a: Any, axis: Any = None) -> Any:
        return jnp.sum(a, axis)


class SumKeepsDimensions(Strongest):
    def sum(self, a: Any, axis: Any = None) -> Any:
        return jnp.max(a, axis, keepdims=True)


class SegmentSumAdds(Strongest):
    def segment_sum(self, a: Any, ids: Any, num_segments: int) -> Any:
        return jax.ops.segment_sum(a, jnp.where(ids < 0, num_segments, ids), num_segments)


class SegmentSumLeavesNoZero(Strongest):
    def segment_sum(self, a: Any, ids: Any, num_segments: int) -> Any:
        return jax.ops.segment_max(a, jnp.where(ids < 0, num_segments, ids), num_segments)


class ContractAdds(Strongest):
    def contract(self, weight: Any, a: Any, precision: Any = None) -> Any:
        return jnp.einsum("bkn,bmn->bmk", jnp.abs(weight), a)


class ContractTransposes(Strongest):
    def contract(self, weight: Any, a: Any, precision: Any = None) -> Any:
        return jnp.swapaxes(super().contract(weight, a), 1, 2)


class ContractForgetsLift(Strongest):
    def contract(self, weight: Any, a: Any, precision: Any = None) -> Any:
        return jnp.max(weight[:, None, :, :] * a[:, :, None, :], axis=3)


class ScaleForgetsLift(Strongest):
    def scale(self, weight: Any, a: Any) -> Any:
        return weight * a


BROKEN = [
    (PlusNotAssociative, "plus|zero"),
    (PlusNotCommutative, "commutative"),
    (WrongZero, "zero"),
    (ZeroDoesNotAnnihilate, "zero|distributes"),
    (WrongOne, "one"),
    (TimesNotAssociative, "associative"),
    (OneOnOneSideOnly, "times|one"),
    (MaxOfSigned, "distributes"),
    (NaNFromNoPath, "plus|zero"),
    (ZeroOfFixedType, "zero"),
    (OneOfFixedType, "one"),
    (PlusChangesType, "plus"),
    (TimesChangesType, "times"),
    (LiftOfOtherStructure, "lift"),
    (LiftLosesShape, "lift"),
    (SumAdds, "sum"),
    (SumKeepsDimensions, "sum"),
    (SegmentSumAdds, "segment_sum"),
    (SegmentSumLeavesNoZero, "segment_sum"),
    (ContractAdds, "contract"),
    (ContractTransposes, "contract"),
    (ContractForgetsLift, "contract"),
    (ScaleForgetsLift, "scale"),
]


@pytest.mark.parametrize(("broken", "law"), BROKEN, ids=lambda b: getattr(b, "__name__", ""))
def test_a_broken_law_is_named(broken: type[sg.Semiring], law: str) -> None:
    with pytest.raises(AssertionError, match=law) as caught:
        sg.check_laws(broken(), jax.random.key(0), dtype=jnp.float64)
    assert broken.__name__ in str(caught.value)


def test_elements_are_what_the_contract_says() -> None:
    """Leaf names, and "no path", per DESIGN section 2."""
    shape = (2, 3)
    full = lambda value: np.full(shape, value)
    none = np.full((*shape, 3), -np.inf)
    zeros = {
        "sum": full(0.0),
        "max": sg.Extremes(max=full(-np.inf), min=full(np.inf)),
        "absmax": full(0.0),
        "entropy": sg.PathEntropy(log_mass=full(-np.inf), entropy=full(0.0)),
        "logsum": full(-np.inf),
        "count": full(-np.inf),
        "signed": sg.SignedMass(log_positive=full(-np.inf), log_negative=full(-np.inf)),
        "top": sg.TopPaths(values=none, lowest=-none),
    }
    for name, zero in zeros.items():
        chex.assert_trees_all_equal(SEMIRINGS[name][0].zero(shape, jnp.float64), zero)


@pytest.mark.parametrize("name", SEMIRINGS)
def test_lift_of_zero_is_an_edge_of_weight_zero(name: str) -> None:
    """It is a path for MaxProduct and TopK, and without mass for the others."""
    semiring, _ = SEMIRINGS[name]
    lifted = semiring.lift(jnp.zeros(2))
    if name == "max":
        chex.assert_trees_all_equal(lifted, sg.Extremes(np.zeros(2), np.zeros(2)))
    elif name == "top":
        best = np.array([[0.0, -np.inf, -np.inf]] * 2)
        chex.assert_trees_all_equal(lifted, sg.TopPaths(best, -best))
    else:
        chex.assert_trees_all_equal(lifted, semiring.zero((2,), jnp.float64))


@pytest.mark.parametrize("name", SEMIRINGS)
def test_sum_of_nothing_is_zero(name: str) -> None:
    semiring, _ = SEMIRINGS[name]
    got = semiring.sum(semiring.one((0, 3), jnp.float64), axis=0)
    chex.assert_trees_all_equal(got, semiring.zero((3,), jnp.float64))


@pytest.mark.parametrize("name", SEMIRINGS)
def test_contract_of_nothing_is_zero(name: str) -> None:
    semiring, _ = SEMIRINGS[name]
    got = semiring.contract(jnp.zeros((1, 5, 0)), semiring.one((1, 3, 0), jnp.float64))
    chex.assert_trees_all_equal(got, semiring.zero((1, 3, 5), jnp.float64))
