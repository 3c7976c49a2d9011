"""Steps: a method watched at work does what it does unwatched."""

import numpy as np
import pytest

import bgrem_core
from bgrem_core import samples
from bgrem_core.errors import UsageError
from bgrem_core.methods import get_method
from bgrem_core.steps import record_steps


@pytest.fixture(scope="module")
def image():
    return bgrem_core.open_image(samples.path("decam_i"))


def record(image, model="optical", steps=3, **where):
    method = get_method("bgrem")
    settings = method.settings(model=model, steps=steps)
    return record_steps(image, method, settings, **{"x": 100, "y": 120, **where})


def test_the_last_image_is_what_the_method_gives(image):
    steps = record(image, side=128)
    part = bgrem_core.crop.crop(image, steps.block)
    direct = bgrem_core.clean(part, steps=3, sky_scale="none")
    np.testing.assert_array_equal(steps.images[0], part.data)
    # One is computed as data - sum of parts, the other at once.
    np.testing.assert_allclose(steps.images[-1], direct.cleaned, rtol=1e-5, atol=1e-3)


def test_with_the_noise_of_the_frame_it_is_the_part_of_the_whole(image):
    whole = bgrem_core.clean(image, steps=1, sky_scale="none")
    steps = record(image, steps=1, side=200, scale=whole.scale)
    # What lies beyond the part is felt within it, but hardly away from its edge.
    inner = (slice(60, -60), slice(60, -60))
    away = (steps.images[-1] - whole.cleaned[steps.block])[inner]
    assert np.sqrt(np.mean(away**2)) < 0.05 * whole.scale.median_sigma


def test_levels_fall_from_all_of_the_noise_to_none(image):
    steps = record(image, steps=5, side=64)
    assert len(steps) == 5
    assert steps.images.shape == (6, 64, 64)
    assert steps.noises.shape == (5, 64, 64)
    assert steps.sigmas[0] == pytest.approx(1, abs=1e-3)
    assert steps.sigmas[-1] == 0
    assert all(a > b for a, b in zip(steps.sigmas, steps.sigmas[1:], strict=False))
    taken = [np.std(steps.images[0] - later) for later in steps.images]
    assert taken == sorted(taken)
    words = steps.captions()
    assert len(words) == 6
    assert "100% of the noise is gone" in words[-1]


def test_a_model_of_one_step_is_shown_in_more(image):
    steps = record(image, steps=None, side=48)
    assert (steps.default, len(steps)) == (1, 8)


def test_the_paper_s_model_is_watched_too(image):
    steps = record(image, model="optical-paper", steps=2, side=64)
    assert np.isfinite(steps.images).all()
    assert np.std(steps.images[-1]) < np.std(steps.images[0])


@pytest.mark.parametrize(("x", "y"), [(0, 0), (255, 255), (-50, 9999), (130, 3)])
def test_at_edges_the_part_is_pushed_inside(image, x, y):
    rows, cols = record(image, steps=1, side=64, x=x, y=y).block
    ny, nx = image.shape
    assert 0 <= rows.start < rows.stop <= ny
    assert 0 <= cols.start < cols.stop <= nx
    assert (rows.stop - rows.start, cols.stop - cols.start) == (64, 64)


def test_masked_pixels_stay_as_they_are(image):
    mask = np.zeros(image.shape, bool)
    mask[118:122, 98:102] = True
    masked = bgrem_core.open_image(np.array(image.data), mask=mask)
    steps = record(masked, side=64)
    rows, cols = steps.block
    at = (slice(118 - rows.start, 122 - rows.start),
          slice(98 - cols.start, 102 - cols.start))  # fmt: skip
    np.testing.assert_array_equal(steps.images[-1][at], steps.images[0][at])


def test_a_method_that_works_in_one_go_has_none(image):
    method = get_method("mesh")
    with pytest.raises(UsageError, match="no steps to watch"):
        record_steps(image, method, method.settings(), x=1, y=1)
