import sys

import numpy as np
import pytest
from scipy import ndimage

from bgrem_core.errors import UsageError
from bgrem_core.simulate import KINDS, correlation_kernel, draw_noise
from bgrem_core.simulate.full_well import saturate
from bgrem_core.simulate.survey import (
    LABELS,
    SurveySettings,
    draw_field,
    galaxies,
    stars,
)
from bgrem_core.simulate.survey.diffuse import add_nebula
from bgrem_core.simulate.survey.grid import Grid
from bgrem_core.simulate.survey.psf import draw_profile, draw_psf, reach
from bgrem_core.simulate.survey.real import HST_FWHM, half_light, real_galaxy, stamps

pytest.importorskip("galsim")

NONE = {
    "bright": 0.0, "discs": 0.0, "nebula": 0.0, "spikes": 0.0, "ghost": 0.0,
    "streaks": 0.0, "halo": (1e-12, 1e-12), "cosmic_rays": (1e-9, 1e-9),
    "hot_pixels": (1e-9, 1e-9), "full_well": (1e9, 1e9),
}  # fmt: skip


def bare(**changes):
    """Settings of fields that hold nothing but what is asked for."""
    return SurveySettings(**(NONE | changes))


def one_source(monkeypatch, module, snr, seed, **changes):
    """Draw a field that holds one star or one galaxy, well inside."""
    other = stars if module is galaxies else galaxies
    none = np.zeros(0)
    monkeypatch.setattr(other, "draw_snr", lambda *a: none)
    monkeypatch.setattr(
        module, "draw_snr", lambda r, b, *a: np.array([snr]) if b[0] < 1 else none
    )
    for part in (stars, galaxies):
        monkeypatch.setattr(
            part, "draw_places", lambda r, n, s: (np.full(n, 90.3), np.full(n, 101.8))
        )
    field = draw_field(
        np.random.default_rng(seed), shape=(192, 192), settings=bare(**changes)
    )
    assert len(field.truth) == 1
    return field


def half_width(image):
    """Return the FWHM from the area above half of the peak, on a finer grid."""
    fine = ndimage.zoom(image.astype(float), 8, order=3, grid_mode=False)
    step = (image.shape[0] - 1) / (fine.shape[0] - 1)
    return 2 * np.sqrt(np.sum(fine > fine.max() / 2) / np.pi) * step


