import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bgrem_core.fill import fill_masked


def slow_fill(block, bad, radius):
    """The definition, pixel by pixel."""
    out = np.where(bad, 0.0, block)
    for y, x in zip(*np.nonzero(bad), strict=True):
        total = weight = 0.0
        for j in range(max(0, y - radius), min(block.shape[0], y + radius + 1)):
            for i in range(max(0, x - radius), min(block.shape[1], x + radius + 1)):
                if not bad[j, i]:
                    w = np.exp(-((j - y) ** 2 + (i - x) ** 2) / 18)
                    total += w * block[j, i]
                    weight += w
        out[y, x] = total / weight if weight else 0.0
    return out


@st.composite
def masked_blocks(draw):
    shape = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bad = rng.random(shape) < draw(st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0]))
    return rng.normal(size=shape).astype(np.float32), bad


@settings(max_examples=60, deadline=None)
@given(masked_blocks(), st.integers(1, 12))
def test_the_filling_is_the_weighted_mean_of_good_neighbours(drawn, radius):
    block, bad = drawn
    filled = fill_masked(block, bad, radius=radius)
    assert filled.dtype == block.dtype
    np.testing.assert_array_equal(filled[~bad], block[~bad])
    np.testing.assert_allclose(filled, slow_fill(block, bad, radius), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(masked_blocks(), st.sampled_from([np.nan, np.inf, -1e30, 3.0]))
def test_what_lies_under_the_mask_never_leaks(drawn, poison):
    block, bad = drawn
    poisoned = np.where(bad, np.float32(poison), block)
    np.testing.assert_array_equal(fill_masked(poisoned, bad), fill_masked(block, bad))


def test_a_pixel_depends_only_on_pixels_within_the_radius():
    rng = np.random.default_rng(1)
    block = rng.normal(size=(80, 90)).astype(np.float32)
    bad = rng.random(block.shape) < 0.3
    whole = fill_masked(block, bad, radius=12)
    part = fill_masked(block[10:70, 5:80], bad[10:70, 5:80], radius=12)
    np.testing.assert_array_equal(part[12:-12, 12:-12], whole[22:58, 17:68])


def test_no_good_pixel_within_reach_gives_zero():
    block = np.ones((60, 60), np.float32)
    bad = np.ones(block.shape, bool)
    bad[0, 0] = False
    filled = fill_masked(block, bad, radius=12)
    assert filled[12, 12] == 1
    assert filled[13, 0] == 0
    assert not filled[20:, 20:].any()
