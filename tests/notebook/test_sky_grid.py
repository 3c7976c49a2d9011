"""Sky grid: read as the browser reads it, against astropy."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from bgrem_core import open_image, samples
from bgrem_notebook.sky_grid import GOOD, sky_grid


def read_between(grid, shape, x, y):
    """Return RA and Dec as the page does: linear between unit vectors."""
    n, m = grid.shape[:2]
    fx = np.clip(x / max(shape[1] - 1, 1) * (m - 1), 0, m - 1 - 1e-9)
    fy = np.clip(y / max(shape[0] - 1, 1) * (n - 1), 0, n - 1 - 1e-9)
    i, j = int(fy), int(fx)
    a, b = fy - i, fx - j
    v = (
        (1 - a) * (1 - b) * grid[i, j]
        + (1 - a) * b * grid[i, j + 1]
        + a * (1 - b) * grid[i + 1, j]
        + a * b * grid[i + 1, j + 1]
    )
    v = v / np.linalg.norm(v)
    return np.degrees(np.arctan2(v[1], v[0])) % 360, np.degrees(np.arcsin(v[2]))


def tan(ra, dec, scale=1e-4, side=2000, kind="TAN"):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{kind}", f"DEC--{kind}"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [side / 2, side / 2]
    wcs.wcs.cdelt = [-scale, scale]
    return wcs


def sip():
    header = tan(30, -20, scale=7e-5).to_header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["A_ORDER"] = header["B_ORDER"] = 3
    header["A_2_0"], header["B_0_2"], header["A_1_1"] = 3e-6, -2e-6, 1e-6
    header["A_3_0"], header["B_1_2"] = 1e-10, 4e-10
    return WCS(fits.Header(header))


FIELDS = {
    "plain": tan(150, 2),
    "over RA 0": tan(0.01, 45),
    "on the pole": tan(10, 89.97),
    "a degree wide": tan(200, -60, scale=5e-4),
    "SIP": sip(),
}


@pytest.mark.parametrize("name", FIELDS)
def test_between_its_points_the_grid_is_right(name):
    wcs, shape = FIELDS[name], (1500, 2000)
    grid = sky_grid(wcs, shape)
    rng = np.random.default_rng(0)
    for x, y in rng.uniform((0, 0), (1999, 1499), (200, 2)):
        ra, dec = read_between(grid, shape, x, y)
        seen = SkyCoord(ra, dec, unit="deg")
        true = SkyCoord(*wcs.all_pix2world(x, y, 0), unit="deg")
        assert seen.separation(true).arcsec < 2 * GOOD


def test_on_a_real_frame_it_is_right_to_a_hundredth_of_an_arcsecond():
    image = open_image(samples.path("cfhtls_g"))
    grid = sky_grid(image.wcs, image.shape)
    ny, nx = image.shape
    for x, y in ((0, 0), (nx - 1, ny - 1), (0.3 * nx, 0.77 * ny)):
        ra, dec = read_between(grid, image.shape, x, y)
        true = SkyCoord(*image.wcs.all_pix2world(x, y, 0), unit="deg")
        assert SkyCoord(ra, dec, unit="deg").separation(true).arcsec < 0.01


def test_without_sky_there_is_none():
    assert sky_grid(None, (10, 10)) is None


def test_a_map_of_the_whole_sky_is_unknown_only_where_there_is_none():
    wcs = tan(0, 0, scale=1.0, side=180, kind="SIN")
    grid = sky_grid(wcs, (180, 180))
    assert np.isnan(grid[0, 0]).all()
    assert np.isfinite(grid[len(grid) // 2, len(grid) // 2]).all()


def test_an_image_of_one_pixel_has_a_place():
    grid = sky_grid(FIELDS["plain"], (1, 1))
    assert np.isfinite(grid).all()
