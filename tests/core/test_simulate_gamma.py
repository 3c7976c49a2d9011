import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bgrem_core.errors import UsageError
from bgrem_core.simulate.gamma import (
    GammaSettings,
    asimov_ts,
    draw_counts,
    draw_diffuse,
    draw_patch,
    view_diffuse,
)
from bgrem_core.simulate.gamma_psf import (
    RADIUS,
    SUBPIXELS,
    containment_radius,
    kernel,
    profile,
    spread,
    stamps,
)
from bgrem_core.simulate.gamma_sky import (
    FILE,
    ISOTROPIC,
    Footprint,
    distance_from_held_out,
    draw_footprint,
    intensity,
    relative_exposure,
    synthetic_cells,
)
from bgrem_core.simulate.gamma_sources import (
    GALACTIC,
    GALACTIC_FAINTEST,
    ISOTROPIC_SOURCES,
    MARGIN,
    place_sources,
)

GAMMA = Path(__file__).parents[3] / "shared" / "data" / "gamma"
SCRIPT = Path(__file__).parents[2] / "scripts" / "make_gamma_sky.py"
PLAIN = GammaSettings(
    emission=(1, 1), isotropic=(1, 1), psf=0, distorted=0, density=(1, 1), faint_share=0
)
needs_data = pytest.mark.skipif(not GAMMA.exists(), reason="needs the shared data")


