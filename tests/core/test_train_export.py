"""From a run to weights and their card."""

import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train_runs import SRC  # noqa: E402

from bgrem_core.errors import UsageError  # noqa: E402
from bgrem_core.model_card import ModelCard  # noqa: E402
from bgrem_core.models import load_model  # noqa: E402
from bgrem_core.train import checkpoint, export  # noqa: E402
from bgrem_core.train.bench import trainer  # noqa: E402
from bgrem_core.train.card import card_text  # noqa: E402
from bgrem_core.train.recipe import RECIPES, Recipe  # noqa: E402


def test_an_export_into_a_file_is_refused(whole, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    arguments = ["--run", str(whole[0]), "--out", str(tmp_path / "file")]
    assert export.main(arguments) == 5
    assert "give another --out folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("text", ["[1]", "3", "{}", '{"figures": 3}'])
def test_figures_that_are_none_are_refused(whole, tmp_path, text, capsys):
    path = tmp_path / "f.json"
    path.write_text(text)
    arguments = ["--run", str(whole[0]), "--out", str(tmp_path), "--figures", str(path)]
    assert export.main(arguments) == 3
    assert "f.json holds no figures" in capsys.readouterr().err


def test_a_head_that_was_not_trained_cannot_be_kept(whole, tmp_path):
    fields, _ = export.from_run(whole[0], head="mse")
    assert fields["config"]["head"] == "mse"
    with pytest.raises(UsageError, match="the run has no head 'q68x'"):
        export.from_run(whole[0], head="q68x")


def test_a_run_is_exported_and_loaded_with_equal_output(whole, recipe, tmp_path):
    folder, run, _ = whole
    assert export.main(["--run", str(folder), "--out", str(tmp_path)]) == 0
    model = load_model(str(tmp_path / "optical.safetensors"), device="cpu")
    training = model.card.training
    assert training["finished"] is True
    assert model.card.normaliser["kind"] == "sky"
    assert model.card.recipe == recipe.digest()
    text = json.dumps(training["recipe"], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == model.card.recipe
    z = np.random.default_rng(0).normal(0, 1, (32, 40)).astype(np.float32)
    with run._averaged(), torch.no_grad():
        image = torch.from_numpy(z)[None, None]
        expected = run.network(image, torch.ones(1), torch.tensor([[0.1, 1.0, 1.0]]))
    out = model.denoise(z, 1.0, rho=0.1, sigma_e=10.0)
    np.testing.assert_allclose(out, expected[0, 0].numpy(), atol=1e-5)


def test_exported_files_are_safetensors_to_others(whole, tmp_path):
    load_file = pytest.importorskip("safetensors.numpy").load_file
    fields, arrays = export.from_run(whole[0])
    path = export.write(fields, arrays, tmp_path)
    theirs = load_file(path)
    assert set(theirs) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(theirs[name], value)
    state = load_file(whole[0] / checkpoint.STATE)
    assert state["ema"].dtype == np.float32


def test_weights_are_not_replaced_unasked(whole, tmp_path, capsys):
    arguments = ["--run", str(whole[0]), "--out", str(tmp_path)]
    assert export.main(arguments) == 0
    before = (tmp_path / "optical.safetensors").stat().st_mtime_ns
    assert export.main(arguments) == 5
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "optical.safetensors").stat().st_mtime_ns == before
    assert export.main([*arguments, "--overwrite"]) == 0


def test_an_export_of_nothing_is_refused(recipe, folder, tmp_path, capsys):
    assert export.main(["--run", str(tmp_path / "no"), "--out", str(tmp_path)]) == 3
    trainer(recipe, folder)
    assert export.main(["--run", str(folder), "--out", str(tmp_path)]) == 3
    assert "holds no checkpoint" in capsys.readouterr().err


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
    path = tmp_path / "t.json"
    path.write_text(json.dumps(measured))
    arguments = ["--out", str(tmp_path), "--thresholds", str(path), "--overwrite"]
    assert export.main(arguments) == 0
    after = load_model(str(tmp_path / "optical.safetensors"), device="cpu").card
    assert after.threshold("deep", 0.2, 3) == 0.25
    assert after.training == before.training
    assert after.steps == before.steps == 1
    again = ["--out", str(tmp_path), "--overwrite", "--steps"]
    assert export.main([*again, "6"]) == 0
    path = str(tmp_path / "optical.safetensors")
    assert load_model(path, device="cpu").card.steps == 6
    assert export.main([*again, "0"]) != 0
    assert load_model(path, device="cpu").card.steps == 6


def test_a_run_that_could_still_get_better_is_not_finished(recipe, folder, tmp_path):
    loop = dataclasses.replace(recipe.loop, epoch=1, validation=1, patience=9)
    run = trainer(dataclasses.replace(recipe, loop=loop), folder)
    next(run.run(max_seconds=0))
    assert run.best_ema  # a best validation is there, and waits for a better one
    fields, arrays = export.from_run(folder)
    assert fields["training"]["finished"] is False
    path = export.write(fields, arrays, tmp_path / "models")
    notices = load_model(str(path), device="cpu").notices
    assert "the training of the model optical was not finished" in notices
    assert "NOT finished" in path.with_suffix(".md").read_text()


def test_a_card_claims_no_more_than_the_run_did(whole, tmp_path):
    fields, arrays = export.from_run(whole[0])
    text = export.write(fields, arrays, tmp_path).with_suffix(".md").read_text()
    assert "What was measured" not in text
    assert "not measured yet: cautious guesses" in text
    assert "1 detection per Mpix" not in text
    assert "two CPU cores" not in text
    assert "`bgrem-train optical --recipe FILE` with the recipe that is in" in text
    assert "- Head: `mae` (`--head`)\n" in text


@pytest.mark.parametrize(
    ("name", "said"),
    [("gamma_cpu", "`bgrem-train gamma`;"),
     ("optical_long", "`bgrem-train optical --recipe long`;")],
)  # fmt: skip
def test_the_card_of_a_shipped_recipe_names_its_command(name, said):
    recipe = Recipe.read(RECIPES / f"{name}.json")
    card = ModelCard(
        name="x", version="1", network=recipe.network, config={}, radius=1, pooling=1,
        steps=1, recipe=recipe.digest(), training={"recipe": recipe.as_dict()},
        **recipe.kind().describe(recipe),
    )  # fmt: skip
    text = card_text(card, "0" * 64)
    assert said in text
    assert ("GalSim" in text) == (recipe.family == "survey")


def test_a_card_made_again_from_its_file_is_the_same(whole, tmp_path):
    assert export.main(["--run", str(whole[0]), "--out", str(tmp_path)]) == 0
    model = load_model(str(tmp_path / "optical.safetensors"), device="cpu")
    again = card_text(model.card, model.sha256)
    assert again == (tmp_path / "optical.md").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["optical", "optical-fast", "optical-paper", "gamma", "satellites"]
)
def test_the_cards_that_ship_are_the_generated_ones(name):
    model = load_model(name, device="cpu")
    beside = SRC / "bgrem_core" / "weights" / f"{name}.md"
    assert card_text(model.card, model.sha256) == beside.read_text("utf-8")