def test_equal_seeds_give_equal_fields_and_others_do_not():
    a, b, c = (
        draw_field(np.random.default_rng([1, k]), shape=(96, 64)) for k in (0, 0, 1)
    )
    for name in ("source", "artefact", "labels"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("x", "y", "flux", "snr", "kind", "size"):
        np.testing.assert_array_equal(getattr(a.truth, name), getattr(b.truth, name))
    assert not np.array_equal(a.source, c.source)
    assert a.source.shape == a.artefact.shape == a.labels.shape == (96, 64)
    assert (a.source.dtype, a.labels.dtype) == (np.float32, np.uint8)
    assert a.artefact.dtype == np.float32


def test_without_galsim_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(UsageError, match=r"napari-bgrem\[train\]"):
        draw_field(np.random.default_rng(0), shape=(32, 32))


@pytest.mark.parametrize("snr", [50.0, 900.0, 5000.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_star_has_the_flux_and_signal_to_noise_of_its_truth(monkeypatch, snr, seed):
    field = one_source(monkeypatch, stars, snr, seed, fwhm=(2.5, 6.0))
    seen, t = field.source.astype(float), field.truth
    assert (t.snr[0], t.kind[0]) == (snr, 0)
    assert np.sqrt(np.sum(seen**2)) == pytest.approx(snr, rel=0.01)
    assert seen.sum() == pytest.approx(t.flux[0], rel=0.03)
    assert (t.x[0], t.y[0]) == (90.3, 101.8)
    assert ndimage.center_of_mass(seen) == pytest.approx((101.8, 90.3), abs=0.1)


@pytest.mark.parametrize("snr", [20.0, 55.0, 300.0, 2000.0])
@pytest.mark.parametrize("real", [0.0, 1.0])
def test_a_galaxy_has_the_flux_and_signal_to_noise_of_its_truth(monkeypatch, snr, real):
    field = one_source(
        monkeypatch, galaxies, snr, 3, fwhm=(2.5, 4.0), sersic=(0.5, 2.0), real=real
    )
    seen, t = field.source.astype(float), field.truth
    assert KINDS[t.kind[0]] == ("real" if real and snr > 60 else "sersic")
    assert np.sqrt(np.sum(seen**2)) == pytest.approx(snr, rel=0.01)
    assert seen.sum() == pytest.approx(t.flux[0], rel=0.04)
    assert t.size[0] > 0
    place = (t.y[0], t.x[0])
    assert ndimage.center_of_mass(seen) == pytest.approx(place, abs=0.15)


@pytest.mark.parametrize("profile", ["moffat", "kolmogorov"])
@pytest.mark.parametrize("fwhm", [2.0, 5.0])
def test_a_star_of_the_basis_images_is_the_one_that_galsim_draws(profile, fwhm):
    rng = np.random.default_rng(4)
    settings = bare(
        fwhm=(fwhm, fwhm), kolmogorov=float(profile == "kolmogorov"),
        frame=(256.0, 256.0), ellipticity=(0.1, 0.1),
    )  # fmt: skip
    psf = draw_psf(rng, (256, 256), settings)
    assert psf.profile == profile
    x, y = rng.uniform(20, 236, (2, 8))
    for place in zip(x, y, strict=True):
        grid = Grid(psf.shape, len(psf.basis), reach(psf))
        at = [np.array([v]) for v in place]
        grid.add_points(*at, psf.weights(*at))
        seen = grid.seen(psf.basis)
        ix, iy = (round(v) for v in place)
        direct = draw_profile(
            psf.at(*place), 15, offset=(place[0] - ix, place[1] - iy)
        )[5:-5, 5:-5]
        mine = seen[iy - 10 : iy + 11, ix - 10 : ix + 11]
        np.testing.assert_allclose(mine, direct, atol=0.005 * direct.max())
        assert seen.sum() == pytest.approx(1, abs=0.03)


def test_the_psf_has_the_asked_width_and_changes_over_the_field():
    settings = bare(
        fwhm=(4.0, 4.0), frame=(600.0, 600.0), fwhm_change=0.06, ellipticity=(0, 0.15)
    )
    for seed in range(3):
        psf = draw_psf(np.random.default_rng(seed), (600, 600), settings)
        assert psf.fwhm == pytest.approx(4)
        places = [(300, 300), (0, 0), (0, 599), (599, 0), (599, 599)]
        measured = [half_width(psf.image(*p, radius=12)) for p in places]
        asked = [psf.fwhm_at(*p) for p in places]
        np.testing.assert_allclose(measured, asked, rtol=0.01)
        assert 0.001 < np.ptp(asked) / 4 < 0.25
        shear = [psf.at(*p).jac for p in places]
        assert np.ptp(shear, axis=0).max() > 1e-3


def test_labels_cover_the_artefacts_and_nothing_exceeds_the_full_well():
    settings = SurveySettings(
        full_well=(300.0, 600.0), bright=60.0, cosmic_rays=(300.0, 300.0),
        hot_pixels=(300.0, 300.0), streaks=100.0, bleed=1.0, spikes=1.0,
        density=(100.0, 100.0),
    )  # fmt: skip
    field = draw_field(np.random.default_rng(3), shape=(256, 256), settings=settings)
    ours = LABELS["cosmic ray"] | LABELS["hot pixel"] | LABELS["streak"]
    assert np.all(field.labels[field.artefact > 0] & ours)
    assert field.artefact.min() >= 0
    assert field.source.max() <= np.float32(field.full_well)
    top = np.float32(field.full_well) * np.float32(1.000001)
    assert (field.source + field.artefact).max() <= top
    flat = (field.labels & LABELS["saturated"]) > 0
    np.testing.assert_array_equal(field.source[flat], np.float32(field.full_well))
    for bit in LABELS.values():
        assert np.any(field.labels & bit)
    assert field.source.min() >= 0
    assert np.isfinite(field.source).all()


def test_bleeding_keeps_the_charge_and_runs_along_columns():
    image = np.full((200, 50), 2.0, np.float32)
    y, x = np.mgrid[:200, :50]
    image += 4000 * np.exp(-((x - 25) ** 2 + (y - 90) ** 2) / 18).astype(np.float32)
    before = image.sum(axis=0, dtype=float)
    saturated, bled = saturate(image, 500.0, bleed=True)
    np.testing.assert_allclose(image.sum(axis=0, dtype=float), before, rtol=1e-5)
    assert image.max() == 500
    assert bled.any()
    assert set(np.flatnonzero(bled.any(0))) <= set(np.flatnonzero(saturated.any(0)))
    clipped = np.full((5, 5), 900.0, np.float32)
    _, none = saturate(clipped, 500.0, bleed=False)
    assert clipped.max() == 500
    assert not none.any()


def test_counts_follow_the_asked_density_and_slope():
    settings = bare(density=(1500.0, 1500.0), slope=(0.8, 0.8), galaxies=(0.4, 0.4))
    field = draw_field(np.random.default_rng(7), shape=(512, 512), settings=settings)
    snr, area = field.truth.snr, 512**2 / 1e6
    for level in (1.0, 5.0, 25.0):
        mean = 1500 * area * (level / 5) ** -0.8
        assert np.sum(snr > level) == pytest.approx(mean, abs=4 * np.sqrt(mean))
    assert 0.4 <= snr.min() < 0.5
    galaxy = np.mean(field.truth.kind[snr > 1] > 0)
    assert galaxy == pytest.approx(0.4, abs=0.06)


def test_discs_are_signal_within_their_ranges():
    settings = bare(density=(1.0, 1.0), snr=(4.0, 5.0), discs=60.0)
    field = draw_field(np.random.default_rng(2), shape=(256, 256), settings=settings)
    t = field.truth
    disc = t.kind == KINDS.index("disc")
    assert disc.any()
    scale = t.size[disc] / 1.678
    assert np.all((scale >= 8) & (scale <= 60))
    peak = t.flux[disc] / (2 * np.pi * scale**2)
    assert np.all((peak >= 0.0499) & (peak <= 1.501))
    assert field.source.max() > 0.04


def test_a_nebula_has_one_row_and_the_asked_peak():
    settings = bare(nebula=1.0)
    for seed in range(6):
        image = np.zeros((160, 200), np.float32)
        row = add_nebula(np.random.default_rng(seed), image, settings, fwhm=4.0)
        assert row.shape == (6, 1)
        assert KINDS[int(row[4, 0])] == "nebula"
        assert 0.05 <= image.max() <= 3.001
        assert row[2, 0] == pytest.approx(image.sum(dtype=float), rel=1e-4)
        assert image.min() >= 0
        # Smooth: neighbours differ by a small part of the peak.
        assert np.abs(np.diff(image)).max() < 0.25 * image.max()


def test_real_galaxies_are_never_enlarged_beyond_a_third_of_the_psf():
    rng = np.random.default_rng(1)
    assert len(stamps()) > 40
    for size in (1.0, 4.0, 30.0):
        profile, half, width = real_galaxy(rng, size, 4.0)
        assert profile.flux == pytest.approx(1, rel=1e-3)
        assert 0 < half < width
        largest = max(half_light(k) for k in range(len(stamps())))
        assert half <= largest * 4.0 / 3 / HST_FWHM * 1.001


def test_the_old_kinds_keep_their_codes():
    assert KINDS[:4] == ("star", "exponential", "devaucouleurs", "disc")
    assert KINDS[4:] == ("sersic", "real", "nebula")


def test_the_noise_of_the_plain_simulator_reaches_a_correlation_of_one_half():
    taps = correlation_kernel(0.5).astype(float)
    assert taps[0] * taps[1] * 2 == pytest.approx(0.5, abs=1e-6)
    noise = draw_noise(
        np.random.default_rng(5), np.zeros((400, 400), np.float32), rho=0.5
    )
    pair = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert pair == pytest.approx(0.5, abs=0.015)