@pytest.fixture(scope="module")
def maker():
    """Give the script that made the map, as a module."""
    spec = importlib.util.spec_from_file_location("make_gamma_sky", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def patches():
    rng = np.random.default_rng(4)
    return [draw_patch(rng) for _ in range(250)]


# ---------------------------------------------------------------- PSF


def test_the_psf_has_the_published_scale_and_containment():
    assert float(spread(2000.0, "PSF3")) == pytest.approx(4.566e-3, rel=2e-4)
    assert containment_radius() == pytest.approx(0.403, rel=0.02)
    assert containment_radius(scale=1.1) == pytest.approx(1.1 * containment_radius())


def test_the_psf_is_a_probability():
    r = np.linspace(0, 20, 200001)
    assert np.trapezoid(2 * np.pi * r * profile(r), r) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("pixel", [0.2, 10 / 63])
def test_a_stamp_is_the_psf_integrated_over_the_pixels(pixel):
    table = stamps(pixel)
    sums = table.sum(axis=(2, 3))
    assert 0.998 < sums.min() <= sums.max() < 1.0001
    j, k, fine = 6, 1, 40
    dy, dx = (np.array([j, k]) - (SUBPIXELS - 1) / 2) / SUBPIXELS
    sub = (np.arange(fine) + 0.5) / fine - 0.5
    for y, x in ((0, 0), (1, -2), (-3, 0)):
        r = pixel * np.hypot((y + sub - dy)[:, None], x + sub - dx)
        slow = profile(r).mean() * pixel**2
        assert table[j, k, RADIUS + y, RADIUS + x] == pytest.approx(slow, rel=2e-3)


def test_mirrored_places_have_mirrored_stamps():
    table = stamps(0.2)
    np.testing.assert_allclose(table[2, 5], table[5, 5][::-1], atol=1e-6)
    np.testing.assert_allclose(table[2, 5], table[5, 2].T, atol=1e-6)


def test_the_psf_spreads_a_source_over_22_pixels():
    assert 1 / np.sum(kernel(0.2).astype(float) ** 2) == pytest.approx(22, abs=0.5)


# ---------------------------------------------------------------- sky


def test_sky_coordinates_and_places_are_inverse_and_the_area_is_kept():
    rng = np.random.default_rng(0)
    for l, b, angle in ((0, 0, 0), (179, 85, 40), (-120, -30, 200)):  # noqa: E741
        foot = Footprint(l=l, b=b, angle=angle)
        x, y = rng.uniform(-48, 48, (2, 50))
        back = foot.places(*foot.coordinates(x, y))
        np.testing.assert_allclose(back, (x, y), atol=1e-6)
        # A step in x and one in y span the area of a pixel anywhere on the patch.
        corners = [foot.coordinates(x + i, y + j) for i, j in ((0, 0), (1, 0), (0, 1))]
        a, u, v = (unit(*c) for c in corners)
        area = np.linalg.norm(np.cross(u - a, v - a), axis=0 - 1)
        np.testing.assert_allclose(area, np.radians(0.2) ** 2, rtol=2e-3)


def unit(l, b):  # noqa: E741
    l, b = np.radians(l), np.radians(b)  # noqa: E741
    return np.stack([np.cos(b) * np.cos(l), np.cos(b) * np.sin(l), np.sin(b)], axis=-1)


def test_north_is_up_and_longitude_rises_to_the_left():
    l, b = Footprint(l=30, b=10).coordinates([-1.0, 0.0], [0.0, 1.0])  # noqa: E741
    assert l[0] > 30
    assert b[0] == pytest.approx(10, abs=0.01)
    assert b[1] == pytest.approx(10.2)


def test_a_fifth_of_the_sky_is_held_out():
    rng = np.random.default_rng(0)
    l = rng.uniform(-180, 180, 40000)  # noqa: E741
    b = np.degrees(np.arcsin(rng.uniform(-1, 1, 40000)))
    assert np.mean(distance_from_held_out(l, b) < 0) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("held_out", [False, True])
def test_no_pixel_of_a_patch_or_its_margin_crosses_the_edge_of_a_held_out_cap(held_out):
    rng = np.random.default_rng(8)
    side = 64 + 2 * RADIUS
    edge = np.arange(side + 1) - side / 2
    x, y = (v.ravel() for v in np.meshgrid(edge, edge))
    for _ in range(60):
        foot = draw_footprint(rng, pixel=0.2, side=side, held_out=held_out)
        far = distance_from_held_out(*foot.coordinates(x, y))
        # A quarter of a degree: the cells between which the map is interpolated.
        assert far.max() < -0.25 if held_out else far.min() > 0.25


def test_a_patch_that_does_not_fit_into_a_cap_is_refused():
    with pytest.raises(UsageError, match="does not fit into a held-out cap"):
        draw_diffuse(np.random.default_rng(0), GammaSettings(pixel=0.6), held_out=True)


@needs_data
def test_the_map_has_the_block_means_of_the_emission_model(maker):
    blocks = maker.read_blocks(GAMMA / "gll_iem_v07_blocks.fits")
    b = -89.375 + 1.375 * np.arange(131)
    l = 179.25 - 1.5 * np.arange(240)  # noqa: E741
    sub = (np.arange(12) + 0.5) / 12 - 0.5
    rows = (b[:, None] + 1.375 * sub).ravel()
    cols = (l[:, None] + 1.5 * sub).ravel()
    fine = intensity(cols[None, :], rows[:, None])
    ratio = np.log(fine.reshape(131, 12, 240, 12).mean((1, 3)) / blocks)
    assert np.sqrt(np.mean(ratio**2)) < 0.01
    assert abs(ratio.mean()) < 0.002
    assert np.percentile(np.abs(ratio), 99.9) < 0.06


@needs_data
def test_the_isotropic_level_is_that_of_its_file(maker):
    assert maker.read_isotropic(GAMMA) == pytest.approx(ISOTROPIC, rel=1e-3)


@needs_data
def test_the_exposure_is_that_of_the_observations_to_half_a_per_cent(maker):
    real = np.load(GAMMA / "fermidata_exposure.npy")
    z, _, length, shift = maker.rings(128)
    lon = np.concatenate(
        [360 * (np.arange(n) + s) / n for n, s in zip(length, shift, strict=True)]
    )
    lat = np.degrees(np.arcsin(np.repeat(z, length)))
    off = relative_exposure(lon, lat) - real / real.mean()
    assert off.std() < 0.006
    assert np.abs(off).max() < 0.03


@needs_data
def test_the_interpolated_fine_map_meets_the_pixels_at_their_centres(maker):
    values = np.random.default_rng(2).uniform(size=12 * 4**2)
    z, start, length, shift = maker.rings(4)
    for k in (0, 2, 5, 8, 14):
        lon = 360 * (np.arange(length[k]) + shift[k]) / length[k]
        row = maker.ring_row(values, float(np.degrees(np.arcsin(z[k]))), lon)
        np.testing.assert_allclose(
            row, values[start[k] : start[k] + length[k]], atol=1e-6
        )


# ---------------------------------------------------------------- sources


def test_the_synthetic_fine_structure_keeps_the_blocks_and_is_another_one():
    cells = synthetic_cells()
    with np.load(FILE) as data:
        steps = np.concatenate([data["first"], data["steps"]], axis=1, dtype=np.int32)
        model = np.exp(steps.cumsum(axis=1) * float(data["unit"]))

    def blocks(cells):
        means = cells.reshape(131, 6, 240, 6).mean(axis=(1, 3))
        return means, np.log(cells / np.kron(means, np.ones((6, 6))))

    (ours, ripple), (theirs, real) = blocks(cells), blocks(model)
    assert np.std(np.log(ours / theirs)) < 0.01
    rows = np.abs(np.arange(786) - 393) < 100
    assert np.std(ripple[rows]) == pytest.approx(np.std(real[rows]), rel=0.35)
    off = np.corrcoef(ripple[rows].ravel(), real[rows].ravel())[0, 1]
    assert off < 0.9  # what is left in common are the slopes between blocks
    place = np.array([30.125]), np.array([3.0])
    one, other = (intensity(*place, fine=f) for f in ("model", "synthetic"))
    assert one != other
    assert other == pytest.approx(one, rel=0.5)
    with pytest.raises(UsageError, match="fine='real' is unknown"):
        intensity(*place, fine="real")


@needs_data
def test_number_counts_are_those_of_4fgl_off_the_plane_and_in_it():
    with np.load(GAMMA / "4fgl_dr4_12.npz") as data:
        point = ~data["ext"]
        flux, lat = data["f"][point], data["b"][point].astype(float)
    area = 4 * np.pi * (1 - np.sin(np.radians(20)))
    for low in (1e-10, 3e-10, 1e-9):
        real = np.sum((np.abs(lat) > 20) & (flux > low))
        galactic = over_plane(20, 30, low)
        ours = area * ISOTROPIC_SOURCES.number(low) + galactic
        assert ours == pytest.approx(real, abs=4 * np.sqrt(real))
    for low, high in ((0, 1), (1, 2), (2, 5), (5, 10)):
        for s in (5e-10, 1e-9, 3e-9):
            band = (np.abs(lat) >= low) & (np.abs(lat) < high)
            real = np.sum(band & (flux > s))
            width = np.sin(np.radians(high)) - np.sin(np.radians(low))
            ours = 4 * np.pi * width * ISOTROPIC_SOURCES.number(s)
            ours += over_plane(low, high, s)
            # A smooth model of a patchy Galaxy.
            assert ours == pytest.approx(real, abs=3 * np.sqrt(real) + 0.2 * real)


def over_plane(low, high, flux):
    """Return the number of Galactic sources at |b| in [low, high]."""
    b = np.linspace(low, high, 4001)[:-1] + (high - low) / 8000
    l = np.linspace(-180, 180, 721)[:-1] + 0.25  # noqa: E741
    area = 2 * np.radians(high - low) * 2 * np.pi
    flat = np.cos(np.radians(b))[:, None]
    return sum(
        (part.density(l[None, :], b[:, None]) * flat).mean()
        * area
        * part.fluxes.number(flux)
        for part in GALACTIC
    )


@pytest.mark.parametrize("slope", [None, 0.6, 1.2])
def test_drawn_fluxes_follow_the_counts(slope):
    rng = np.random.default_rng(3)
    flux = ISOTROPIC_SOURCES.draw(rng, 200_000, faintest=2e-11, faint_slope=slope)
    assert flux.min() >= 2e-11 * 0.999
    whole = ISOTROPIC_SOURCES.number(2e-11, slope)
    for s in (4e-11, 1e-10, 1e-9, 5e-9, 3e-8):
        expected = len(flux) * ISOTROPIC_SOURCES.number(s, slope) / whole
        assert np.sum(flux > s) == pytest.approx(expected, abs=4 * np.sqrt(expected))


@pytest.mark.parametrize(
    "foot",
    [
        Footprint(l=0, b=0),
        Footprint(l=170, b=25, angle=45),
        Footprint(l=-60, b=4),
        Footprint(l=50, b=75),
    ],
)
def test_galactic_sources_have_their_density(foot):
    rng = np.random.default_rng(5)
    number = 60
    drawn = [place_sources(rng, foot, side=64) for _ in range(number)]
    edge = np.arange(-MARGIN - 0.5, 64 + MARGIN - 0.5, 0.25) + 0.125
    places = foot.coordinates(edge - 31.5, (edge - 31.5)[:, None])
    expected = number * sum(
        part.density(*places).sum()
        * np.radians(0.2 * 0.25) ** 2
        * part.fluxes.number(GALACTIC_FAINTEST)
        for part in GALACTIC
    )
    got = sum(int((kind == 1).sum()) for *_, kind in drawn)
    assert got == pytest.approx(expected, abs=4 * np.sqrt(expected) + 1)
    wide = sum(int((kind == 0).sum()) for *_, kind in drawn)
    expected = number * (88 * np.radians(0.2)) ** 2 * ISOTROPIC_SOURCES.number(2e-11)
    assert wide == pytest.approx(expected, abs=4 * np.sqrt(expected))


# ---------------------------------------------------------------- patches


def test_equal_seeds_give_equal_patches_and_others_do_not():
    a, b, c = (draw_patch(np.random.default_rng([1, k])) for k in (0, 0, 1))
    np.testing.assert_array_equal(a.background, b.background)
    np.testing.assert_array_equal(a.source, b.source)
    np.testing.assert_array_equal(a.catalogue.ts, b.catalogue.ts)
    assert not np.array_equal(a.source, c.source)
    assert a.source.shape == (64, 64)
    assert a.background.dtype == a.source.dtype == np.float32


def test_counts_per_pixel_are_those_of_ten_years():
    rng = np.random.default_rng(1)
    l = rng.uniform(-180, 180, 100_000)  # noqa: E741
    b = np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000)))
    flat = (intensity(l, b) + ISOTROPIC) * relative_exposure(l, b)
    counts = flat * 1.9e11 * np.radians(0.2) ** 2
    low, middle, high = np.percentile(counts, [5, 50, 95])
    # Over the whole sky; a few hundred patches scatter by a third at the bright end.
    assert low == pytest.approx(1.18, rel=0.03)
    assert middle == pytest.approx(2.66, rel=0.03)
    assert high == pytest.approx(22.7, rel=0.05)


