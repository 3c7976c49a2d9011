"""Sources found on the map of centres that a network tells."""

import dataclasses

import numpy as np
import pytest

from bgrem_core import centres, clean
from bgrem_core.catalog import SourceFlag
from bgrem_core.find import find_with_segments
from bgrem_core.image import MaskBit
from bgrem_core.model_card import centre_scale
from bgrem_core.search import CENTRE, centre_search, search_plane
from bgrem_core.segments import segment_facts, segments_of
from bgrem_core.settings import FindSettings

LEVELS = np.array([[-4.0, -2, 0], [-3, -1, 1]])  # by rho, without light
TABLE = centre_scale(
    {
        "rho": [0.0, 0.4],
        "fwhm": [2.0, 8.0],
        "sigma": [3.0, 4.0, 5.0],
        "level": [[row, row + 0.5] for row in LEVELS],
    }
)
PLACES = [(60.0, 60.0, 900.0), (67.0, 60.0, 500.0), (150.3, 40.6, 300.0)]


def blob(x, y, shape=(200, 220), sigma=0.8):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


def light(places, sigma=2.0):
    return sum(h * blob(x, y, sigma=sigma) for x, y, h in places)


@pytest.fixture(scope="module")
def separation():
    """A frame with a close pair and a star alone; centres certain for all three."""
    rng = np.random.default_rng(2)
    data = light(PLACES) + rng.normal(500, 10, (200, 220))
    result = clean(data.astype("f4"), method="mesh", gain=2.0)
    said = np.max([0.9 * blob(x, y) for x, y, _ in PLACES], axis=0)
    extras = {**result.extras, CENTRE: said.astype("f4")}
    return dataclasses.replace(result, extras=extras)


def find(separation, **settings):
    return find_with_segments(separation, FindSettings(**settings), centre_scale=TABLE)


def test_every_centre_is_a_source_with_its_light(separation):
    table, segm = find(separation)
    assert table.meta["threshold_unit"] == "equivalent sigma of the filtered noise"
    found = sorted(zip(table["x"].value, table["y"].value, strict=True))
    np.testing.assert_allclose(found, sorted(p[:2] for p in PLACES), atol=0.2)
    blended = (table["flags"] & SourceFlag.BLENDED) != 0
    assert blended.sum() == 2
    for row in table:
        mine = segm == row["id"]
        assert mine[round(row["y"].value), round(row["x"].value)]
        assert mine.sum() == row["npix"] > 20


def test_what_is_set_by_hand_belongs_to_the_light(separation):
    for by_hand in ({"threshold": 5.0}, {"filter": True}, {"on": "light"}):
        table, _ = find(separation, **by_hand)
        assert table.meta["threshold_unit"] != "equivalent sigma of the filtered noise"
    table, _ = find(separation, on="centres", threshold=30.0)
    assert len(table) == 0


def test_without_a_scale_or_a_map_the_light_is_searched(separation):
    plain, _ = find_with_segments(separation, FindSettings())
    assert "equivalent" not in plain.meta["threshold_unit"]
    extras = {k: v for k, v in separation.extras.items() if k != CENTRE}
    none, _ = find(dataclasses.replace(separation, extras=extras))
    np.testing.assert_array_equal(plain["x"], none["x"])


def test_masked_centres_are_left_out_and_saturated_ones_kept(separation):
    flags = separation.flags.copy()
    flags[35:46, 145:156] = MaskBit.USER
    flags[58:63, 58:63] = MaskBit.SATURATED
    table, _ = find(dataclasses.replace(separation, flags=flags))
    assert sorted(np.round(table["x"].value)) == [60, 67]


def plane(probability, *, rho=0.0, fwhm=2.0, filtered=0.0):
    """Return the significance of an image, with a filter that says one thing."""
    image = np.full(probability.shape, filtered, np.float32)
    return centres.significance(probability, image, TABLE, rho=rho, fwhm=fwhm)


