"""Sexagesimal: hours, degrees, minutes and seconds that never reach 60."""

import pytest

from bgrem_core.sexagesimal import sexagesimal


@pytest.mark.parametrize(
    ("ra", "dec", "digits", "words"),
    [
        (150.09725, 2.20001, 1, "10:00:23.34 +02:12:00.0"),
        (0, -0.0001, 1, "00:00:00.00 -00:00:00.4"),
        (359.9999999, -89.99999, 0, "00:00:00.0 -90:00:00"),
        (-15, 10.9999999, 2, "23:00:00.000 +11:00:00.00"),
    ],
)
def test_positions_are_written_as_astronomers_do(ra, dec, digits, words):
    assert sexagesimal(ra, dec, digits=digits) == words
