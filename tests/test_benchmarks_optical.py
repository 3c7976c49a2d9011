"""The optical benchmark: toy frames, full tables, and going on where it stopped."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("galsim")
FOLDER = Path(__file__).parents[1] / "benchmarks" / "optical"
ARMS = ("matched", "optical", "source only")
KINDS = ("dark", "crowded")
PARTS = ("flux", "sky", "blank", "noise", "discs", "robust", "speed")


@pytest.fixture(scope="module")
def benchmark():
    """Import the script as it is started: from its own folder."""
    patch = pytest.MonkeyPatch()
    before = set(sys.modules)
    patch.syspath_prepend(str(FOLDER))
    import run

    yield run
    patch.undo()
    # Names such as "noise" are nobody else's.
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent == FOLDER:
            del sys.modules[name]


@pytest.fixture(scope="module")
def toy(benchmark, tmp_path_factory):
    """Return what starts a toy run, and the folder of its results."""
    folder = tmp_path_factory.mktemp("benchmark")

    def start(*more):
        argv = ["--toy", "--out", str(folder), "--work", str(folder / "work")]
        argv += ["--kinds", *KINDS, "--arms", *ARMS, *more]
        assert benchmark.main(argv) == 0
        return json.loads((folder / "benchmark.json").read_text())

    return start, folder


@pytest.fixture(scope="module")
def first(toy):
    return toy[0]()


def test_the_bound_is_never_below_the_matched_filter(first):
    for kind in KINDS:
        arms = first["kinds"][kind]["arms"]
        true = {name: arms[name]["parts"]["all"]["true"] for name in ARMS}
        assert true["source only"] >= true["matched"] > 0
        assert true["optical"] > 0


def test_every_table_is_filled(first, toy):
    page = (toy[1] / "benchmark.md").read_text()
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(titles) == 12
    for section in page.split("\n## ")[1:]:
        rows = [line for line in section.splitlines() if line.startswith("|")]
        assert len(rows) > 2, section
    for kind in KINDS:
        arms = first["kinds"][kind]["arms"]
        for arm in ARMS:
            assert sum(map(sum, arms[arm]["completeness"]["stars"])) > 0
        low, high = arms["optical"]["parts"]["all"]["to_strongest"][1:]
        assert low < high
    assert all(first[part] for part in PARTS)
    assert first["discs"][0]["kept"]["nothing"][0] == pytest.approx(100, abs=0.1)
    assert first["weights"]
    assert len(first["figures"]["table"]) > 2


def test_a_second_run_computes_nothing(first, toy):
    again = toy[0]()
    assert first["cache"]["computed"] > 0
    assert again["cache"]["computed"] == 0
    for changed in ("cache", "minutes", "speed"):
        first.pop(changed), again.pop(changed)
    assert again == first


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--arms", "argument --arms: invalid choice: 'sextracter' .*'sextractor'"),
        ("--kinds", "argument --kinds: invalid choice: 'sextracter' .*'crowded'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    benchmark, capsys, flag, message
):
    with pytest.raises(SystemExit) as stop:
        benchmark.main([flag, "sextracter"])
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_weights_that_do_not_exist_are_named(benchmark, tmp_path, capsys):
    argv = ["--toy", "--out", str(tmp_path), "--model", "nothing-here"]
    assert benchmark.main([*argv, "--arms", "optical"]) != 0
    assert "nothing-here" in capsys.readouterr().err


def test_simulated_frames_are_scored_both_ways(benchmark, toy):
    import scored_as_real

    folder = toy[1]
    argv = ["--toy", "--kinds", "dark", "--out", str(folder)]
    assert scored_as_real.main([*argv, "--work", str(folder / "work")]) == 0
    result = json.loads((folder / "scored_as_real.json").read_text())
    ways = result["kinds"]["dark"]
    assert list(ways) == [scored_as_real.FOUND, scored_as_real.DRAWN]
    for way in ways.values():
        assert way["truths"] > 0
        assert set(way["to_strongest"]) == {"optical", "optical centres"}


def test_interpolated_noise_keeps_its_variance_and_is_what_scipy_makes(benchmark):
    resampled = sys.modules["resampled"]
    rng = np.random.default_rng(3)
    seconds = []
    for _ in range(40):
        down, across = resampled.draw_kernel(rng), resampled.draw_kernel(rng)
        white = rng.standard_normal((70, 90), dtype=np.float32)
        whole = ndimage.correlate(white, np.outer(down, across), mode="constant")
        inner = whole[
            resampled.HALF : -resampled.HALF, resampled.HALF : -resampled.HALF
        ]
        np.testing.assert_allclose(
            resampled.through(white, down, across), inner, atol=1e-5
        )
        assert np.sum(down**2) == pytest.approx(1, abs=1e-5)
        seconds.append(float(np.sum(down[2:] * down[:-2])))
    assert min(seconds) < -0.02  # some swing below zero, some reach far
    assert max(seconds) > 0.05