def test_the_scale_is_that_of_the_table_and_goes_on_straight():
    level = np.array([-6.0, -4.0, -3.0, 0.0, 3.0])
    # A plane that is even over the reach of the smoothing.
    p = np.repeat(1 / (1 + np.exp(-level)), 20)[None].repeat(20, axis=0).astype("f4")
    seen = plane(p)[0:20, 0:100][10, 10::20]
    np.testing.assert_allclose(seen, [2.0, 3.0, 3.5, 5.0, 6.5], atol=1e-3)

    def at_minus_four(**more):
        return plane(p, **more)[0:20, 0:100][10, 30]

    assert at_minus_four(rho=0.2) == pytest.approx(2.75, abs=1e-3)  # between the rows
    assert at_minus_four(rho=np.nan) == pytest.approx(2.5, abs=1e-3)  # most cautious
    assert at_minus_four(fwhm=4.0) == pytest.approx(2.875, abs=1e-3)  # half way in log
    assert at_minus_four(fwhm=30.0) == at_minus_four(fwhm=8.0)  # its end
    # Two log odds are one sigma of the table.
    more = centres.WEIGHT / 2
    assert at_minus_four(filtered=2.0) == pytest.approx(3 + 2 * more, abs=1e-3)
    assert at_minus_four(filtered=np.nan) == at_minus_four()
    assert at_minus_four(filtered=100.0) == pytest.approx(
        3 + centres.MOST * more, abs=1e-3
    )


def test_light_that_the_map_says_nothing_of_is_evidence(separation):
    unsure = np.full(separation.shape, 0.05, np.float32)  # log odds -2.9
    level = (((-2.0, 0.0, 2.0),) * 2,) * 2
    extras = {**separation.extras, CENTRE: unsure}
    table, _ = find_with_segments(
        dataclasses.replace(separation, extras=extras),
        # Asks for four sigma of light over the odds that are the same all over.
        FindSettings(on="centres", threshold=4 + (4 * centres.WEIGHT - 2.9) / 2),
        centre_scale={**TABLE, "level": level},
    )
    x, y = table["x"].value, table["y"].value
    star = PLACES[2]
    assert np.hypot(x - star[0], y - star[1]).min() < 1
    far = [np.hypot(x - a, y - b) > 12 for a, b, _ in PLACES]
    assert not np.all(far, axis=0).any()


def test_a_pedestal_is_what_is_wider_than_a_source():
    rows, cols = np.mgrid[:120, :160]
    wide = 20 * (np.hypot(cols - 100, rows - 60) < 30)
    point = 50 * blob(40, 60, (120, 160), sigma=4 / 2.3548)
    image = (wide + point - 0.3).astype("f4")
    holes = image.copy()
    holes[58:62, 95:105] = np.nan
    for seen in (image, holes):
        under = centres.pedestal(seen, 4.0)
        assert under.dtype == np.float32
        assert np.isfinite(under).all()
        assert under.min() == 0
        assert under[:, :60].max() == 0
        disc = np.hypot(cols - 100, rows - 60) < 20
        np.testing.assert_allclose(under[disc], 19.7, rtol=1e-5)


def test_a_star_beside_a_mask_is_not_its_own_pedestal():
    rows, cols = np.mgrid[:120, :120]
    image = (50 * blob(60, 60, (120, 120), sigma=4 / 2.3548)).astype("f4")
    image[cols - rows > 6] = np.nan  # a slanted edge: corners of squares see the star
    assert centres.pedestal(image, 4.0).max() < 1


def test_a_dead_pixel_beside_a_star_does_not_hide_it():
    rng = np.random.default_rng(8)
    star = 40 * blob(80, 70, sigma=1.8)
    data = star + rng.normal(500, 10, (200, 220))
    data[70, 83] -= 4000
    plain = clean(data.astype("f4"), gain=2.0, fwhm=4.2)
    noise = plain.image.data - 500 - star  # what a perfect network would say
    said = np.full((200, 220), 0.02) + 0.6 * blob(80, 70)
    parts = {**plain.parts, "noise": np.where(noise < -100, 0, noise).astype("f4")}
    separation = dataclasses.replace(
        plain, parts=parts, extras={**plain.extras, CENTRE: said.astype("f4")}
    )
    image = separation.photometric
    assert float(image[70:71, 83:84][0, 0]) < -3000
    level = (((-4.0, -1.0, 2.0),) * 2,) * 2
    table, _ = find_with_segments(
        separation, FindSettings(on="centres", threshold=4.2, min_snr=0.0),
        centre_scale={**TABLE, "level": level},
    )  # fmt: skip
    gap = np.hypot(table["x"].value - 80, table["y"].value - 70)
    assert gap.min() < 1.5


