"""The benchmarks of the window: what they count."""

import importlib.util
import sys
from pathlib import Path

import pytest

from bgrem_core.progress import Progress
from bgrem_core.session import Session

FOLDER = Path(__file__).parents[1] / "benchmarks" / "napari"


@pytest.fixture
def large_frame(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    spec = importlib.util.spec_from_file_location(
        "window_large_frame", FOLDER / "large_frame.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_time_of_a_tile_is_from_one_to_the_next(large_frame, monkeypatch):
    clock = iter([0.0, 10.0, 12.0, 15.0, 100.0, 200.0, 201.0])
    monkeypatch.setattr(large_frame.time, "perf_counter", lambda: next(clock))
    session = Session()
    tiles = large_frame.Tiles(session)
    # Two runs: what lies between them, and other stages, are no tiles.
    for stage in ("scale", "tiles", "tiles", "tiles", "scale", "tiles", "tiles"):
        session.progressed.emit(Progress(stage=stage, done=1, total=9))
    assert tiles.summary() == {"median": 2.0, "longest": 3.0, "count": 3}