@pytest.mark.parametrize("flag", ["--name", "--head", "--thresholds", "--figures"])
def test_every_flag_of_the_export_is_explained(flag, capsys):
    with pytest.raises(SystemExit, match="0"):
        export.main(["--help"])
    rows = re.split(r"\n  (?=-)", capsys.readouterr().out)
    (row,) = [r for r in rows if r.startswith(flag)]
    assert len(row.split()) > 6


def test_calibrations_of_several_benchmarks_come_together(whole, tmp_path, capsys):
    export.main(["--run", str(whole[0]), "--out", str(tmp_path)])
    weights = load_model(str(tmp_path / "optical.safetensors")).card.training["tensors"]
    parts = {
        "coverage": {"uncertainty": [[0.1, 0.2], [1.0, 1.5]]},
        "artefacts": {"artefact": 0.7},
        "again": {"artefact": 0.8},
    }
    paths = []
    for name, part in parts.items():
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps({"weights": weights, "calibration": part}))
    arguments = ["--out", str(tmp_path), "--overwrite", "--calibration"]
    assert export.main([*arguments, *map(str, paths)]) == 0
    card = load_model(str(tmp_path / "optical.safetensors")).card
    assert card.calibration["artefact"] == 0.8
    assert card.calibration["uncertainty"] == ((0.1, 0.2), (1.0, 1.5))
    paths[0].write_text(json.dumps({"weights": "0" * 64, "calibration": {}}))
    assert export.main([*arguments, str(paths[0])]) == 2
    assert "other weights" in capsys.readouterr().err
