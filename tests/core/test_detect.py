"""Detection: independent truth is the list of stars that was put in."""

import numpy as np
import pytest
from scipy import ndimage

from bgrem_core.blockwise import detect_blocks
from bgrem_core.catalog import SourceFlag
from bgrem_core.detect import detect
from bgrem_core.matched import gaussian_kernel, matched_filter, weighted_noise
from bgrem_core.maxima import find_hills
from bgrem_core.simulate.optical import SceneSettings, correlate, draw_noise, draw_scene
from bgrem_core.thresholds import matched_threshold

FWHM = 4.0


def stars(shape, positions, fwhm=FWHM):
    """Gaussian stars of a given peak."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    width = fwhm / 2.3548
    image = np.zeros(shape)
    for px, py, peak in positions:
        image += peak * np.exp(-0.5 * ((x - px) ** 2 + (y - py) ** 2) / width**2)
    return image.astype(np.float32)


def nearest(found, x, y):
    return np.hypot(found.x - x, found.y - y).min(initial=np.inf)


def test_isolated_stars_are_found_once_at_their_place():
    truth = [(20.3, 30.7, 50), (60.0, 22.5, 20), (80.4, 70.1, 9)]
    found = detect(stars((100, 110), truth), threshold=3, fwhm=FWHM)
    assert len(found) == 3
    assert all(nearest(found, x, y) < 0.1 for x, y, _ in truth)


def test_labels_are_indices_and_cover_the_pixels_above_the_threshold():
    image = stars((100, 110), [(20, 30, 50), (26, 30, 50), (80, 70, 9)])
    found = detect(image, threshold=3, fwhm=FWHM)
    assert np.array_equal(found.segm > 0, image >= 3)
    counts = np.bincount(found.segm.ravel(), minlength=4)[1:]
    assert np.array_equal(counts, found.npix)
    labels = found.segm[np.rint(found.y).astype(int), np.rint(found.x).astype(int)]
    assert np.array_equal(labels, np.arange(1, len(found) + 1))


@pytest.mark.parametrize("separation", [1.1, 1.3, 2.0])
@pytest.mark.parametrize("ratio", [1.0, 0.6])
def test_close_pair_is_parted(separation, ratio):
    image = stars((60, 70), [(30, 30, 100), (30 + separation * FWHM, 31, 100 * ratio)])
    assert len(detect(image, threshold=3, fwhm=FWHM)) == 2


def test_faint_star_in_the_wing_of_a_bright_one_is_parted():
    image = stars((80, 80), [(40, 40, 1000), (40 + 2.2 * FWHM, 40, 30)])
    assert len(detect(image, threshold=3, fwhm=FWHM)) == 2


def galaxy(rng, *, noise=1.0):
    y, x = np.mgrid[:160, :160]
    r = np.hypot((x - 80) * 0.8, y - 80)
    image = 60 * np.exp(-r / 14) + noise * rng.standard_normal((160, 160))
    return ndimage.gaussian_filter(image, FWHM / 2.3548).astype(np.float32)


def test_smooth_galaxy_under_noise_is_not_shredded():
    pieces = []
    for seed in range(10):
        image = matched_filter(galaxy(np.random.default_rng(seed)), fwhm=FWHM)
        found = detect(image, threshold=5, fwhm=FWHM * 2**0.5)
        pieces.append(len(found))
    assert np.mean(pieces) <= 1.5


def test_star_on_a_galaxy_is_found():
    image = galaxy(np.random.default_rng(0), noise=0.3) + stars(
        (160, 160), [(100, 86, 40)]
    )
    found = detect(image, threshold=2, fwhm=FWHM)
    assert nearest(found, 100, 86) < 1
    assert nearest(found, 80, 80) < 1.5


def test_spiral_arm_is_no_row_of_sources():
    y, x = np.mgrid[:200, :200] - 100.0
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    arms = 1 + 0.3 * np.cos(2 * (angle - np.log(r + 1) * 2.5))
    image = 300 * np.exp(-r / 25) * arms
    image = ndimage.gaussian_filter(image, 2).astype(np.float32)
    found = detect(image, threshold=5, fwhm=FWHM)
    assert len(found) <= 3


def test_nan_and_masked_pixels_are_ignored_and_flagged():
    image = stars((60, 60), [(20, 20, 50), (40, 40, 50)])
    image[18:20, 20:22] = np.nan
    image[0, 0] = np.inf
    mask = np.zeros(image.shape, bool)
    mask[35:46, 35:46] = True
    found = detect(image, threshold=3, fwhm=FWHM, mask=mask)
    assert nearest(found, 20, 20) < 1.5
    near = np.hypot(found.x - 20, found.y - 20) < 3
    assert (found.flags[near] & SourceFlag.MASKED).all()
    assert not found.segm[mask].any()


def test_saturated_block_is_one_source_at_its_middle():
    image = np.minimum(stars((80, 80), [(40, 42, 1e5)]), 500).astype(np.float32)
    found = detect(image, threshold=3, fwhm=FWHM)
    assert len(found) == 1
    assert found.x[0] == pytest.approx(40, abs=0.2)
    assert found.y[0] == pytest.approx(42, abs=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (16, 16)])
def test_any_shape_is_taken(shape):
    for value in (0.0, 10.0, np.nan):
        found = detect(np.full(shape, value, np.float32), threshold=3, minarea=1)
        assert len(found) == (value == 10.0)


def test_source_at_the_edge_is_flagged():
    found = detect(stars((60, 60), [(0.5, 30, 50), (30, 30, 50)]), threshold=3)
    flags = found.flags[np.argsort(found.x)] & SourceFlag.EDGE
    assert flags.tolist() == [SourceFlag.EDGE, 0]


def test_too_few_pixels_are_no_source():
    image = np.zeros((30, 30), np.float32)
    image[10, 10:12] = 10
    image[20, 10:13] = 10
    assert len(detect(image, threshold=3, minarea=3)) == 1


def test_blocks_give_the_sources_of_the_whole_frame():
    rng = np.random.default_rng(4)
    settings = SceneSettings(fwhm=(4, 4.01), density=(800, 801))
    scene = draw_scene(rng, shape=(700, 600), settings=settings)
    noisy = scene.source + draw_noise(rng, scene.source)
    image = matched_filter(noisy, fwhm=4)
    whole = detect(image, threshold=5, fwhm=5.6)
    parts = detect_blocks(image, threshold=5, fwhm=5.6, block=256, margin=128)
    assert len(parts) == len(whole)
    order = np.lexsort((parts.x, parts.y)), np.lexsort((whole.x, whole.y))
    assert np.array_equal(parts.x[order[0]], whole.x[order[1]])
    assert np.array_equal(parts.npix[order[0]], whole.npix[order[1]])
    own = parts.segm[np.rint(parts.y).astype(int), np.rint(parts.x).astype(int)]
    assert np.array_equal(own, np.arange(1, len(parts) + 1))
    assert np.array_equal(parts.segm > 0, whole.segm > 0)


def slow_passes(image, threshold):
    """Height of the pass between the two highest maxima, by trial thresholds."""
    tops = np.argwhere(image == ndimage.maximum_filter(image, 3))
    tops = sorted(tops.tolist(), key=lambda p: -image[tuple(p)])[:2]
    for level in np.unique(image[image >= threshold])[::-1]:
        labels, _ = ndimage.label(image >= level, np.ones((3, 3)))
        if labels[tuple(tops[0])] == labels[tuple(tops[1])] > 0:
            return level
    return None


@pytest.mark.parametrize("seed", range(5))
def test_pass_between_two_hills_is_exact(seed):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(size=(40, 40)), 2).astype(np.float32)
    image = image - image.min() + 1
    hills = find_hills(image, image >= 1)
    first, second = np.argsort(-hills.height)[:2]
    group = {int(first)}
    reached = None
    # Flood from the first maximum over the passes, highest first.
    parent = list(range(len(hills.top)))

    def root(k):
        while parent[k] != k:
            k = parent[k]
        return k

    for a, b, level in zip(hills.left, hills.right, hills.level, strict=True):
        parent[root(a)] = root(b)
        if root(int(first)) == root(int(second)):
            reached = level
            break
    assert group
    assert reached == slow_passes(image, 1)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.45])
def test_filtered_noise_has_unit_sigma(rho):
    rng = np.random.default_rng(1)
    white = rng.standard_normal((802, 802), dtype=np.float32)
    noise = correlate(white, rho) if rho else white[1:-1, 1:-1]
    out = matched_filter(noise, fwhm=FWHM, rho_xy=(rho, rho))
    assert np.std(out) == pytest.approx(1, abs=0.02)


def test_matched_filter_gives_the_snr_of_a_star():
    image = stars((61, 61), [(30, 30, 3.0)])
    out = matched_filter(image, fwhm=FWHM, sigma=2.0)
    best = np.sqrt(np.sum(image.astype(float) ** 2)) / 2
    assert out[30, 30] == pytest.approx(best, rel=1e-3)


def test_matched_filter_takes_a_stamp_like_its_gaussian():
    rng = np.random.default_rng(2)
    image = rng.standard_normal((90, 80)).astype(np.float32)
    image[10, 10] = np.nan
    stamp = gaussian_kernel(FWHM)
    one = matched_filter(image, fwhm=FWHM, rho_xy=(0.1, 0.2))
    two = matched_filter(image, fwhm=9.0, stamp=stamp, rho_xy=(0.1, 0.2))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_filter_near_masked_pixels_keeps_unit_sigma():
    rng = np.random.default_rng(3)
    image = rng.standard_normal((600, 600)).astype(np.float32)
    mask = np.zeros(image.shape, bool)
    mask[:, ::9] = True
    out = matched_filter(image, fwhm=FWHM, mask=mask)
    assert np.isnan(out[mask]).all()
    assert np.nanstd(out) == pytest.approx(1, abs=0.03)


def test_noise_of_a_sum_is_that_of_trials():
    rng = np.random.default_rng(5)
    weights = gaussian_kernel(3.0)
    noise = correlate(rng.standard_normal((1202, 1202), dtype=np.float32), 0.3)
    sums = ndimage.correlate(noise, weights)[20:-20, 20:-20]
    assert weighted_noise(weights, (0.3, 0.3)) == pytest.approx(np.std(sums), rel=0.03)


def test_pure_noise_gives_few_detections():
    rng = np.random.default_rng(6)
    count = 0
    for rho in (0.0, 0.3):
        noise = correlate(rng.standard_normal((1602, 1602), dtype=np.float32), rho)
        out = matched_filter(noise, fwhm=3.5, rho_xy=(rho, rho))
        count += len(
            detect(out, threshold=matched_threshold(3.5, deep=False), fwhm=3.5 * 2**0.5)
        )
    assert count <= 10  # 5 Mpix at one each
