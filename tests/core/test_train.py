import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bgrem_core.errors import ReadError, UsageError  # noqa: E402
from bgrem_core.models import load_model  # noqa: E402
from bgrem_core.train import __main__ as command  # noqa: E402
from bgrem_core.train import export  # noqa: E402
from bgrem_core.train.loop import LoopSettings, learning_rate  # noqa: E402
from bgrem_core.train.optical import Recipe, draw_batch, fields, trainer  # noqa: E402


@pytest.fixture(scope="module")
def recipe():
    full = Recipe.read("cpu")
    return dataclasses.replace(
        full,
        config={"widths": [8, 12], "heads": ["mae", "mse"]},
        fields=2,
        field_size=160,
        augment=dataclasses.replace(full.augment, batch=6, crop=48),
        loop=LoopSettings(steps=20, rate=5e-3, warmup=5, threads=1, checkpoint=100),
    )


@pytest.fixture(scope="module")
def images(recipe, tmp_path_factory):
    return fields(recipe, tmp_path_factory.mktemp("fields"), workers=1)


def weights(run):
    named = dict(zip(run.names, run.ema, strict=True))
    raw = {k: v.detach() for k, v in run.network.named_parameters()}
    return named, raw


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """One uninterrupted run: its folder, trainer and rows."""
    folder = tmp_path_factory.mktemp("whole")
    run = trainer(recipe, folder)
    return folder, run, list(run.run())


def test_twenty_steps_lower_the_loss(whole):
    rows = whole[2]
    first, last = (np.mean([r["mse"] for r in part]) for part in (rows[:4], rows[-4:]))
    assert last < 0.85 * first


def test_two_runs_are_equal_bit_for_bit(whole, recipe, tmp_path):
    again = trainer(recipe, tmp_path)
    list(again.run())
    for one, two in zip(weights(whole[1]), weights(again), strict=True):
        for name in one:
            assert torch.equal(one[name], two[name]), name


def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(whole, recipe, tmp_path):
    while True:
        run = trainer(recipe, tmp_path)
        steps = run.run(max_seconds=0)  # one step each time: stopped nineteen times
        if not list(steps):
            break
    assert run.step == 20
    for one, two in zip(weights(whole[1]), weights(run), strict=True):
        for name in one:
            assert torch.equal(one[name], two[name]), name
    curves = [
        [line.rsplit(",", 1)[0] for line in (f / "loss.csv").read_text().splitlines()]
        for f in (whole[0], tmp_path)
    ]
    assert curves[0] == curves[1]


def test_a_killed_run_loses_only_what_no_checkpoint_holds(whole, recipe, tmp_path):
    run = trainer(recipe, tmp_path)
    next(run.run(max_seconds=0))
    with (tmp_path / "loss.csv").open("a") as file:
        file.write("2,0,0,0,0,0\n")  # written, then killed
    list(trainer(recipe, tmp_path).run())
    steps = [r.split(",")[0] for r in (tmp_path / "loss.csv").read_text().split()[1:]]
    assert steps == [str(k) for k in range(1, 21)]


def test_another_recipe_is_not_resumed(whole, recipe):
    other = dataclasses.replace(recipe, seed=5)
    with pytest.raises(UsageError, match="belongs to another recipe"):
        trainer(other, whole[0])


def test_batches_depend_on_seed_and_step_alone(recipe, images):
    a, b, c = (draw_batch(recipe, images, k) for k in (4, 4, 5))
    for name in a:
        assert torch.equal(a[name], b[name])
    assert not torch.equal(a["z"], c["z"])


def test_noise_of_a_crop_has_the_stated_spread_and_no_mean(recipe, images):
    data = [draw_batch(recipe, images, k) for k in range(60)]
    unit = torch.cat([d["noise"] / d["spread"] for d in data])
    assert unit.mean().abs() < 0.01
    assert unit.std().item() == pytest.approx(1, abs=0.04)
    level = torch.cat([d["level"] for d in data])
    assert (level == 1).float().mean().item() == pytest.approx(0.6, abs=0.1)
    assert level.min() >= 0.198
    told = torch.cat([d["condition"] for d in data])
    assert told[:, 2].mean().item() == pytest.approx(0.6, abs=0.1)
    assert (told[told[:, 2] == 0][:, 1] == 0).all()