def test_the_source_map_is_the_sum_of_the_catalogue_s_sources():
    rng = np.random.default_rng(3)
    while True:
        patch = draw_patch(rng, PLAIN)
        c = patch.catalogue
        if len(c) and abs(patch.footprint.b) > 30:
            break
    y, x = np.mgrid[:64, :64]
    # Point-sampled instead of integrated: near but not equal.
    slow = sum(
        s * profile(0.2 * np.hypot(x - x0, y - y0)) * 0.04
        for s, x0, y0 in zip(c.counts, c.x, c.y, strict=True)
    )
    k = int(np.argmax(c.counts * ((c.x > 4) & (c.x < 59) & (c.y > 4) & (c.y < 59))))
    iy, ix = round(c.y[k]), round(c.x[k])
    near = (slice(iy - 2, iy + 3), slice(ix - 2, ix + 3))
    assert patch.source[near].sum() == pytest.approx(slow[near].sum(), rel=0.04)
    np.testing.assert_allclose(c.flux * patch.exposure, c.counts, rtol=0.06)


def test_sources_outside_the_frame_shine_in(patches):
    # Brightness at the edges is that of the middle.
    root = np.mean([np.sqrt(p.source) for p in patches], axis=0)
    edges = np.concatenate([root[0], root[-1], root[:, 0], root[:, -1]])
    assert edges.mean() == pytest.approx(root[8:-8, 8:-8].mean(), rel=0.05)


