"""Sources found on the map of centres that a network tells."""

import dataclasses

import numpy as np
import pytest

from bgrem_core import centres, clean
from bgrem_core.catalog import SourceFlag
from bgrem_core.find import find_with_segments
from bgrem_core.image import MaskBit
from bgrem_core.model_card import centre_scale
from bgrem_core.search import CENTRE
from bgrem_core.segments import segment_facts, segments_of
from bgrem_core.settings import FindSettings

TABLE = centre_scale(
    {"rho": [0.0, 0.4], "sigma": [3.0, 4.0, 5.0], "level": [[-4, -2, 0], [-3, -1, 1]]}
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


def test_the_scale_is_that_of_the_table_and_goes_on_straight():
    level = np.array([-6.0, -4.0, -3.0, 0.0, 3.0])
    # A plane that is even over the reach of the smoothing.
    p = np.repeat(1 / (1 + np.exp(-level)), 20)[None].repeat(20, axis=0)
    plane = centres.significance(p.astype("f4"), TABLE, 0.0)
    seen = plane[0:20, 0:100][10, 10::20]
    np.testing.assert_allclose(seen, [2.0, 3.0, 3.5, 5.0, 6.5], atol=1e-3)
    other = centres.significance(p.astype("f4"), TABLE, 0.2)[0:20, 0:100][10, 30]
    assert other == pytest.approx(2.75, abs=1e-3)  # between the rows
    unknown = centres.significance(p.astype("f4"), TABLE, np.nan)[0:20, 0:100][10, 30]
    assert unknown == pytest.approx(2.5, abs=1e-3)  # the most cautious


def test_the_significance_of_a_block_is_that_of_the_whole(separation):
    plane = centres.significance(separation.extras[CENTRE], TABLE, 0.1)
    whole = plane[0:200, 0:220]
    np.testing.assert_array_equal(plane[55:64, 30:90], whole[55:64, 30:90])


@pytest.mark.parametrize(
    "bad",
    [
        {"rho": [0.0], "sigma": [3.0, 4.0], "level": [[0.0, -1.0]]},
        {"rho": [0.0], "sigma": [3.0, 4.0], "level": [[0.0]]},
        {"rho": [0.0, 0.1], "sigma": [3.0, 4.0], "level": [[0.0, 1.0]]},
        {"rho": [0.0], "sigma": [4.0], "level": [[0.0]]},
    ],
)
def test_tables_that_do_not_rise_are_refused(bad):
    with pytest.raises(ValueError, match="centres"):
        centre_scale(bad)


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
