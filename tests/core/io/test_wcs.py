"""World coordinates survive a round trip, and bad ones do no harm."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

from bgrem_core.io import open_image, write
from bgrem_core.io.celestial import (
    celestial_wcs,
    equatorial,
    wcs_problem,
    without_equatorial,
)

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2,
    "CRPIX1": 25.3, "CRPIX2": 21.7, "CD1_1": -7e-5, "CD1_2": 1e-6, "CD2_1": 1e-6,
    "CD2_2": 7e-5, "CUNIT1": "deg", "CUNIT2": "deg",
}  # fmt: skip
SIP = TAN | {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2,
    "A_2_0": 1.3e-5, "A_1_1": -2e-6, "B_0_2": 1.1e-5, "B_1_1": 3e-6, "AP_ORDER": 1,
    "BP_ORDER": 1, "AP_0_1": 1e-7, "BP_1_0": 2e-7,
}  # fmt: skip
TPV = TAN | {
    "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.001, "PV1_2": 2e-4,
    "PV1_4": -1e-3, "PV2_1": 1.002, "PV2_5": 4e-4,
}  # fmt: skip


def corners(header, hdus=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header, hdus)
    points = [(-0.5, -0.5), (51.5, -0.5), (-0.5, 39.5), (51.5, 39.5), (20, 20)]
    return wcs.celestial.all_pix2world(points, 0)


@pytest.mark.parametrize("cards", [TAN, SIP, TPV], ids=["TAN", "SIP", "TPV"])
def test_coordinates_agree_to_a_billionth_of_a_pixel(
    cards, noise, save, separate, tmp_path
):
    path = save(fits.PrimaryHDU(noise, fits.Header(cards)))
    image = open_image(path)
    out = write(separate(image), tmp_path / "out.fits", layers=True)
    expected = corners(fits.getheader(path))
    tolerance = 1e-9 * 7e-5
    for index in (0, 1, -1):
        found = corners(fits.getheader(out, index))
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    ours = image.wcs.all_pix2world([(20, 20)], 0)
    np.testing.assert_allclose(ours[0], expected[-1], rtol=0, atol=tolerance)


def test_lookup_tables_travel_with_the_file(noise, save, separate, tmp_path):
    wcs = WCS(fits.Header(TAN))
    bent = np.linspace(0, 3, 12, dtype=np.float32).reshape(3, 4)
    wcs.cpdis1 = DistortionLookupTable(bent, (1, 1), (1, 1), (17, 19))
    wcs.cpdis2 = DistortionLookupTable(-bent, (1, 1), (1, 1), (17, 19))
    hdus = wcs.to_fits(relax=True)
    path = save(fits.PrimaryHDU(noise, hdus[0].header), *hdus[1:])
    image = open_image(path, hdu=0)
    out = write(separate(image), tmp_path / "out.fits")
    with fits.open(path) as before, fits.open(out) as after:
        expected = corners(before[0].header, before)
        plain = celestial_wcs(before[0].header).all_pix2world([(20, 20)], 0)
        np.testing.assert_allclose(
            corners(after[0].header, after), expected, rtol=0, atol=1e-13
        )
    assert abs(plain[0] - expected[-1]).max() > 1e-6
    full = celestial_wcs(image.header, path=path).all_pix2world([(20, 20)], 0)
    np.testing.assert_allclose(full[0], expected[-1], rtol=0, atol=1e-13)


def test_compressed_lookup_tables_are_decoded_behind_the_wall(
    noise, tmp_path, monkeypatch
):
    wcs = WCS(fits.Header(TAN))
    bent = np.linspace(0, 3, 256, dtype=np.float32).reshape(16, 16)
    for name in ("cpdis1", "cpdis2"):
        setattr(wcs, name, DistortionLookupTable(bent, (1, 1), (1, 1), (3, 3)))
    first, *tables = wcs.to_fits(relax=True)
    path = tmp_path / "in.fits"
    packed = [
        fits.CompImageHDU(table.data, table.header, compression_type="HCOMPRESS_1")
        for table in tables
    ]
    fits.HDUList([fits.PrimaryHDU(noise, first.header), *packed]).writeto(path)
    with fits.open(path) as hdus:
        expected = corners(hdus[0].header, hdus)
    image = open_image(path, hdu=0)

    def never(*_, **__):
        raise AssertionError("the file is opened in this process")

    monkeypatch.setattr(fits.HDUList, "fromfile", never)
    found = celestial_wcs(image.header, path=path)
    assert found.cpdis1 is not None
    points = [(-0.5, -0.5), (51.5, -0.5), (-0.5, 39.5), (51.5, 39.5), (20, 20)]
    np.testing.assert_allclose(
        found.all_pix2world(points, 0), expected, rtol=0, atol=1e-13
    )


def test_the_first_of_two_cards_counts_so_that_no_second_one_gets_by():
    header = fits.Header(SIP | {"A_ORDER": 20_000})
    header.append(("A_ORDER", 2))
    assert celestial_wcs(header) is None


@pytest.mark.parametrize("axis", ["HPLN HPLT", "ELON ELAT", "TLON TLAT"])
def test_places_on_other_skies_have_no_ra_and_dec(axis):
    lon, lat = (f"{name}-TAN" for name in axis.split())
    # astropy takes ecliptic longitudes for RA where there is an equinox.
    cards = TAN | {"CTYPE1": lon, "CTYPE2": lat, "EQUINOX": 2000.0}
    header = fits.Header(cards)
    wcs = celestial_wcs(header)
    ra, dec = equatorial(wcs, np.arange(3.0), np.arange(3.0))
    assert np.isnan([ra, dec]).all()
    assert f"the axis {axis.split()[0]} is" in without_equatorial(header, wcs)


def test_a_projection_that_nobody_knows_is_a_notice():
    header = fits.Header(TAN | {"CTYPE1": "RA---FOO", "CTYPE2": "DEC--FOO"})
    assert celestial_wcs(header) is None
    assert "WCS unusable" in without_equatorial(header, None)
    # Said once: what the door has said is not said again.
    twisted = fits.Header(TAN | {"CRVAL1": "ten"})
    assert without_equatorial(twisted, None) == ""
    assert without_equatorial(fits.Header(TAN), celestial_wcs(fits.Header(TAN))) == ""
    assert without_equatorial(None, None) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "singular"),
        ({"CRVAL1": "ten"}, "CRVAL1 is not a number"),
        ({"CUNIT2": "furlong"}, "CUNIT2='furlong'"),
        # Each takes the parser minutes, and gigabytes.
        ({"WCSAXES": 30_000}, "WCSAXES is not a number from 0 to 9"),
        ({"A_ORDER": 20_000}, "A_ORDER is not a number from 0 to 9"),
        ({"BP_ORDER": 10**9}, "BP_ORDER is not a number from 0 to 9"),
        ({"A_ORDER": "9999"}, "A_ORDER is not a number from 0 to 9"),
    ],
)
def test_bad_coordinates_are_a_notice_and_the_cards_stay(
    change, words, noise, save, separate, tmp_path
):
    path = save(fits.PrimaryHDU(noise, fits.Header(TAN | change)))
    image = open_image(path)
    assert image.wcs is None
    assert any("WCS unusable" in n and words in n for n in image.notices)
    header = fits.getheader(write(separate(image), tmp_path / "out.fits"))
    for key, value in change.items():
        assert header[key] == value


def test_no_coordinates_are_no_problem():
    assert wcs_problem({}) == ""
    assert celestial_wcs(None) is None
    assert celestial_wcs(fits.Header()) is None


def test_rubbish_never_raises():
    rng = np.random.default_rng(4)
    keys = list(SIP)
    values = [0, -1, "x", 1e308, "RA---XYZ", True, ""]
    for _ in range(60):
        header = fits.Header(SIP)
        for key in rng.choice(keys, 3):
            header[key] = values[rng.integers(len(values))]
        celestial_wcs(header)
