"""The figures of the paper: a toy run with tiny networks, and what is known exactly."""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bgrem_core.model_card import UNMEASURED
from bgrem_core.networks import build
from bgrem_core.schedule import TRAINING
from bgrem_core.train import export

pytest.importorskip("galsim")
pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[1] / "benchmarks"
FOLDERS = (ROOT / "paper", ROOT / "optical")
VERDICTS = {"same", "different", "not reproduced", "not measured", "no claim"}
NETWORKS = {
    "optical": ("fast", {"widths": [16], "heads": ["mae"]}),
    "optical-paper": ("attention", {"widths": [8, 16], "gates": 1}),
}
LESSONS = 200
REAL = {"9", "10", "11"}


@pytest.fixture(scope="module")
def room():
    """Import the scripts as they are started: from their own folder."""
    patch = pytest.MonkeyPatch()
    before, path = set(sys.modules), list(sys.path)
    patch.syspath_prepend(str(FOLDERS[0]))
    # The first one finds the others.
    names = ("run", "cleaned", "galaxy", "given", "map", "map_rows", "picture", "scale")
    modules = argparse.Namespace(**{n: importlib.import_module(n) for n in names})
    patch.setattr(modules.picture, "DPI", 40)  # nobody looks at them
    yield modules
    patch.undo()
    sys.path[:] = path
    # Names such as "noise" are nobody else's.
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent in FOLDERS:
            del sys.modules[name]


def scene(rng, count, side=48):
    """Draw stars on nothing, and unit noise."""
    y, x = np.mgrid[:side, :side]
    light = np.zeros((count, 1, side, side), np.float32)
    for image in light:
        for _ in range(6):
            cy, cx = rng.uniform(0, side, 2)
            shape = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 1.8**2))
            image[0] += np.exp(rng.uniform(-1, 4)) * shape
    return light, rng.standard_normal(light.shape, dtype=np.float32)


def weights(folder, name, objective):
    """Teach a tiny network to smooth, and write it as weights are written."""
    torch.manual_seed(1)
    kind, config = NETWORKS[name]
    network = build(kind, **config)
    # What it is told stands beside nine numbers of the level.
    told = network.film[0].in_features - 9 if kind == "fast" else 3
    adam = torch.optim.Adam(network.parameters(), 5e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 5e-3, total_steps=LESSONS)
    rng = np.random.default_rng(7)
    for _ in range(LESSONS):
        light, noise = (torch.from_numpy(a) for a in scene(rng, 4))
        level = torch.tensor(TRAINING.sigma(rng.uniform(0, 1.5, 4).clip(0, 1))).float()
        z = light + level[:, None, None, None] * noise
        loss = (network(z, level, torch.zeros(4, told)) - noise).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
    assert loss.item() < 0.35  # 0.8 = nothing learned
    arrays = {k: v.contiguous().numpy() for k, v in network.state_dict().items()}
    fields = {
        "name": name, "version": "0", "method": "bgrem", "objective": objective,
        "network": kind, "config": config, "radius": network.radius,
        "pooling": network.pooling, "steps": 1, "thresholds": UNMEASURED,
        "trained": {"fwhm": [2, 9], "sigma_e": [3, 1000], "rho": [0, 0.45]},
        "training": {"tensors": export.tensors_digest(arrays), "finished": False},
    }  # fmt: skip
    return str(export.write(fields, arrays, folder))


@pytest.fixture(scope="module")
def start(room, tmp_path_factory):
    """Return what starts a toy run, and its folder."""
    folder = tmp_path_factory.mktemp("paper")
    ours = weights(folder, "optical", "noise")
    theirs = weights(folder, "optical-paper", "joint")
    argv = ["--toy", "--work", str(folder), "--model", ours, "--paper-model", theirs]
    argv += ["--losses", f"mae={ours}", f"huber={theirs}"]

    def go(*more):
        assert room.run.main([*argv, *more]) == 0
        return json.loads((folder / "paper_toy" / "paper.json").read_text())

    return go, folder / "paper_toy"


@pytest.fixture(scope="module")
def first(start):
    return start[0]()


def test_every_figure_has_numbers_and_a_picture(room, first, start):
    for key, figure in room.run.FIGURES.items():
        if key in REAL and key not in first["figures"]:
            assert any(line.startswith(f"figure {key}:") for line in first["skipped"])
            continue
        entry = first["figures"][key]
        assert entry["toy"] is True
        assert set(entry["weights"]) == {"optical", "optical-paper", "mae", "huber"}
        assert (start[1] / figure.file).read_bytes().startswith(b"\x89PNG")
    assert not list(start[1].glob("*.new"))


def test_the_noise_of_a_box_of_37_pixels_is_37_sigma(first):
    six = first["figures"]["6"]
    assert six["expected"]["box37"] == 37
    for measure in ("box37", "circle", "PSF"):
        assert six["noise"][measure] == pytest.approx(
            six["expected"][measure], rel=0.05
        )


def test_a_box_sum_is_the_sum_of_its_pixels(room):
    image = np.random.default_rng(3).normal(size=(80, 90))
    x, y = np.array([40.2, 30.0]), np.array([39.7, 45.0])
    slow = [image[y0 - 18 : y0 + 19, x0 - 18 : x0 + 19].sum()
            for x0, y0 in ((40, 40), (30, 45))]  # fmt: skip
    assert room.cleaned.box_sum(image, x, y, 37) == pytest.approx(slow)


def test_clipping_changes_nothing_above_an_absolute_threshold(first):
    rows = first["figures"]["7"]["absolute"]
    for name in ("optical", "optical-paper"):
        assert rows[f"{name}, clipped"] == rows[f"{name}, unclipped"]


