"""Finding sources through the whole product."""

import numpy as np
import pytest
from astropy.io import fits

import bgrem_core
from bgrem_core import cli


def noise(seed, shape=(1024, 1024), sigma=5.0):
    frame = np.random.default_rng(seed).normal(100, sigma, shape)
    return bgrem_core.open_image(frame.astype(np.float32), fwhm=4.0)


def star(shape, y, x, peak, fwhm=4.0):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    r2 = (rows - y) ** 2 + (cols - x) ** 2
    return peak * np.exp(-2.7726 * r2 / fwhm**2)


@pytest.mark.parametrize("method", ["mesh", "bgrem"])
def test_pure_noise_gives_no_more_than_the_expected_false_detections(method):
    result = bgrem_core.clean(noise(1), method=method, sky_scale=256)
    # Poisson: 1 and 10 are expected, the limits are five sigma above.
    assert len(bgrem_core.find_sources(result)) <= 5
    deep = bgrem_core.find_sources(result, deep=True)
    assert len(deep) <= 26
    # The edge of the frame has no more than its share, which is none.
    places = np.stack([np.asarray(deep[c], float) for c in ("x", "y")])
    assert np.sum(places.min(axis=0) < 0.5) <= 1


def test_both_halves_of_a_frame_of_two_depths_have_like_false_counts():
    draw = np.random.default_rng(4)
    frame = draw.normal(0, 4.0, (1024, 2048))
    frame[:, 1024:] *= 2.5
    image = bgrem_core.open_image((100 + frame).astype("f4"), fwhm=4.0)
    result = bgrem_core.clean(image, method="mesh", sky_scale=256)
    found = bgrem_core.find_sources(result, threshold=3.5, min_snr=0.0)
    x = np.asarray(found["x"], float)
    left, right = np.sum(x < 976), np.sum(x > 1072)
    assert left > 20
    assert abs(left - right) < 5 * np.sqrt(left + right)


@pytest.mark.parametrize("method", ["mesh", "bgrem"])
def test_a_saturated_star_is_one_source(method):
    shape = (256, 256)
    frame = noise(2, shape).data + star(shape, 120, 130, 60000)
    draw = np.random.default_rng(3)
    full = frame > 20000
    frame[full] = 20000 + draw.uniform(0, 3000, full.sum())
    image = bgrem_core.open_image(frame.astype("f4"), saturation=20000, fwhm=4.0)
    result = bgrem_core.clean(image, method=method, sky_scale=64)
    found = bgrem_core.find_sources(result)
    near = np.hypot(np.asarray(found["x"]) - 130, np.asarray(found["y"]) - 120) < 15
    assert near.sum() == 1
    assert found["flags"][near][0] & 2


def test_labels_of_the_segments_are_the_ids_of_the_catalogue(tmp_path):
    shape = (200, 260)
    frame = noise(5, shape).data
    for k, (y, x) in enumerate([(40, 50), (100, 200), (150, 90)]):
        frame += star(shape, y, x, 150 * (k + 1))
    fits.writeto(tmp_path / "f.fits", frame.astype("f4"))
    arguments = ["-f", str(tmp_path / "f.fits"), "--layers", "--catalog", ".fits"]
    assert cli.main([*arguments, "--method", "mesh", "--quiet"]) == 0
    rows = fits.getdata(tmp_path / "BGRem_f_catalog.fits")
    segm = fits.getdata(tmp_path / "BGRem_f.fits", extname="SEGM")
    assert len(rows) == 3
    for row in rows:
        assert segm[round(row["y"]), round(row["x"])] == row["id"]
    assert set(np.unique(segm)) == {0, *rows["id"]}


def test_a_faint_source_on_a_galaxy_is_not_given_its_light():
    shape = (300, 300)
    y, x = np.mgrid[:300, :300]
    galaxy = 2000 * np.exp(-np.hypot(y - 150, x - 150) / 18)
    frame = noise(7, shape).data + galaxy + star(shape, 190, 170, 400)
    image = bgrem_core.open_image(frame.astype("f4"), fwhm=4.0)
    result = bgrem_core.clean(image, method="mesh", sky_scale="none")
    found = bgrem_core.find_sources(result)
    x, y, flux = (np.asarray(found[c], float) for c in ("x", "y", "flux"))
    true = 400 * np.pi * 4.0**2 / (4 * np.log(2))
    near = np.hypot(x - 170, y - 190) < 2
    assert near.sum() == 1
    # The ring is wider than the galaxy's slope is straight: good to a factor of two.
    assert true / 2 < flux[near][0] < 2 * true
    assert found["flags"][near][0] & 32
    middle = np.hypot(x - 150, y - 150) < 3
    assert flux[middle][0] > 0.6 * galaxy.sum()


def test_a_stack_is_searched_plane_by_plane_and_says_so():
    planes = np.random.default_rng(0).normal(size=(3, 64, 64))
    result = bgrem_core.clean(planes, method="mesh")
    with pytest.raises(bgrem_core.BGRemError, match=r"3 planes.*result\.planes"):
        bgrem_core.find_sources(result)
    with pytest.raises(bgrem_core.BGRemError, match="give one y for each x"):
        bgrem_core.measure(result.planes[0], [1, 2], [1])


def test_ids_of_several_planes_go_on_from_one_to_the_next(tmp_path):
    shape = (200, 260)
    hdus = [fits.PrimaryHDU()]
    for k in range(2):
        frame = noise(k, shape).data + star(shape, 40 + 60 * k, 50, 300)
        hdus.append(fits.ImageHDU(frame.astype("f4"), name=f"CCD{k + 1}"))
    fits.HDUList(hdus).writeto(tmp_path / "m.fits")
    arguments = ["-f", str(tmp_path / "m.fits"), "-i", "all", "--catalog", ".fits"]
    assert cli.main([*arguments, "--method", "mesh", "--quiet", "--layers"]) == 0
    rows = fits.getdata(tmp_path / "BGRem_m_catalog.fits")
    assert rows["id"].tolist() == [1, 2]
    assert rows["plane"].tolist() == [0, 1]
