from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import bgrem_core  # noqa: E402
import bgrem_core.train.gamma as gamma_module  # noqa: E402
from bgrem_core.errors import ModelError, UsageError  # noqa: E402
from bgrem_core.schedule import TRAINING  # noqa: E402
from bgrem_core.train.bench import trainer  # noqa: E402
from bgrem_core.train.export import from_run, write  # noqa: E402
from bgrem_core.train.gamma import GAMMA  # noqa: E402
from bgrem_core.train.gamma_paper import GAMMA_PAPER, GammaPaperData, unit_of  # noqa: E402
from bgrem_core.train.recipe import Recipe  # noqa: E402

RECIPES = Path(gamma_module.__file__).parent / "recipes"
DATA = {"batch": 4, "patches": 6, "held_out": 3, "scene": {"side": 32}}
LOOP = {
    "steps": 12, "rate": 4e-3, "warmup": 0, "epoch": 6, "validation": 1,
    "precision": "f32", "ema": 0.0,
}  # fmt: skip


def recipe(family="gamma-paper", **change):
    plain = {
        "family": family, "name": "tiny", "version": "0", "seed": 5,
        "network": "attention", "config": {"widths": [4, 6, 8], "gates": 1},
        "data": DATA, "loop": LOOP,
    }  # fmt: skip
    return Recipe.from_dict({**plain, **change})


@pytest.mark.parametrize("mode", ["infinite", "poisson"])
def test_a_pair_is_that_of_equation_1_over_the_median(tmp_path, mode):
    data = {**DATA, "mode": mode}
    batch = GAMMA_PAPER.prepare(recipe(data=data), tmp_path)(2, held_out=False)
    counts_data = {**data, "level_share": 0.0, "nll": 0.0}
    plain = recipe("gamma", network="expectation", config={"widths": [6]},
                   data=counts_data)  # fmt: skip
    counts = GAMMA.prepare(plain, tmp_path)(2, held_out=False)
    level = batch["level"]
    assert np.all((level >= TRAINING.sigma(0)) & (level <= 1))
    for k in range(4):
        image, source = counts["counts"][k, 0], counts["truth"][k, 0]
        middle = np.sort(image, axis=None)[(image.size - 1) // 2]
        noise = (image - source) / middle - 1
        np.testing.assert_allclose(batch["noise"][k, 0], noise, rtol=2e-5, atol=2e-5)
        z = source / middle + level[k] * noise
        np.testing.assert_allclose(batch["z"][k, 0], z, rtol=2e-5, atol=2e-5)
        # At level 1 it is the image itself.
        whole = source / middle + noise
        np.testing.assert_allclose(whole, image / middle - 1, rtol=1e-4, atol=1e-4)
    if mode == "infinite":
        truth = counts["truth"]
        np.testing.assert_allclose(counts["counts"], truth.sum(1, keepdims=True))


def test_an_empty_patch_is_not_divided_by_nothing():
    assert unit_of(np.zeros((8, 8))) == pytest.approx(0.1)
    assert unit_of(np.array([[1.0, 2.0], [3.0, 9.0]])) == pytest.approx(2.0)


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_each_loss_is_the_one_that_is_named(loss):
    class Wrong(torch.nn.Module):
        def forward(self, z, level, condition):
            return z + 3

    batch = {
        "z": torch.zeros(2, 1, 8, 8), "noise": torch.zeros(2, 1, 8, 8),
        "level": torch.ones(2),
    }  # fmt: skip
    value, figures = GAMMA_PAPER.loss(
        Wrong(), batch, recipe(data={**DATA, "loss": loss})
    )
    assert float(value) == pytest.approx({"mae": 3, "mse": 9, "huber": 2.5}[loss])
    assert figures["mae"] == pytest.approx(3)
    assert figures["mse"] == pytest.approx(9)


def test_an_unknown_loss_is_refused():
    with pytest.raises(UsageError, match="loss='l3' is unknown"):
        GammaPaperData(loss="l3")


def test_the_shipped_recipe_is_the_paper_s():
    read = Recipe.read(RECIPES / "gamma-paper_cpu.json")
    assert isinstance(read.data, GammaPaperData)
    assert (read.data.mode, read.data.loss, read.data.batch) == ("infinite", "mae", 16)
    loop = read.loop
    assert (loop.rate, loop.schedule, loop.factor) == (8e-4, "paper", 0.95)
    assert loop.steps == 150 * loop.epoch
    assert loop.epoch * read.data.batch == read.data.patches
    assert loop.patience == 10


def test_what_was_trained_is_exported_and_the_method_refuses_it(tmp_path):
    run = trainer(recipe(), tmp_path / "run")
    rows = list(run.run())
    assert rows[-1]["mae"] < rows[0]["mae"]
    fields, arrays = from_run(tmp_path / "run")
    assert fields["objective"] == "diffusion"
    write(fields, arrays, tmp_path / "out")
    (file,) = (tmp_path / "out").glob("*.safetensors")
    counts = np.ones((64, 64), np.float32)
    with pytest.raises(ModelError, match="gives no expected photons"):
        bgrem_core.clean(counts, method="gamma", model=str(file))
