import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bgrem_core.ddpm import ALPHA_BAR
from bgrem_core.errors import ReadError, UsageError
from bgrem_core.networks import NETWORKS
from bgrem_core.networks.context import ContextUNet
from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.train.bench import trainer
from bgrem_core.train.families import FAMILIES
from bgrem_core.train.recipe import RECIPES, Recipe
from bgrem_core.train.satellites import (
    SATELLITES,
    SatelliteData,
    draw_batch,
    exposures,
)

TINY = {
    "family": "satellites",
    "name": "satellites",
    "version": "0",
    "seed": 4,
    "network": "context",
    "config": {"widths": [8, 12]},
    "data": {
        "exposures": 3, "size": 40, "held_out": 2, "batch": 4, "crop": 32,
    },
    "loop": {
        "steps": 20, "rate": 4e-3, "warmup": 4, "epoch": 10, "validation": 1,
        "precision": "f32", "shards": 2, "checkpoint": 10,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(NETWORKS, "context", ContextUNet)
    monkeypatch.setitem(FAMILIES, "satellites", SATELLITES)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exposures")


def recipe(**changes):
    return Recipe.from_dict({**TINY, **changes})


def test_a_batch_depends_on_seed_step_and_part_alone(folder, tmp_path):
    first = SATELLITES.prepare(recipe(), folder)
    again = SATELLITES.prepare(recipe(), tmp_path)
    a, b = first(7, held_out=False), again(7, held_out=False)
    first(8, held_out=False)
    c = first(7, held_out=False)
    for name in ("x", "t", "eps"):
        assert a[name].dtype == np.float32
        np.testing.assert_array_equal(a[name], b[name])
        np.testing.assert_array_equal(a[name], c[name])
    other = SATELLITES.prepare(recipe(seed=5), folder)
    for d in (first(8, held_out=False), first(7, held_out=True)):
        assert not np.array_equal(a["x"], d["x"])
    assert not np.array_equal(a["x"], other(7, held_out=False)["x"])


def test_a_batch_holds_diffused_frames_of_unit_variance(folder):
    batch = SATELLITES.prepare(recipe(), folder)(0, held_out=False)
    assert batch["x"].shape == batch["eps"].shape == (4, 1, 32, 32)
    kept = ALPHA_BAR[batch["t"].astype(int)][:, None, None, None]
    x0 = (batch["x"] - np.sqrt(1 - kept) * batch["eps"]) / np.sqrt(kept)
    assert x0.mean(axis=(1, 2, 3)) == pytest.approx(np.zeros(4), abs=1e-5)
    assert x0.std(axis=(1, 2, 3)) == pytest.approx(np.ones(4), abs=1e-4)


def test_times_fill_their_range_in_each_half_of_a_batch():
    def blank(rng):
        return rng.normal(size=(8, 8))

    rng = np.random.default_rng(1)
    t = np.stack([draw_batch(rng, blank, batch=16, t_max=500)["t"] for _ in range(400)])
    assert t.min() >= 0
    assert t.max() <= 499
    np.testing.assert_array_equal(t, np.floor(t))
    counts, _ = np.histogram(t, bins=10, range=(0, 500))
    assert counts == pytest.approx(np.full(10, 640), rel=0.1)
    for half in (t[:, :8], t[:, 8:]):
        assert np.all((half < 125).sum(axis=1) >= 1)
        assert np.all((half >= 375).sum(axis=1) >= 1)


def test_a_share_of_the_times_may_reach_to_the_end_of_the_schedule():
    def blank(rng):
        return rng.normal(size=(4, 4))

    rng = np.random.default_rng(3)
    t = np.stack([
        draw_batch(rng, blank, batch=16, t_max=500, beyond=0.2)["t"] for _ in range(400)
    ])  # fmt: skip
    counts, _ = np.histogram(t, bins=10, range=(0, 1000))
    assert counts[:5] == pytest.approx(np.full(5, 1024), rel=0.1)
    assert counts[5:] == pytest.approx(np.full(5, 256), rel=0.15)
    assert t.max() <= 999
    for half in (t[:, :8], t[:, 8:]):
        assert np.all((half >= 500).sum(axis=1) >= 1)
    data = {**TINY["data"], "beyond": 0.25}
    assert SATELLITES.describe(recipe(data=data))["trained"]["t"] == [0, 999]
    with pytest.raises(UsageError, match=r"recipe\.data\.beyond=0\.25 asks for times"):
        recipe(data={**data, "t_max": 1000})


def test_a_field_that_came_later_changes_no_hash_by_its_default():
    plain = recipe()
    spelt = recipe(data={**TINY["data"], "beyond": 0, "scene": {"amplifiers": [1]}})
    assert spelt == plain
    assert spelt.digest() == plain.digest()
    assert "beyond" not in plain.as_dict()["data"]
    other = recipe(data={**TINY["data"], "scene": {"amplifiers": [1, 2]}})
    scene = other.as_dict()["data"]["scene"]
    assert scene["amplifiers"] == [1, 2]
    # What came with it is written out: nothing is left to a default then.
    assert scene["glow_charge"] == [5.0, 80.0]
    assert other.digest() != plain.digest()
    assert Recipe.from_dict(other.as_dict()) == other


def test_amplifiers_meet_in_the_middle_of_exposures_and_not_of_crops(tmp_path):
    scene = dataclasses.replace(
        SatelliteSettings(), density=0, gradient=0, bowl=0, cloud=0, hot=0, targets=0,
        rows=(0, 0), columns=(0, 0), amplifiers=(2,), amplifier_offset=(30, 30),
    )  # fmt: skip
    data = SatelliteData(
        exposures=1, held_out=1, size=64, crop=32, batch=24, scene=scene, t_max=2
    )
    draw = SATELLITES.prepare(dataclasses.replace(recipe(), data=data), tmp_path)
    x = draw(0, held_out=False)["x"][:, 0]
    edges = np.abs(np.diff(x.mean(axis=1), axis=1)).argmax(axis=1)
    assert len(set(edges)) > 8


def test_trails_keep_their_direction_unless_crops_are_mirrored(tmp_path):
    # Light that rises along the diagonal: a half turn keeps it, a mirror does not.
    scene = dataclasses.replace(
        SatelliteSettings(), density=4e4, magnitudes=(12, 14), exposures=(2.0,),
        sky=(20, 20), gradient=0, bowl=0, cloud=0, hot=0, targets=0, rows=(0, 0),
    )  # fmt: skip
    falling = []
    for mirror in (False, True):
        data = SatelliteData(
            exposures=4, held_out=1, size=64, crop=64, batch=12, mirror=mirror,
            scene=scene, t_max=2,
        )  # fmt: skip
        draw = SATELLITES.prepare(
            dataclasses.replace(recipe(), data=data), tmp_path / str(mirror)
        )
        # t is 0 or 1: x is the frame but for a hundredth.
        x = draw(0, held_out=False)["x"][:, 0]
        along = np.mean(x[:, 2:, 3:] * x[:, :-2, :-3], axis=(1, 2))
        against = np.mean(x[:, 2:, :-3] * x[:, :-2, 3:], axis=(1, 2))
        falling.append(int(np.sum(against > along)))
    assert falling[0] == 0
    assert 2 <= falling[1] <= 10


def test_exposures_are_kept_and_belong_to_their_ranges(tmp_path):
    data = recipe().data
    first = exposures(data, tmp_path)
    files = sorted((tmp_path / "exposures").iterdir())
    times = [f.stat().st_mtime_ns for f in files]
    again = exposures(data, tmp_path)
    assert [f.stat().st_mtime_ns for f in files] == times
    assert len(first) == len(files) == 5
    np.testing.assert_array_equal(first[0], again[0])
    darker = dataclasses.replace(
        data, scene=dataclasses.replace(data.scene, sky=(20.0, 20.5))
    )
    assert not np.array_equal(exposures(darker, tmp_path)[0], first[0])
    assert not np.array_equal(first[0], first[1])


def test_the_loss_falls_and_a_run_repeats_bit_for_bit(tmp_path):
    draw = SATELLITES.prepare(recipe(), tmp_path / "a")
    test = [draw(k, held_out=True) for k in range(4)]

    def held_out(network):
        with torch.no_grad():
            parts = [{k: torch.from_numpy(v) for k, v in b.items()} for b in test]
            return np.mean(
                [float(SATELLITES.loss(network, p, recipe())[0]) for p in parts]
            )

    runs = []
    for name in ("a", "b"):
        run = trainer(recipe(), tmp_path / name)
        before = held_out(run.network)
        losses = [row["loss"] for row in run.run()]
        runs.append((losses, [e.clone() for e in run.ema]))
        assert len(losses) == 20
        assert held_out(run.network) < 0.97 * before
    assert runs[0][0] == runs[1][0]
    for a, b in zip(runs[0][1], runs[1][1], strict=True):
        assert torch.equal(a, b)
    curve = (tmp_path / "a" / "validation.csv").read_text().splitlines()
    assert curve[0].startswith("step,loss,early,late")
    assert len(curve) == 3


def test_the_loss_is_that_of_the_predicted_noise():
    class Nothing(torch.nn.Module):
        def forward(self, x, t):
            return torch.zeros_like(x)

    rng = np.random.default_rng(2)
    eps = rng.standard_normal((4, 1, 8, 8), dtype=np.float32)
    t = np.array([0, 249, 250, 499], np.float32)
    batch = {"x": eps, "t": t, "eps": eps}
    tensors = {k: torch.from_numpy(v) for k, v in batch.items()}
    value, figures = SATELLITES.loss(Nothing(), tensors, recipe())
    assert float(value) == pytest.approx(np.mean(eps**2), rel=1e-5)
    assert figures["loss"] == pytest.approx(float(value), rel=1e-5)
    assert figures["early"] == pytest.approx(np.mean(eps[:2] ** 2), rel=1e-5)
    assert figures["late"] == pytest.approx(np.mean(eps[2:] ** 2), rel=1e-5)


def names(kind, *, later=False):
    """Return the fields of settings, without those that came later, or with them."""
    fields = dataclasses.fields(kind)
    return {f.name for f in fields if later or "later" not in f.metadata}


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_shipped_recipes_can_be_read_and_describe_their_card(name):
    path = Path(RECIPES / f"satellites_{name}.json")
    shipped = Recipe.read(path)
    assert shipped.kind() is SATELLITES
    assert shipped.network == "context"
    assert shipped.data.batch % shipped.loop.shards == 0
    ContextUNet(**shipped.config)
    card = SATELLITES.describe(shipped)
    assert json.loads(json.dumps(card)) == card
    assert card["method"] == card["objective"] == "systematics"
    assert card["normaliser"]["clip"] == [-0.5, 3.0]
    assert card["trained"]["t"] == [0, 499]
    # Every range is written out: what decides the result does not hide in a default,
    # but for what came later, whose default is to change nothing.
    written = json.loads(path.read_text())["data"]
    assert names(SatelliteData) <= set(written) <= names(SatelliteData, later=True)
    known = names(SatelliteSettings), names(SatelliteSettings, later=True)
    assert known[0] <= set(written["scene"]) <= known[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 64}, "do not fit"),
        ({"t_max": 1001}, "t_max=1001"),
        ({"batch": 0}, "at least 1"),
        ({"exposure_seed": -1}, r"recipe\.data\.exposure_seed=-1 must not be negative"),
        ({"held_out": 10**7}, r"recipe\.data\.held_out=10000000 must be at most"),
        ({"scene": {"exposures": []}}, r"scene\.exposures= is empty"),
        ({"scene": {"exposures": [1.0, 0.0]}}, r"scene\.exposures=1, 0 must be at le"),
        ({"scene": {"sky": [20.0, 19.0]}}, r"scene\.sky=20, 19 is no range"),
        ({"scene": {"magnitudes": [9.0, 39.0]}}, "per square degree: .* cannot be"),
        ({"scene": {"target_peak": [0.0, 1.0]}}, r"scene\.target_peak=0, 1 must be"),
    ],
)
def test_a_recipe_that_cannot_be_drawn_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        recipe(data={**TINY["data"], **changes})


def test_exposure_times_need_not_rise():
    scene = recipe(data={**TINY["data"], "scene": {"exposures": [2.0, 0.3]}}).data.scene
    assert scene.exposures == (2.0, 0.3)


def test_damaged_exposures_are_named_and_made_anew_once_deleted(tmp_path):
    data = recipe().data
    exposures(data, tmp_path)
    path = min((tmp_path / "exposures").iterdir())
    good = path.read_bytes()
    for bad in (good[:-8], good[:40], b""):
        path.write_bytes(bad)
        with pytest.raises(ReadError, match=f"{path.name} are damaged"):
            exposures(data, tmp_path)
    path.unlink()
    exposures(data, tmp_path)
    assert path.read_bytes() == good


def test_a_crop_that_does_not_fit_the_network_is_refused(tmp_path):
    data = {**TINY["data"], "crop": 30}
    with pytest.raises(UsageError, match="a side of 30 pix is no multiple of 4"):
        trainer(recipe(data=data), tmp_path)
