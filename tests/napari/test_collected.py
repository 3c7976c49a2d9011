"""Which result is the newest, and what is known of its sources."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from napari.layers import Points

sys.path.insert(0, str(Path(__file__).parent))
import scenes

from bgrem_core.errors import UsageError
from bgrem_core.settings import FindSettings
from napari_bgrem.collected import Collected, newest_result, truth_of
from napari_bgrem.mark import KEY, Mark, mark_of


@pytest.fixture(scope="module")
def separation():
    return scenes.result()


def test_runs_are_compared_by_number_wherever_their_layers_lie(separation):
    layers = [
        layer
        for run in ("9", "10", "2")
        for layer in scenes.layers_of(separation, run=run)
    ]
    viewer = scenes.viewer_with(*layers)
    assert newest_result(viewer).run == "10"
    for layer in [x for x in viewer.layers if mark_of(x).run == "10"]:
        viewer.layers.remove(layer)
    assert newest_result(viewer).run == "9"


def test_results_of_one_image_can_be_asked_for(separation):
    other = scenes.result(flux=100)
    viewer = scenes.viewer_with(
        *scenes.layers_of(separation, run="1"), *scenes.layers_of(other, run="2")
    )
    assert newest_result(viewer, separation.image).run == "1"
    assert newest_result(viewer, scenes.result(flux=9).image) is None


def test_measuring_uses_what_the_search_learnt(separation):
    now = Collected(separation=separation)
    before = now.fwhm
    now.table = now.find(FindSettings())
    assert now.measured.catalog is now.table
    assert now.fwhm == now.table.meta["fwhm"]
    assert before == pytest.approx(scenes.FWHM)


def test_nothing_can_be_exported_without_sources(separation, tmp_path):
    with pytest.raises(UsageError, match="no sources to export"):
        Collected(separation=separation).export(tmp_path / "none.csv")
    assert list(tmp_path.iterdir()) == []


def test_clicked_sources_are_measured_as_found_ones_are(separation, tmp_path):
    now = Collected(separation=separation)
    now.clicked = [now.look(*star) for star in scenes.STARS]
    assert now.export(tmp_path / "mine.ecsv") == 3
    table = QTable.read(tmp_path / "mine.ecsv")
    np.testing.assert_allclose(table["flux"].value, 3000, rtol=0.05)
    np.testing.assert_allclose(table["x"].value, [x for x, _ in scenes.STARS], atol=0.2)


@pytest.mark.parametrize("as_table", [True, False])
def test_truth_is_that_of_the_image(separation, as_table):
    table = QTable({"x": [1.0, 2.0], "y": [3.0, 4.0], "flux": [5.0, 6.0]})
    metadata = {KEY: Mark(role="truth", image=separation.image)}
    if as_table:
        metadata["table"] = table
    layer = Points([[3, 1], [4, 2]], features={"flux": [5, 6]}, metadata=metadata)
    viewer = scenes.viewer_with(layer)
    truth = truth_of(viewer, separation.image)
    for name in table.colnames:
        np.testing.assert_array_equal(truth[name], table[name])
    assert truth_of(viewer, scenes.result(flux=1).image) is None
    assert truth_of(viewer, None) is None
