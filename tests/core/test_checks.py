"""What a sceptic asks: blank sky, residual, faint flux; faults must be caught."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from bgrem_core.catalog import SourceFlag
from bgrem_core.checks import blank_sky, faint_flux, residual
from bgrem_core.checks._patches import MOST, blocks
from bgrem_core.errors import UsageError
from bgrem_core.find import find_sources
from bgrem_core.planes import LazyPlane, constant
from bgrem_core.settings import FindSettings

sys.path.insert(0, str(Path(__file__).parent))
import fields

SHAPE = (400, 500)


def gauss(seed=1, shape=SHAPE, sigma=1.0):
    noise = np.random.default_rng(seed).standard_normal(shape)
    return (sigma * noise).astype(np.float32)


def separated(noise, *, taken=None, light=0.0, **kwargs):
    """A frame of light and noise, of which `taken` (by default the noise) is taken."""
    taken = noise if taken is None else taken
    result = fields.mesh_result(np.float32(fields.SKY) + light + noise, **kwargs)
    parts = dict(result.parts) | {"noise": np.asarray(taken, np.float32)}
    return dataclasses.replace(result, parts=parts)


def field():
    """Stars and galaxies, and the noise on them."""
    scene = fields.scene()
    return scene.source, fields.result().image.data - fields.SKY - scene.source


@pytest.fixture(scope="module")
def found():
    return find_sources(fields.denoised_result(), FindSettings())


# Blank sky


def test_gaussian_sky_is_flat_and_as_noisy_as_estimated():
    seen = blank_sky(separated(gauss()))
    sky = seen.original
    assert abs(sky.mean) < 4 * sky.mean_err < 0.02
    assert abs(sky.rms - 1) < 4 * sky.rms_err < 0.02
    assert not sky.is_uneven
    assert seen.excess == sky.rms - 1
    assert seen.share > 0.98
    assert sky.counts.sum() == pytest.approx(seen.n, abs=3)
    assert seen.cleaned.rms < 1e-6
    assert "is at zero (" in seen.verdict
    assert "noise is as estimated (" in seen.verdict


def test_errors_of_the_mean_cover_the_truth():
    pulls = [
        (sky := blank_sky(separated(gauss(seed, (128, 128)))).original).mean
        / sky.mean_err
        for seed in range(60)
    ]
    assert 0.75 < np.std(pulls) < 1.3
    assert abs(np.mean(pulls)) < 0.4


def test_correlated_noise_has_a_larger_error_of_the_mean():
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(gauss().astype(float), 1.2)
    white = blank_sky(separated(gauss())).original
    smooth = blank_sky(separated(noise / noise.std())).original
    growth = smooth.mean_err / white.mean_err
    assert growth == pytest.approx(1.2 * 2 * np.pi**0.5, rel=0.25)
    assert not smooth.is_uneven


@pytest.mark.parametrize(("level", "word"), [(0.3, "above zero"), (-0.3, "below zero")])
def test_a_level_that_is_left_is_told(level, word):
    seen = blank_sky(separated(gauss(), light=level))
    assert seen.original.mean == pytest.approx(level, abs=0.02)
    assert word in seen.verdict


def test_structure_of_the_sky_that_is_left_is_told():
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]]
    wave = 0.2 * 2**0.5 * np.sin(row / 60) * np.sin(col / 60) * 2**0.5
    seen = blank_sky(separated(gauss(), light=wave))
    assert seen.original.is_uneven
    assert seen.original.uneven == pytest.approx(0.2, rel=0.3)
    assert "uneven by 0." in seen.verdict


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_noise_that_was_estimated_wrongly_is_told(factor):
    seen = blank_sky(separated(gauss(sigma=factor)))
    assert seen.original.rms == pytest.approx(factor, rel=0.01)
    assert "times the estimate" in seen.verdict


def test_sources_are_kept_out_by_a_list_and_without_one(found):
    result = fields.denoised_result()
    listed, alone = blank_sky(result, found), blank_sky(result)
    for seen in (listed, alone):
        assert seen.share < 0.95
        assert abs(seen.original.mean) < 0.1
        assert seen.original.rms == pytest.approx(1, abs=0.03)
    nothing = blank_sky(result, found[:0])
    assert nothing.share == 1
    assert nothing.original.mean > 1.5 * listed.original.mean
    assert dict(nothing.rows())["Note"].startswith("sources that were not found")


def test_the_list_of_the_result_is_used_if_none_is_given(found):
    result = dataclasses.replace(fields.denoised_result(), catalog=found)
    assert blank_sky(result).n == blank_sky(result, found).n


def test_masked_and_non_finite_pixels_are_left_out():
    noise = gauss()
    noise[:100] = 1e6
    noise[200:210, 200:210] = np.nan
    flags = np.zeros(SHAPE, np.uint8)
    flags[:100] = 8
    flags[~np.isfinite(noise)] = 1
    seen = blank_sky(separated(noise, flags=flags))
    assert seen.original.rms == pytest.approx(1, abs=0.02)
    assert 0.7 < seen.share < 0.76


# The residual


def test_a_perfect_denoiser_leaves_white_noise_without_light(found):
    seen = residual(fields.denoised_result(), found)
    assert seen.part == "noise"
    assert seen.rms == pytest.approx(1, abs=0.02)
    assert np.abs(seen.correlation).max() < 0.03
    assert seen.is_white
    assert not seen.has_light
    assert seen.n_sources > 5
    assert seen.origin == "catalogue"
    assert abs(seen.share) < 3 * seen.share_err < 0.03
    assert np.abs(seen.cutout).max() < 0.02
    assert "correlated like the input's noise" in seen.verdict
    assert "no light of" in seen.verdict


@pytest.mark.parametrize("listed", [True, False])
def test_stars_in_the_noise_part_are_caught(found, listed):
    light, noise = field()
    bad = separated(noise, light=light, taken=noise + light)
    seen = residual(bad, found if listed else None)
    assert seen.share == pytest.approx(1, abs=0.05)
    assert seen.wide_share == pytest.approx(1, abs=0.1)
    assert seen.has_light
    assert "of the light of" in seen.verdict
    middle = seen.cutout.shape[0] // 2
    assert seen.cutout.argmax() == middle * (2 * middle + 2)
    if not listed:
        assert seen.origin == "image"
        assert not seen.is_white


@pytest.mark.parametrize("share", [0.05, 0.2, -0.1])
def test_the_share_of_the_light_is_measured(found, share):
    light, noise = field()
    bad = separated(noise, light=light, taken=noise + share * light)
    seen = residual(bad, found)
    assert seen.share == pytest.approx(share, abs=4 * seen.share_err)
    assert seen.share_err < 0.01
    assert seen.has_light


def test_wings_that_are_taken_are_caught_where_the_core_is_kept(found):
    from scipy.ndimage import gaussian_filter

    light, noise = field()
    ring = gaussian_filter(light, 4.0) - gaussian_filter(light, 1.0)
    seen = residual(separated(noise, light=light, taken=noise + 0.3 * ring), found)
    assert seen.has_light


def test_a_smoothed_residual_is_not_white():
    from scipy.ndimage import gaussian_filter

    noise = gauss()
    low = noise - gaussian_filter(noise, 1.0)
    seen = residual(separated(noise, taken=low))
    assert not seen.is_white
    assert seen.excess < -0.05
    assert "less correlated" in seen.verdict
    seen = residual(separated(noise, taken=gaussian_filter(noise, 1.0)))
    assert "more correlated" in seen.verdict
    assert seen.worst[1] <= 2


def test_noise_that_is_correlated_itself_is_no_fault():
    from scipy.ndimage import gaussian_filter1d

    noise = gaussian_filter1d(gauss().astype(float), 0.7, axis=1)
    noise /= noise.std()
    seen = residual(separated(noise))
    assert seen.correlation[0, 0] > 0.3
    assert abs(seen.correlation[1, 0]) < 0.03
    assert np.abs(seen.expected - seen.correlation).max() < 0.03
    assert seen.is_white


def test_lags_are_counted_along_the_right_axis():
    noise = gauss()
    shifted = (noise + np.roll(noise, 3, axis=0)) / 2**0.5
    seen = residual(separated(gauss(), taken=shifted))
    assert seen.correlation[1, 2] == pytest.approx(0.5, abs=0.03)
    assert seen.worst == (1, 3)
    assert seen.excess == pytest.approx(0.5, abs=0.03)
    assert "more correlated than the input's noise, by 0.5" in seen.verdict
    assert dict(seen.rows())["Farthest off"].endswith("\n3 pix along y")


def test_a_method_that_takes_sky_alone_took_nothing_pixel_by_pixel():
    seen = residual(fields.mesh_result(fields.SKY + gauss()))
    assert seen.part == "sky"
    assert seen.rms < 0.01
    assert np.isnan(seen.correlation).all()
    assert "the residual is next to nothing" in seen.verdict


def test_a_joint_background_is_looked_at_without_its_level():
    result = fields.mesh_result(fields.SKY + gauss())
    taken = np.float32(fields.SKY) + gauss()
    seen = residual(dataclasses.replace(result, parts={"background": taken}))
    assert seen.part == "background"
    assert seen.rms == pytest.approx(1, abs=0.02)
    assert seen.is_white


def test_the_same_result_gives_the_same_numbers(found):
    result = fields.denoised_result()
    one, two = residual(result, found), residual(result, found)
    np.testing.assert_array_equal(one.cutout, two.cutout)
    assert one.verdict == two.verdict
    assert blank_sky(result).verdict == blank_sky(result).verdict


# Faint flux


def table(snr, ratio, *, flags=0):
    snr = np.asarray(snr, float)
    return QTable(
        {
            "x": np.zeros(len(snr)) * u.pix,
            "y": np.zeros(len(snr)) * u.pix,
            "flux": snr * 10 * u.adu,
            "flux_cleaned": snr * 10 * ratio * u.adu,
            "snr": snr,
            "flags": np.broadcast_to(flags, len(snr)).astype(int),
        }
    )


def many(ratio=1.0, scatter=0.0, n=400, seed=3):
    rng = np.random.default_rng(seed)
    snr = 5 * rng.uniform(0.001, 1, n) ** -1
    return table(snr, ratio + scatter * rng.standard_normal(n))


def test_medians_stand_in_their_bins():
    snr = np.array([6, 6, 6, 8, 8, 8, 15, 15, 15, 30, 30, 30, 80, 80, 80])
    ratio = np.repeat([0.7, 0.8, 0.9, 0.95, 1.0], 3) + np.tile([-0.01, 0, 0.01], 5)
    seen = faint_flux(separated(gauss()), table(snr, ratio))
    np.testing.assert_allclose(seen.median, [0.7, 0.8, 0.9, 0.95, 1.0])
    assert list(seen.count) == [3] * 5
    assert "Too few" in seen.verdict


def test_the_interval_of_the_median_covers_it():
    inside = []
    for seed in range(200):
        seen = faint_flux(separated(gauss()), many(scatter=0.1, n=60, seed=seed))
        inside.append(seen.low[0] <= 1 <= seen.high[0])
    assert 0.6 < np.mean(inside) < 0.85


def test_a_faithful_image_is_said_to_lose_nothing():
    seen = faint_flux(separated(gauss()), many(scatter=0.05))
    assert "no loss within the errors" in seen.verdict


def test_lost_and_added_flux_is_told():
    lost = faint_flux(separated(gauss()), many(0.7, scatter=0.02))
    assert "keeps 0.7" in lost.verdict
    assert "less than the 0.9" in lost.verdict
    more = faint_flux(separated(gauss()), many(1.3, scatter=0.02))
    assert "too much" in more.verdict
    chosen = faint_flux(separated(gauss()), many(0.93, scatter=0.05))
    assert "explains it" in chosen.verdict


def test_choice_by_a_noisy_flux_is_estimated():
    """A perfect image of a flux-limited list has a ratio below one at the faint end."""
    rng = np.random.default_rng(8)
    true = 1.5 * rng.uniform(0, 1, 200_000) ** -1  # counts of slope one
    snr = true + rng.standard_normal(len(true))
    keep = snr > 5
    seen = faint_flux(separated(gauss()), table(snr[keep], (true / snr)[keep]))
    np.testing.assert_allclose(seen.expected, seen.median, atol=0.015)
    assert "explains it" in seen.verdict or "no loss" in seen.verdict


@pytest.mark.parametrize(
    "flag", [SourceFlag.BLENDED, SourceFlag.EXTENDED, SourceFlag.SATURATED]
)
def test_disturbed_sources_are_left_out(flag):
    good, bad = many(scatter=0.01), many(0.2)
    bad["flags"] = int(flag)
    both = QTable({n: np.concatenate([good[n], bad[n]]) for n in good.colnames})
    seen = faint_flux(separated(gauss()), both)
    assert seen.left_out == len(bad)
    assert seen.median[0] == pytest.approx(1, abs=0.01)


def test_no_sources_and_sources_of_nothing_are_told_apart():
    with pytest.raises(UsageError, match="find sources first"):
        faint_flux(separated(gauss()), None)
    plain = table([6.0, 7.0], 1.0)
    plain.remove_column("flux_cleaned")
    with pytest.raises(UsageError, match="no flux on the cleaned image"):
        faint_flux(separated(gauss()), plain)
    with pytest.raises(UsageError, match="no columns x and y"):
        faint_flux(separated(gauss()), QTable({"flux": [1.0]}))
    empty = faint_flux(separated(gauss()), table([], 1.0))
    assert empty.count.sum() == 0
    assert "Too few" in empty.verdict


# All of them


def test_rows_are_texts_with_units(found):
    result = fields.denoised_result()
    sky = dict(blank_sky(result, found).rows())
    assert sky["Original: width"].endswith("sigma")
    assert "adu" in sky["Noise sigma"]
    rest = dict(residual(result, found).rows())
    assert "%" in rest["Their light, core"]
    assert "pix" in rest["Their light, core"]
    flux = dict(faint_flux(result, found).rows())
    assert "source" in flux["S/N 5 to 7"]
    for rows in (sky, rest, flux):
        assert all(isinstance(text, str) and text for text in rows.values())


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (3, 200), (64, 40)])
def test_tiny_frames_give_a_result_or_a_clear_error(shape):
    result = separated(gauss(shape=shape))
    for check, fewest in ((blank_sky, 64), (residual, 256)):
        if shape[0] * shape[1] < fewest:
            with pytest.raises(UsageError, match="pixels of blank sky"):
                check(result)
        else:
            seen = check(result)
            assert seen.verdict.endswith(".")
            assert seen.rows()


@pytest.mark.parametrize("check", [blank_sky, residual])
def test_frames_that_show_no_blank_sky_are_refused(check):
    flags = np.full(SHAPE, 8, np.uint8)
    with pytest.raises(UsageError, match="only 0 pixels of blank sky"):
        check(separated(gauss(), flags=flags))
    flags = np.ones(SHAPE, np.uint8)
    nothing = np.full(SHAPE, np.nan, np.float32)
    with pytest.raises(UsageError, match="only 0 pixels of blank sky"):
        check(separated(nothing, flags=flags))


@pytest.mark.parametrize("check", [blank_sky, residual])
def test_a_frame_without_noise_is_refused(check):
    result = separated(np.zeros(SHAPE, np.float32))
    scale = dataclasses.replace(
        result.scale, sigma=constant(0, SHAPE), median_sigma=0.0
    )
    with pytest.raises(UsageError, match="no noise to compare with"):
        check(dataclasses.replace(result, scale=scale))


@pytest.mark.parametrize("check", [blank_sky, residual])
def test_a_frame_with_noise_that_is_zero_after_all_is_no_error(check):
    seen = check(separated(np.zeros(SHAPE, np.float32)))
    assert seen.verdict


@pytest.mark.parametrize("check", [blank_sky, residual])
def test_a_large_frame_is_sampled(check):
    shape = (20_000, 30_000)
    rng = np.random.default_rng(5)
    tile = rng.standard_normal((512, 512)).astype(np.float32)

    def noise(rows, cols):
        assert (rows.stop - rows.start) * (cols.stop - cols.start) < 1e5
        return tile[np.arange(rows.start, rows.stop) % 512][
            :, np.arange(cols.start, cols.stop) % 512
        ]

    plane = LazyPlane(shape, noise)
    small = separated(gauss(shape=(32, 32)))
    image = dataclasses.replace(small.image, data=plane, flags=constant(0, shape))
    scale = dataclasses.replace(small.scale, sigma=constant(1, shape))
    result = dataclasses.replace(
        small, image=image, flags=constant(0, shape), scale=scale, photometric=plane,
        parts={"noise": plane},
    )  # fmt: skip
    seen = check(result)
    pixels = seen.n if check is blank_sky else seen.n_pixels
    assert 3e6 < pixels < 5e6


@pytest.mark.parametrize("shape", [(1, 1), (1, 100_000), (130, 127), (5000, 3000)])
def test_patches_lie_in_the_frame_apart_from_each_other(shape):
    seen = np.zeros(shape, np.uint8)
    count = 0
    for rows, cols in blocks(shape):
        assert 0 <= rows.start < rows.stop <= shape[0]
        assert 0 <= cols.start < cols.stop <= shape[1]
        seen[rows, cols] += 1
        count += 1
    assert seen.max() == 1
    assert count <= MOST
    if shape[0] * shape[1] < 1e5:
        assert seen.all()


def test_the_product_passes_on_the_simulated_sample():
    import bgrem_core
    from bgrem_core import samples

    result = bgrem_core.clean(samples.path("simulated"))
    sources = bgrem_core.find_sources(result)
    sky = blank_sky(result, sources)
    assert abs(sky.original.mean) < 0.05
    assert sky.original.rms == pytest.approx(1, abs=0.03)
    assert sky.cleaned.rms < 0.1
    rest = residual(result, sources)
    assert rest.is_white
    assert abs(rest.share) < 0.015
    assert rest.rms == pytest.approx(1, abs=0.03)
    flux = faint_flux(result, sources)
    assert flux.median[-1] == pytest.approx(1, abs=0.01)
    assert 0.7 < flux.median[0] < 1