def test_clipping_the_input_adds_light_to_boxes_of_faint_sources(first):
    rows = first["figures"]["6"]["ratio"]
    assert rows["input, clipped"]["box37"]["3-6"][1] > 3
    assert abs(rows["input"]["circle"]["6-12"][1] - 1) < 0.15


def test_the_published_estimator_is_known_for_normal_noise(room):
    noise = np.sort(np.random.default_rng(0).normal(100, 1, 10**6))
    assert room.scale.pure_noise() == pytest.approx(noise[: 9 * 10**5].std(), rel=2e-3)


def test_the_matched_filter_is_one_by_itself(first):
    found = first["figures"]["5"]["found"]
    assert found["matched"]["ratio"] == [1, 1, 1]
    assert first["figures"]["5"]["blank"]["input"]["rms"][0] == pytest.approx(
        1, abs=0.03
    )


def test_blank_sky_clipped_at_zero_is_half_zero(first):
    blank = first["figures"]["5"]["blank"]["optical, clipped"]
    assert 0.3 < blank["zero"] < 0.7


def test_one_step_of_the_reverse_process_is_a_training_pair(first):
    for curve in first["figures"]["1"]["curves"].values():
        top = max(curve["training"])
        assert curve["reverse"][0][1] == pytest.approx(top[1], rel=0.05)
        assert len(curve["reverse"]) == first["figures"]["1"]["steps"]


def test_a_disc_keeps_all_of_its_light_if_nothing_is_done(room):
    y, x = np.mgrid[:320, :320] - 160.0
    disc = 5 * np.exp(-np.hypot(x, y) / 18)
    edges = np.concatenate([[0, 2, 4], np.geomspace(6, 140, 20)])
    nothing = np.zeros(disc.shape, bool)
    own = room.galaxy.profile(disc, np.hypot(x, y), nothing, edges)
    area = np.histogram(np.hypot(x, y), edges)[0]
    assert all(
        v == pytest.approx(100) for v in room.galaxy.kept(own, own, area).values()
    )
    half = room.galaxy.kept(0.5 * own, own, area)
    assert all(v == pytest.approx(50) for v in half.values())


def test_the_galaxy_itself_is_kept_whole(first):
    if "9" not in first["figures"]:
        pytest.skip("its exposures are not here")
    rows = first["figures"]["9"]["rows"]
    for share, error in rows["nothing"]["kept"].values():
        assert share == pytest.approx(100, abs=max(3 * error, 3))


def test_a_part_of_a_frame_keeps_the_sources_inside(room, start, first):
    from frames import simulated

    frame = simulated("dark", folder=start[1].parent / "frames", toy=True)[0]
    part = room.given.cut(frame, 200)
    assert part.image.shape == part.source.shape == part.background.shape == (200, 200)
    assert part.truth.x.max() < 200
    inside = (frame.truth.x < 200) & (frame.truth.y < 200)
    assert len(part.truth) == inside.sum() > 0
    assert part.digest != frame.digest


def test_another_run_changes_only_what_was_asked_for(room, first, start):
    again = start[0]("--figures", "2", "5")
    kept = set(first["figures"]) - {"2", "5"}
    assert set(again["figures"]) == set(first["figures"])
    assert all(again["figures"][k] == first["figures"][k] for k in kept)
    for key in ("2", "5"):  # from what was kept, and the same
        for entry in (first["figures"][key], again["figures"][key]):
            entry.pop("minutes", None)
        assert again["figures"][key] == first["figures"][key]


def test_missing_weights_are_skipped_with_a_line(room, tmp_path, start, capsys):
    argv = ["--toy", "--work", str(start[1].parent), "--out", str(tmp_path)]
    argv += ["--model", "nothing-here", "--paper-model", "nor-here"]
    assert room.run.main([*argv, "--figures", "2", "4", "C"]) == 0
    said = capsys.readouterr().out
    for line in ("weights nothing-here", "weights nor-here", "figure 4: no weights",
                 "figure C: no weights"):  # fmt: skip
        assert f"skipped: {line}" in said
    assert set(json.loads((tmp_path / "paper.json").read_text())["figures"]) == {"2"}


def test_a_loss_without_a_path_is_refused(room, tmp_path, capsys):
    argv = ["--toy", "--work", str(tmp_path), "--losses", "mae"]
    assert room.run.main([*argv, "--figures", "C"]) == 2
    assert "mae=PATH" in capsys.readouterr().err


def table(page):
    """Return the rows of the map, without its headings."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines]
    return [r for r in rows if r[0] not in ("item", "---")]


def test_the_map_has_a_value_in_every_row_that_was_measured(
    room, first, tmp_path, start
):
    out = tmp_path / "map.md"
    argv = ["--results", str(start[1] / "paper.json"), "--out", str(out)]
    assert room.map.main(argv) == 0
    rows = table(out.read_text())
    assert len(rows) == sum(map(len, room.map_rows.GROUPS.values()))
    missing = {r[0] for r in rows if "not measured" in r[3]}
    absent = [k for k in REAL if k not in first["figures"]]
    assert not missing or absent
    for row in rows:
        assert len(row) == 6
        assert row[4].strip("*") in VERDICTS
        assert not any(w in " ".join(row) for w in ("None", "nan", "Traceback"))
    assert "toy runs, no results" in out.read_text()


def test_a_map_without_results_claims_nothing(room, tmp_path):
    out = tmp_path / "map.md"
    argv = ["--results", str(tmp_path / "nothing.json"), "--out", str(out)]
    argv += ["--benchmarks", str(tmp_path)]
    assert room.map.main(argv) == 0
    for row in table(out.read_text()):
        assert row[3] in ("not measured", "-")
        if row[3] == "not measured":
            assert row[4] == "**not measured**"