def test_the_test_statistic_is_that_of_the_direct_sum(patches):
    patch = next(p for p in patches if len(p.catalogue) > 20)
    c = patch.catalogue
    checked = 0
    for k in np.flatnonzero((c.x > 17) & (c.x < 46) & (c.y > 17) & (c.y < 46))[:5]:
        iy, ix = round(c.y[k]), round(c.x[k])
        ky, kx = (
            round((v - i) * SUBPIXELS + 3.5) for v, i in ((c.y[k], iy), (c.x[k], ix))
        )
        s = np.zeros((64, 64))
        s[iy - 16 : iy + 17, ix - 16 : ix + 17] = (
            c.counts[k] * stamps(0.2, patch.scale)[ky, kx]
        )
        rest = patch.background + np.maximum(patch.source - s, 0)
        # ln L of the expectation with the source, minus that without it.
        n = rest + s
        direct = 2 * np.sum(n * np.log(n) - n - (n * np.log(rest) - rest))
        assert c.ts[k] == pytest.approx(direct, rel=2e-3, abs=2e-3)
        checked += 1
    assert checked


def test_the_test_statistic_of_one_bright_pixel_is_cowan_s():
    assert asimov_ts(np.float64(3), np.float64(4)) == pytest.approx(
        2 * (7 * np.log(7 / 4) - 3)
    )