def test_the_learning_rate_rises_then_falls_to_nothing():
    s = LoopSettings(steps=100, rate=1.0, warmup=10)
    rates = [learning_rate(k, s) for k in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1.0
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_recipes_are_strict():
    good = dataclasses.asdict(Recipe.read("cpu"))
    with pytest.raises(UsageError, match="unknown field 'colour'"):
        Recipe.from_dict({**good, "colour": 1})
    with pytest.raises(UsageError, match="augment has the unknown field 'blur'"):
        Recipe.from_dict({**good, "augment": {"blur": 1}})
    with pytest.raises(UsageError, match=r"incomplete.*seed"):
        Recipe.from_dict({k: v for k, v in good.items() if k != "seed"})
    with pytest.raises(UsageError, match="precision='f8'"):
        Recipe.from_dict({**good, "loop": {"steps": 3, "precision": "f8"}})


def test_the_recipe_survives_its_own_json():
    recipe = Recipe.read("cpu")
    again = Recipe.from_dict(json.loads(json.dumps(dataclasses.asdict(recipe))))
    assert again == recipe
    assert again.digest() == recipe.digest()


def test_a_missing_recipe_is_named(tmp_path, capsys):
    with pytest.raises(ReadError, match="'no-such'"):
        Recipe.read("no-such")
    code = command.main(
        ["optical", "--recipe", "no-such", "--out", str(tmp_path / "x")]
    )
    assert code == 3
    assert "no-such" in capsys.readouterr().err


def test_a_run_is_exported_and_loaded_with_equal_output(whole, tmp_path):
    folder, run, _ = whole
    assert export.main(["--run", str(folder), "--out", str(tmp_path)]) == 0
    model = load_model(str(tmp_path / "optical.safetensors"), device="cpu")
    assert model.card.training["finished"] is True
    assert model.card.training["tensors"] in model.card.as_dict()["training"].values()
    z = np.random.default_rng(0).normal(0, 1, (32, 40)).astype(np.float32)
    with torch.no_grad():
        for p, mean in zip(run.params, run.ema, strict=True):
            p.copy_(mean)
        image = torch.from_numpy(z)[None, None]
        expected = run.network(image, torch.ones(1), torch.tensor([[0.1, 1.0, 1.0]]))
    out = model.denoise(z, 1.0, rho=0.1, sigma_e=10.0)
    np.testing.assert_allclose(out, expected[0, 0].numpy(), atol=1e-5)


def test_figures_of_other_weights_are_refused(whole, tmp_path, capsys):
    figures = tmp_path / "t.json"
    figures.write_text(json.dumps({"weights": "0" * 64, "thresholds": {}}))
    arguments = ["--run", str(whole[0]), "--out", str(tmp_path)]
    assert export.main([*arguments, "--thresholds", str(figures)]) == 2
    assert "other weights" in capsys.readouterr().err


def test_exported_weights_get_a_new_card_without_the_run(whole, tmp_path):
    export.main(["--run", str(whole[0]), "--out", str(tmp_path)])
    before = load_model(str(tmp_path / "optical.safetensors"), device="cpu").card
    table = {"catalogue": [[0.0, 1, 0.5]], "deep": [[0.0, 1, 0.25]]}
    measured = {"weights": before.training["tensors"], "thresholds": table}
    (tmp_path / "t.json").write_text(json.dumps(measured))
    assert (
        export.main(["--out", str(tmp_path), "--thresholds", str(tmp_path / "t.json")])
        == 0
    )
    after = load_model(str(tmp_path / "optical.safetensors"), device="cpu").card
    assert after.threshold("deep", 0.2, 3) == 0.25
    assert after.training == before.training
