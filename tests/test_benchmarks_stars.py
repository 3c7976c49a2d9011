"""The benchmark of published star removal: measures by hand, a page from its data."""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "stars"
NAMES = ("published", "rivals", "spread", "table2")


@pytest.fixture
def room(monkeypatch):
    """Import the scripts as they are started: from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield argparse.Namespace(**{n: importlib.import_module(n) for n in NAMES})
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent == FOLDER:
            del sys.modules[name]


def test_a_constant_is_all_of_the_error_until_it_is_taken_off(room):
    truth = np.random.default_rng(1).integers(60, 120, (20, 30)).astype(float)
    image = truth + 15
    image[0, 0] += 600 * 0.3
    got = room.published.measure(truth, image)
    assert got["bias"] == pytest.approx(15.3)
    assert got["mae"] == pytest.approx(15.3)
    assert got["rmse"] == pytest.approx(np.sqrt((599 * 15**2 + 195**2) / 600))
    assert got["psnr"] == pytest.approx(20 * np.log10(255 / got["rmse"]))
    rest = np.sqrt((599 * 0.3**2 + 179.7**2) / 600)
    assert got["psnr_level"] == pytest.approx(20 * np.log10(255 / rest))


def test_errors_in_bytes_wrap_around(room):
    truth, image = np.array([[10.0, 10, 10]]), np.array([[11.4, 9, 300]])
    # -1 is 255, 1 is 1, and 10 less the clipped 255 is 11.
    assert room.published.wrapped(truth, image) == pytest.approx((255 + 1 + 11) / 3)


def test_light_of_stars_is_drawn_and_counted(room, monkeypatch):
    fluxes = room.spread.FAINTEST, room.spread.BRIGHTEST
    _, starless, stars = room.spread.field(np.random.default_rng(1))
    assert room.spread.STARS * fluxes[0] < stars.sum() < room.spread.STARS * fluxes[1]
    assert starless.min() > room.spread.SKY
    monkeypatch.setattr(room.spread, "STEPS", (1, 30))
    row = room.spread.left(0)
    assert row["below white, 30"] < row["below white, 1"] < 1.02
    assert row["all, 1"] < row["below white, 1"]


def test_without_the_pictures_nothing_is_written(room, tmp_path, monkeypatch, capsys):
    out = tmp_path / "results"
    monkeypatch.setattr(
        sys, "argv", ["table2.py", "--data", str(tmp_path), "--out", str(out)]
    )
    assert room.table2.main() == 0
    assert "skipped: no figure2a.jpg" in capsys.readouterr().out
    assert not out.exists()


def test_the_page_is_that_of_the_data_beside_it(room):
    results = FOLDER / "results"
    data = json.loads((results / "table2.json").read_text())
    page = (results / "table2.md").read_text()
    assert room.table2.report(data).strip() == page.strip()
    assert set(data["table"]["rows"]) > {*room.rivals.DIFFUSIONS, *room.rivals.FILTERS}