def test_a_source_of_39_counts_has_ts_25_at_high_latitude(patches):
    counts = np.concatenate([p.catalogue.counts for p in patches])
    ts = np.concatenate([p.catalogue.ts for p in patches])
    high = np.concatenate(
        [np.full(len(p.catalogue), abs(p.footprint.b) > 20) for p in patches]
    )
    near = high & (np.abs(np.log(ts / 25)) < 0.2)
    assert np.median(counts[near]) == pytest.approx(38.7, rel=0.15)


def test_photons_have_the_expected_mean_and_are_fresh():
    patch = draw_patch(np.random.default_rng(6))
    rng = np.random.default_rng(7)
    draws = np.stack([draw_counts(rng, patch) for _ in range(300)])
    whole = (patch.background + patch.source).astype(float)
    assert np.std((draws.mean(0) - whole) / np.sqrt(whole / 300)) == pytest.approx(
        1, abs=0.04
    )
    assert np.mean(draws.var(0) / whole) == pytest.approx(1, abs=0.02)
    assert not np.array_equal(draws[0], draws[1])


def test_a_patch_without_sources_has_none_and_the_same_sky():
    sky = draw_diffuse(np.random.default_rng(2), PLAIN)
    with_, without = (
        draw_patch(np.random.default_rng(3), PLAIN, diffuse=sky, sources=s)
        for s in (True, False)
    )
    assert without.source.max() == 0
    assert len(without.catalogue) == 0
    np.testing.assert_array_equal(with_.background, without.background)


def test_the_background_is_emission_and_isotropic_through_the_psf():
    foot = Footprint(l=120, b=-50)
    sky = view_diffuse(foot, 64)
    patch = draw_patch(np.random.default_rng(0), PLAIN, diffuse=sky)
    place = np.arange(64) - 31.5
    l, b = foot.coordinates(place[None, :], place[:, None])  # noqa: E741
    flat = (intensity(l, b) + ISOTROPIC) * relative_exposure(l, b)
    expected = flat * 1.9e11 * np.radians(0.2) ** 2
    # Smooth at high latitude: the PSF changes little, the sum next to nothing.
    assert patch.background.mean() == pytest.approx(expected.mean(), rel=0.005)
    assert np.abs(np.log(patch.background / expected)).max() < 0.1


def test_the_distortion_is_as_strong_as_asked():
    settings = GammaSettings(
        emission=(1, 1), isotropic=(1e-6, 1e-6), psf=0, distorted=1, distortion=0.12
    )
    sky = view_diffuse(Footprint(l=10, b=5), 64)
    rng = np.random.default_rng(1)
    rms = []
    for _ in range(200):
        patch = draw_patch(rng, settings, diffuse=sky, sources=False)
        scale = 1.9e11 * np.radians(0.2) ** 2
        rms.append(np.std(np.log(patch.background / (sky.emission * scale))))
    assert max(rms) < 0.125
    assert np.mean(rms) == pytest.approx(0.06, abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixel": 0.0}, "pixel=0"),
        ({"emission": (1.2, 0.8)}, "emission=1.2, 0.8"),
        ({"psf": 1.0}, "psf=1"),
    ],
)
def test_wrong_settings_are_refused(change, words):
    with pytest.raises(UsageError, match=words):
        GammaSettings(**change)
