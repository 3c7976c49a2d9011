"""Collected: sources found and clicked, as a window keeps them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable

from bgrem_core.collected import Collected
from bgrem_core.errors import UsageError
from bgrem_core.settings import FindSettings

sys.path.insert(0, str(Path(__file__).parent))
import fields


@pytest.fixture
def collected():
    return Collected(separation=fields.result(side=300))


@pytest.fixture
def searched(collected):
    collected.table = collected.find(FindSettings())
    return collected


def test_found_and_clicked_share_one_order(searched):
    n = len(searched.table)
    searched.clicked.append(searched.look(17, 23))
    at = searched.positions
    assert at.shape == (n + 1, 2)
    np.testing.assert_array_equal(at[:n, 0], searched.table["x"].value)
    assert tuple(at[n]) == (searched.clicked[0].x, searched.clicked[0].y)
    whole = searched.all_sources()
    assert len(whole) == n + 1
    assert len(set(whole["id"])) == n + 1
    np.testing.assert_allclose(whole["x"].value, at[:, 0], atol=0.5)


def test_a_row_is_known_by_its_place(searched):
    x, y = searched.positions[4]
    assert searched.row_of(x + 0.2, y) == 4
    far = Collected(separation=searched.separation)
    assert far.row_of(x, y) is None
    assert far.positions.shape == (0, 2)


def test_the_nearest_of_two_is_meant_and_none_beyond_half_a_fwhm():
    collected = Collected(separation=fields.result(side=300))
    collected.table = QTable({"x": [50.0, 51.0, np.nan], "y": [60.0, 60.0, 1.0]})
    half = collected.fwhm / 2
    assert collected.row_of(50.4, 60) == 0
    assert collected.row_of(50.6, 60) == 1
    assert collected.row_of(51 + 0.99 * half, 60) == 1
    assert collected.row_of(51 + 1.01 * half, 60) is None


def test_without_sources_there_is_nothing_to_export(collected, tmp_path):
    with pytest.raises(UsageError, match="no sources"):
        collected.export(tmp_path / "x.ecsv")
    assert not list(tmp_path.iterdir())


def test_the_truth_is_kept_beside_what_was_matched(searched):
    truth = fields.scene(300).truth
    table = QTable({n: getattr(truth, n) for n in ("x", "y", "flux", "snr", "kind")})
    match = searched.compare(table)
    assert searched.match is match
    assert searched.truth is table
    assert match.hit.sum() > 5
    assert len(match.found_fate) == len(searched.table)