def test_extended_light_is_no_evidence_of_centres():
    rng = np.random.default_rng(5)
    wide = 6.0 * np.exp(-((np.hypot(*np.mgrid[-110:110, -110:110]) / 60) ** 4))
    data = 10 * wide + rng.normal(500, 10, (220, 220))
    plain = clean(data.astype("f4"), gain=2.0, fwhm=4.0)
    unsure = np.full((220, 220), 0.08, np.float32)
    level = (((-3.0, -1.0, 1.0),) * 2,) * 2
    threshold = 4.5 + (4.2 * centres.WEIGHT - 2.44) / 2  # 4.2 sigma of light
    blank = dataclasses.replace(plain, extras={**plain.extras, CENTRE: unsure})
    table, _ = find_with_segments(
        blank, FindSettings(on="centres", threshold=threshold, min_snr=0.0),
        centre_scale={**TABLE, "level": level},
    )  # fmt: skip
    # A maximum of its noise may be high enough; without the pedestal nine are.
    assert len(table) < 4


def test_the_significance_of_a_block_is_that_of_the_whole(separation):
    p = separation.extras[CENTRE]
    image = np.asarray(separation.photometric[0:200, 0:220]) / 10
    part = centres.significance(p, image, TABLE, rho=0.1, fwhm=3.0)
    whole = part[0:200, 0:220]
    np.testing.assert_array_equal(part[55:64, 30:90], whole[55:64, 30:90])


def test_a_block_of_the_searched_plane_is_that_of_the_whole(separation):
    flags = separation.flags.copy()
    flags[30:60, 100:130] = MaskBit.USER
    parts = {**separation.parts, "noise": np.zeros((200, 220), np.float32)}
    masked = dataclasses.replace(separation, flags=flags, parts=parts)
    assert masked.quiet_plane is not None  # so that the pedestal is taken off, too
    settings = FindSettings(on="centres")
    light = search_plane(masked, settings, fwhm=4.5)
    search = centre_search(masked, settings, TABLE, light=light, fwhm=4.5)
    whole = search.plane[0:200, 0:220]
    for rows, cols in ((slice(40, 77), slice(90, 141)), (slice(0, 9), slice(200, 220))):
        part = search.plane[rows, cols]
        np.testing.assert_allclose(part, whole[rows, cols], atol=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("level", [[[0.0, -1.0, 2.0]] * 2] * 2),
        ("level", [[0.0, 1.0, 2.0]] * 2),
        ("level", [[[0.0, 1.0, np.nan]] * 2] * 2),
        ("rho", [0.0]),
        ("fwhm", [0.0, 8.0]),
        ("fwhm", [8.0, 2.0]),
        ("sigma", [4.0]),
        ("more", 3),
    ],
)
def test_tables_that_do_not_rise_are_refused(field, value):
    with pytest.raises(ValueError, match="centres"):
        centre_scale({**TABLE, field: value})


def test_facts_of_segments():
    image = light([(4, 100, 50), (100, 100, 50), (108, 100, 50), (180, 150, 50)])
    image = image.astype("f4")
    image[:, 184:] = np.nan
    x, y = np.array([4.0, 100, 108, 180]), np.array([100.0, 100, 100, 150])
    segm = segments_of(image, x, y, threshold=1.0, fwhm=4.7)
    flags, npix = segment_facts(segm, image, 4)
    edge, blended, masked = SourceFlag.EDGE, SourceFlag.BLENDED, SourceFlag.MASKED
    assert flags.tolist() == [edge, blended, blended, masked]
    np.testing.assert_array_equal(npix, np.bincount(segm.ravel())[1:])
