"""Code lengths: the paper's blocks, and sums by hand."""

import numpy as np
import pytest

from experiments.common.online_coding import bits, published, training_sizes


def test_blocks_of_3600_points_are_the_paper_s():
    paper = [2, 4, 8, 12, 20, 36, 72, 144, 216, 360, 648, 1224, 1800, 3600]
    assert training_sizes(3600) == paper


@pytest.mark.parametrize("points", [3, 14, 40, 1000, 7201])
def test_blocks_ascend_to_all_points(points):
    sizes = training_sizes(points)
    assert sizes == sorted(set(sizes))
    assert sizes[0] >= 1
    assert sizes[-1] == points


def test_code_length_counts_every_point_and_the_published_number_every_block():
    # Probabilities 1/2, 1/4 and 1/8, 1/8, 1/2 of the right labels: 3 bits and 7 bits.
    losses = [np.log([2.0, 4.0]), np.log([8.0, 8.0, 2.0])]
    assert bits(losses, first=2, labels=16) == pytest.approx(2 * 4 + 3 + 7)
    mean_bits = 2 * 4 + 3 / 2 + 7 / 3
    assert published(losses, first=2, labels=16) == pytest.approx(mean_bits * np.log(2))


def test_a_model_that_knows_nothing_takes_the_uniform_code():
    losses = [np.full(size, np.log(36)) for size in (2, 4, 1800)]
    assert bits(losses, first=2, labels=36) == pytest.approx(1808 * np.log2(36))
