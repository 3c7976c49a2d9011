"""The benchmark of speed at toy sizes: arms in turn, and what is left out is said."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
FOLDER = Path(__file__).parents[1] / "benchmarks" / "speed"


@pytest.fixture(scope="module")
def engines():
    """Import the script as it is started: from its own folder."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(FOLDER))
    import engines

    yield engines
    patch.undo()
    del sys.modules["engines"]


def start(engines, folder, *more):
    import torch

    threads = torch.get_num_threads()
    try:
        arguments = ["--toy", "--rounds", "1", "--out", str(folder), *more]
        assert engines.main(arguments) == 0
    finally:
        torch.set_num_threads(threads)
    result = json.loads((folder / "engines.json").read_text())
    return result, (folder / "engines.md").read_text()


def test_arms_take_turns_and_the_first_round_does_not_count(engines):
    order, times = [], iter([9, 9, 3, 4, 2, 5])

    def arm(name):
        def run():
            order.append(name)
            return next(times)

        return engines.Arm(name, 10, run)

    measured = engines.measure([arm("a"), arm("b")], 2)
    assert "".join(order) == "ababab"
    assert measured == {"a": [3, 2], "b": [4, 5]}


def test_ratios_are_of_kept_pixels_a_second(engines):
    arms = [
        engines.Arm(engines.ORIGINAL, 100, None, 1e9),
        engines.Arm("ours", 300, None, 1e9, half=True, target=5.0),
        engines.Arm("matrix product, float32", 0, None, 4e9),
        engines.Arm("matrix product, bf16", 0, None, 8e9, half=True),
    ]
    times = dict(zip((a.name for a in arms), [[2, 3], [1.5, 1], [1], [1]], strict=True))
    rows = {r["arm"]: r for r in engines.rows_of(arms, times)}
    assert [r["ratio"] for r in rows.values()] == [1, 6, None, None]
    assert rows["ours"]["of_matrix_rate"] == round(1 / 8, 2)
    assert rows[engines.ORIGINAL]["of_matrix_rate"] == round(0.5 / 4, 2)
    assert rows["ours"]["spread"] == 1.5


def test_without_keras_the_original_is_skipped_and_the_rest_is_timed(
    engines, tmp_path, monkeypatch
):
    (tmp_path / "keras.py").write_text("raise ImportError('no keras here')\n")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{before}")
    monkeypatch.setattr(engines, "onnx_arms", lambda *rest: ())
    result, page = start(engines, tmp_path)
    assert result["original"] == "skipped (ImportError: no keras here)"
    assert "The original in Keras: skipped (ImportError: no keras here)." in page
    assert all(r["ratio"] is None for r in result["rows"])
    assert "| skipped (10) |" in page
    assert "Toy sizes: these times mean nothing" in page
    names = [r["arm"].split(",")[0] for r in result["rows"]]
    assert {"faithful", "fast", "sep.Background", "matrix product"} <= set(names)
    assert all(r["ms"] > 0 for r in result["rows"])


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("keras", "tensorflow")),
    reason="keras or tensorflow is not installed",
)
def test_the_network_in_keras_says_what_ours_says(engines, tmp_path):
    result, page = start(engines, tmp_path)
    original = result["original"]
    assert original["parameters"] == original["parameters_torch"] == 2_231_105
    assert original["largest_difference"] < 1e-5
    assert all(r["ratio"] for r in result["rows"] if r["mpix_s"])
    assert "skipped" not in page
