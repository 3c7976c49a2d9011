import pytest

from bgrem_core.io.gain import find_gain, find_zeropoint


@pytest.mark.parametrize(
    ("chosen", "unit", "values", "gain", "words"),
    [
        (2.5, "adu", {"GAIN": 4.0}, 2.5, "as stated (--gain)"),
        (None, "adu", {"GAIN": 3.98}, 3.98, "gain 3.98 e-/adu from GAIN (--gain)"),
        (None, "ADU", {"EGAIN": 1.5}, 1.5, "from EGAIN"),
        # Amateur cameras write a setting without unit into GAIN.
        (None, "DN", {"GAIN": 139, "EGAIN": 0.8}, 0.8, "from EGAIN"),
        (None, "counts", {"GAIN": "4.0"}, 4.0, "from GAIN"),
        (None, "Count", {"GAIN": 4}, 4.0, "from GAIN"),
        (None, "", {"GAIN": 4.0}, None, "GAIN=4 is not used, as there is no BUNIT"),
        (None, "nanomaggy", {"GAIN": 4.0}, None, "as BUNIT is nanomaggy"),
        (None, "adu/s", {"GAIN": 4.0, "EXPTIME": 9}, None, "unknown"),
        (None, "adu", {"GAIN": 0}, None, "unknown"),
        (None, "adu", {"GAIN": "high"}, None, "'high' is not used, as it is not a"),
        (None, "adu", {"GAIN": True}, None, "unknown"),
        (None, "electron", {"GAIN": 4.0}, 1.0, "BUNIT is electron"),
        (None, "ELECTRONS", {}, 1.0, "gain 1"),
        (None, "e-", {}, 1.0, "gain 1"),
        (None, "electron/s", {"EXPTIME": 340.0}, 340.0, "from EXPTIME"),
        (None, "ELECTRONS/S", {"EXPTIME": "53.9"}, 53.9, "from EXPTIME"),
        (None, "e- s-1", {"EXPOSURE": 20}, 20.0, "from EXPOSURE"),
        (None, "electron/s", {}, None, "unknown"),
        (None, "mJy/sr", {}, None, "gain unknown (--gain)"),
    ],
)
def test_gain_follows_the_order_of_trust(chosen, unit, values, gain, words):
    found, said = find_gain(chosen, unit, values)
    assert found == gain
    assert words in said
    assert said.endswith("(--gain)")


@pytest.mark.parametrize(
    ("chosen", "unit", "values", "zeropoint", "words"),
    [
        (25.0, "adu", {"MAGZERO": 30.0}, 25.0, "as stated"),
        (None, "adu", {"MAGZERO": 30.1, "MAGZPT": 25.1}, 30.1, "from MAGZERO"),
        (None, "adu", {"PHOTZP": "22.1"}, 22.1, "from PHOTZP"),
        (None, "nanomaggy", {}, 22.5, "BUNIT is nanomaggy"),
        (None, "adu", {}, None, ""),
    ],
)
def test_zero_point_says_where_it_comes_from(chosen, unit, values, zeropoint, words):
    found, said = find_zeropoint(chosen, unit, values)
    assert found == zeropoint
    assert words in said
