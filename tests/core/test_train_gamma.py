import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import bgrem_core.train.gamma as gamma_module  # noqa: E402
from bgrem_core.errors import ReadError, UsageError  # noqa: E402
from bgrem_core.networks.expectation import ExpectationUNet  # noqa: E402
from bgrem_core.simulate.gamma import GammaSettings  # noqa: E402
from bgrem_core.simulate.gamma_sky import distance_from_held_out  # noqa: E402
from bgrem_core.train.bench import trainer  # noqa: E402
from bgrem_core.train.gamma import GAMMA, GammaData, library  # noqa: E402
from bgrem_core.train.recipe import Recipe  # noqa: E402
from bgrem_core.train.strict import strict  # noqa: E402

RECIPES = Path(gamma_module.__file__).parent / "recipes"
DATA = {"batch": 4, "patches": 10, "held_out": 5, "scene": {"side": 32}}
LOOP = {
    "steps": 20, "rate": 4e-3, "warmup": 2, "epoch": 10, "validation": 1,
    "precision": "f32", "shards": 2, "ema": 0.5,
}  # fmt: skip


def recipe(**change):
    plain = {
        "family": "gamma", "name": "tiny", "version": "0", "seed": 5,
        "network": "expectation", "config": {"widths": [6, 8]}, "data": DATA,
        "loop": LOOP,
    }  # fmt: skip
    return Recipe.from_dict({**plain, **change})


def test_a_batch_depends_on_seed_and_step_alone(tmp_path):
    one = GAMMA.prepare(recipe(), tmp_path / "a")
    two = GAMMA.prepare(recipe(), tmp_path / "b")
    other = GAMMA.prepare(recipe(seed=6), tmp_path / "a")
    one(0, held_out=False)
    for held_out in (False, True):
        a, b = one(3, held_out=held_out), two(3, held_out=held_out)
        assert set(a) == {"counts", "truth", "level"}
        for key, value in a.items():
            np.testing.assert_array_equal(value, b[key])
            assert value.dtype == np.float32
        assert a["counts"].shape == (4, 1, 32, 32)
        assert a["truth"].shape == (4, 2, 32, 32)
        assert not np.array_equal(a["truth"], one(4, held_out=held_out)["truth"])
        assert not np.array_equal(a["truth"], other(3, held_out=held_out)["truth"])
    a, b = one(3, held_out=False), one(3, held_out=True)
    assert not np.array_equal(a["truth"], b["truth"])


def test_places_are_read_again_and_follow_what_decides_them(tmp_path):
    data = GammaData(patches=3, held_out=2, scene=GammaSettings(side=32))
    library(data, tmp_path, held_out=False)
    stamp = {p: p.stat().st_mtime_ns for p in (tmp_path / "patches").iterdir()}
    again = library(data, tmp_path, held_out=False)
    assert stamp == {p: p.stat().st_mtime_ns for p in (tmp_path / "patches").iterdir()}
    assert len(again) == 3
    other = dataclasses.replace(data, patch_seed=1)
    assert not np.array_equal(
        library(other, tmp_path, held_out=False).places, again.places
    )


def test_validation_sees_the_held_out_caps_alone(tmp_path):
    data = GammaData(patches=20, held_out=20)
    for held_out in (False, True):
        places = library(data, tmp_path, held_out=held_out).places
        far = distance_from_held_out(places[:, 0], places[:, 1])
        assert np.all(far < -13.6) if held_out else np.all(far > 13.6)


def test_counts_are_drawn_about_the_truth_or_equal_to_it(tmp_path):
    for mode, chi2 in (("poisson", 1.0), ("infinite", 0.0)):
        data = {**DATA, "mode": mode, "batch": 16}
        batch = GAMMA.prepare(recipe(data=data), tmp_path)(0, held_out=False)
        whole = batch["truth"].sum(axis=1, keepdims=True)
        got = np.mean((batch["counts"] - whole) ** 2 / whole)
        assert got == pytest.approx(chi2, abs=0.05)


