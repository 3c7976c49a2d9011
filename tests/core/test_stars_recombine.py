"""Starless and stars as one picture, by sum and by screening."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bgrem_core.errors import UsageError
from bgrem_core.stars.recombine import recombine, screen, unscreen

SHAPES = st.sampled_from([(3, 4), (1, 1), (2, 3, 4), (4, 5, 3)])
TYPES = st.sampled_from([np.float32, np.float64])


@st.composite
def pairs(draw, low=0.0, high=1.0):
    """Return two pictures of one shape and type."""
    shape, kind = draw(SHAPES), draw(TYPES)
    width = np.dtype(kind).itemsize * 8
    values = st.floats(low, high, width=width)
    return tuple(draw(hnp.arrays(kind, shape, elements=values)) for _ in range(2))


@given(pairs())
def test_unscreened_stars_screened_again_give_the_image_back(pair):
    image, starless = pair
    assume(not ((starless == 1) & (image < 1)).any())
    stars = unscreen(image, starless)
    assert stars.dtype == image.dtype
    assert stars.max() <= 1
    assert (stars[image > starless] >= 0).all()
    ulp = np.finfo(image.dtype).eps
    for back in (screen(starless, stars), recombine(starless, stars, mode="screen")):
        assert back.dtype == image.dtype
        np.testing.assert_allclose(back, image, rtol=0, atol=4 * ulp)


@given(pairs())
def test_screening_is_symmetric_stays_in_range_and_darkens_nothing(pair):
    a, b = pair
    both = screen(a, b)
    ulp = np.finfo(both.dtype).eps
    assert both.min() >= 0
    assert both.max() <= 1 + ulp
    assert (both >= np.maximum(a, b) - ulp).all()
    np.testing.assert_allclose(both, screen(b, a), rtol=0, atol=2 * ulp)
    exact = 1 - (1 - a.astype("f8")) * (1 - b.astype("f8"))
    np.testing.assert_allclose(both, exact, rtol=0, atol=2 * ulp)
    np.testing.assert_array_equal(screen(a, np.zeros_like(a)), a)
    np.testing.assert_array_equal(screen(np.zeros_like(a), a), a)


@given(pairs(-1e6, 1e6), st.floats(0, 1))
def test_added_stars_are_the_sum_and_none_are_the_starless_image(pair, amount):
    starless, stars = pair
    np.testing.assert_array_equal(recombine(starless, stars), starless + stars)
    none = recombine(starless, stars, amount=0)
    assert none.tobytes() == starless.tobytes()
    assert not np.shares_memory(none, starless)
    some = recombine(starless, stars, amount=amount)
    assert some.dtype == starless.dtype
    want = starless.astype("f8") + amount * stars.astype("f8")
    eps = np.finfo(some.dtype).eps
    np.testing.assert_allclose(some, want, rtol=0, atol=eps * 2e6)


@given(pairs(), st.floats(0, 1), st.floats(0, 1))
def test_more_stars_are_never_darker(pair, one, other):
    starless, stars = pair
    less, more = sorted((one, other))
    fainter = recombine(starless, stars, amount=less, mode="screen")
    brighter = recombine(starless, stars, amount=more, mode="screen")
    assert (fainter <= brighter + np.finfo(stars.dtype).eps).all()
    none = recombine(starless, stars, amount=0, mode="screen")
    assert none.tobytes() == starless.tobytes()


def test_colours_of_unscreened_stars_stay_when_the_starless_picture_is_darkened():
    starless = np.full((2, 2, 3), [0.6, 0.4, 0.2])
    star = np.array([0.5, 0.6, 0.9])
    image = 1 - (1 - starless) * (1 - star)
    stars = unscreen(image, starless)
    np.testing.assert_allclose(stars, np.broadcast_to(star, stars.shape))
    np.testing.assert_allclose(screen(0 * starless, stars)[0, 0], star)
    added = recombine(0 * starless, image - starless)
    assert np.abs(added[0, 0] - star).max() > 0.1


def test_stars_that_darken_are_negative_and_lead_back():
    image, starless = np.full((2, 2), 0.2), np.full((2, 2), 0.9)
    stars = unscreen(image, starless)
    np.testing.assert_allclose(stars, -7)
    np.testing.assert_allclose(screen(starless, stars), image)


def test_both_full_gives_no_stars_and_nothing_else_can_be_full():
    full = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(unscreen(full, full), 0)
    dark = full.copy()
    dark[0, 1] = 0.5
    with pytest.raises(UsageError, match="is 1 in 1 pixels where the image is darker"):
        unscreen(dark, full)


def test_nan_stays_where_it_counts():
    starless, stars = np.full((2, 3), 0.25), np.full((2, 3), 0.5)
    starless[0, 0] = stars[1, 1] = np.nan
    for mode, rest in (("add", 0.75), ("screen", 0.625)):
        out = recombine(starless, stars, mode=mode)
        assert np.isnan(out[0, 0])
        assert np.isnan(out[1, 1])
        np.testing.assert_array_equal(out[0, 1:], rest)
        none = recombine(starless, stars, amount=0, mode=mode)
        assert none.tobytes() == starless.tobytes()
    back = unscreen(recombine(starless, stars, mode="screen"), starless)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(starless) | np.isnan(stars))


@pytest.mark.parametrize("kind", [np.uint8, ">i2", ">f4", bool])
def test_whole_numbers_and_foreign_byte_orders_do_not_wrap(kind):
    starless, stars = np.array([[0, 1]], kind), np.array([[1, 1]], kind)
    out = recombine(starless, stars)
    assert out.dtype == (np.float32 if kind == ">f4" else np.float64)
    np.testing.assert_array_equal(out, [[1, 2]])
    high = recombine(np.full((1, 1), 200, np.uint8), np.full((1, 1), 100, np.uint8))
    assert high == 300


@pytest.mark.parametrize(
    ("arrays", "settings", "words"),
    [
        (((2, 3), (3, 2)), {}, r"starless has the shape \(2, 3\), stars \(3, 2\)"),
        (((4,), (4,)), {}, r"shape \(4,\) are no pictures"),
        (((2, 3), (2, 3)), {"mode": "max"}, "mode='max' is not known. use add or scr"),
        (((2, 3), (2, 3)), {"amount": 1.5}, "amount=1.5 is out of range"),
        (((2, 3), (2, 3)), {"amount": np.nan}, "amount=nan is out of range"),
    ],
)
def test_what_cannot_be_recombined_is_named(arrays, settings, words):
    with pytest.raises(UsageError, match=words):
        recombine(*map(np.zeros, arrays), **settings)


def test_linear_data_are_not_screened():
    low, high = np.full((2, 2), -0.1), np.full((2, 2), 300.0)
    good = np.full((2, 2), 0.5)
    with pytest.raises(
        UsageError, match=r"stars has 4 of 4 .*at most 1, .* 300.*add lin"
    ):
        recombine(good, high, mode="screen")
    with pytest.raises(
        UsageError, match=r"starless has 4 .* 0 to 1, the furthest -0\.1"
    ):
        screen(low, good)
    with pytest.raises(UsageError, match="image has 4"):
        unscreen(high, good)
    with pytest.raises(UsageError, match="starless has 4"):
        unscreen(good, low)
    np.testing.assert_allclose(recombine(low, high), 299.9)
