"""A plane that is held: the same pixels, each evaluated once."""

import numpy as np
import pytest

from bgrem_core.held import Held
from bgrem_core.planes import LazyPlane


@pytest.fixture
def frame():
    return np.random.default_rng(3).normal(size=(300, 410)).astype(np.float32)


def test_blocks_in_any_order_are_those_of_the_plane(frame):
    asked = np.zeros(frame.shape, int)

    def evaluate(rows, cols):
        asked[rows, cols] += 1
        return frame[rows, cols]

    held = Held(LazyPlane(frame.shape, evaluate))
    draw = np.random.default_rng(4)
    for _ in range(40):
        y, x = (np.sort(draw.integers(0, n + 1, 2)) for n in frame.shape)
        block = (slice(*y), slice(*x))
        np.testing.assert_array_equal(held[block], frame[block])
    np.testing.assert_array_equal(held[:, :], frame)
    done = asked.copy()
    np.testing.assert_array_equal(held[5:299, :400], frame[5:299, :400])
    np.testing.assert_array_equal(asked, done)


def test_who_writes_into_a_block_changes_nobody_elses(frame):
    held = Held(LazyPlane(frame.shape, lambda r, c: frame[r, c].copy()))
    held[:200, :200][:] = np.nan
    np.testing.assert_array_equal(held[:, :], frame)