def test_most_patches_are_told_their_own_level(tmp_path):
    data = {**DATA, "batch": 64}
    batch = GAMMA.prepare(recipe(data=data), tmp_path)(0, held_out=False)
    own = ExpectationUNet.level_of(torch.from_numpy(batch["counts"])).numpy()
    assert np.mean(np.isclose(own, batch["level"])) == pytest.approx(0.75, abs=0.15)


def test_the_loss_falls_and_repeats_bit_for_bit(tmp_path):
    rows = []
    for name in ("a", "b"):
        run = trainer(recipe(), tmp_path / name)
        rows.append([row["loss"] for row in run.run()])
        assert run.step == 20
    assert rows[0] == rows[1]
    assert np.mean(rows[0][-4:]) < 0.7 * np.mean(rows[0][:4])


def test_a_perfect_network_has_no_error_left():
    truth = torch.rand(2, 2, 8, 8) + 0.5

    class Perfect(torch.nn.Module):
        def roots(self, counts, level):
            return truth.sqrt()

    batch = {
        "counts": truth.sum(1, keepdim=True), "truth": truth, "level": torch.ones(2),
    }  # fmt: skip
    value, figures = GAMMA.loss(Perfect(), batch, recipe())
    assert float(value) == pytest.approx(0, abs=1e-4)
    assert figures["ln_rms"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["cpu", "gpu", "long"])
def test_the_shipped_recipes_are_read(name):
    read = Recipe.read(RECIPES / f"gamma_{name}.json")
    assert isinstance(read.data, GammaData)
    assert read.data.batch % read.loop.shards == 0
    card = read.kind().describe(read)
    assert card["trained"]["pixel"] == [0.2, 0.2]
    json.dumps(card)


@pytest.mark.parametrize("change", [{"mode": "half"}, {"batch": 0}, {"nll": -1.0}])
def test_wrong_data_sections_are_refused(change):
    with pytest.raises(UsageError, match=r"mode|at least 1|negative"):
        strict(GammaData, {**DATA, **change}, where="recipe.data")


def test_a_network_of_another_family_and_an_odd_side_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be used: .* trains the network exp"):
        trainer(recipe(network="fast", config={"widths": [8]}), tmp_path)
    odd = {**DATA, "scene": {"side": 33}}
    with pytest.raises(UsageError, match="a side of 33 pix is no multiple of 2"):
        trainer(recipe(data=odd), tmp_path)


@pytest.mark.parametrize("name", ["emission", "places"])
def test_damaged_places_are_named_and_made_anew_once_deleted(tmp_path, name):
    data = GammaData(patches=2, held_out=1, scene=GammaSettings(side=16))
    library(data, tmp_path, held_out=False)
    (path,) = (tmp_path / "patches").glob(f"*_{name}.npy")
    good = path.read_bytes()
    path.write_bytes(good[:-8])
    with pytest.raises(ReadError, match=f"{name}.npy are damaged"):
        library(data, tmp_path, held_out=False)
    path.unlink()
    library(data, tmp_path, held_out=False)
    assert path.read_bytes() == good


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"patch_seed": -1}, r"recipe\.data\.patch_seed=-1 must not be negative"),
        ({"patches": 10**7}, r"recipe\.data\.patches=10000000 must be at most"),
        ({"level_factor": 1e9}, r"recipe\.data\.level_factor=1e\+09 must be at most"),
        ({"scene": {"faint_share": 2.0}}, r"scene\.faint_share=2 must be at most 1"),
        ({"scene": {"faint_slope": [0.0, 1.0]}}, r"scene\.faint_slope=0, 1 must be at"),
        ({"scene": {"density": [900.0, 1000.0]}}, "sources cannot be drawn"),
    ],
)
def test_values_that_nothing_can_be_drawn_from_are_named(change, sentence):
    data = {**DATA, **change}
    if "density" in change.get("scene", {}):
        data["scene"] = {**change["scene"], "faintest": 1e-13}
    with pytest.raises(UsageError, match=sentence):
        recipe(data=data)
