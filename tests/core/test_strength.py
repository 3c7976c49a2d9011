"""Strength chosen after the run: as if it had been chosen before."""

import numpy as np
import pytest

import bgrem_core
from bgrem_core.errors import UsageError
from bgrem_core.strength import at_strength, has_strength


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:160, :200]
    star = 300 * np.exp(-((x - 60.3) ** 2 + (y - 80.8) ** 2) / 8)
    noisy = rng.normal(100 + 0.05 * x, 5) + star
    noisy[10:13, 20] = np.nan
    return noisy.astype(np.float32)


@pytest.fixture(scope="module")
def whole(image):
    return bgrem_core.clean(image, threads=1)


@pytest.mark.parametrize("strength", [0.0, 0.37, 1.0])
def test_it_is_what_a_run_gives(image, whole, strength):
    run = bgrem_core.clean(image, strength=strength, threads=1)
    seen = at_strength(whole, strength)
    for name in ("cleaned", "residual", "sky", "noise", "flags"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(run, name))
    np.testing.assert_array_equal(
        np.asarray(seen.uncertainty), np.asarray(run.uncertainty)
    )
    assert seen.provenance.settings == run.provenance.settings
    assert (seen.quiet_plane is None) == (run.quiet_plane is None)


def test_strength_nought_takes_the_sky_alone(image, whole):
    gradient = at_strength(whole, 0)
    np.testing.assert_array_equal(gradient.cleaned, image - whole.sky)


def test_what_has_no_noise_has_no_strength(image, whole):
    mesh = bgrem_core.clean(image, method="mesh")
    assert not has_strength(mesh)
    with pytest.raises(UsageError, match="strength 1"):
        at_strength(mesh, 0.5)
    with pytest.raises(UsageError, match="strength 1"):
        at_strength(at_strength(whole, 0.5), 0.2)
    with pytest.raises(UsageError, match="out of range"):
        at_strength(whole, 1.5)
