"""The loop of the bench: its bits, its rate and its end, on a small recipe."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train_runs import assert_equal, curve, smaller  # noqa: E402

from bgrem_core.errors import ModelError, UsageError  # noqa: E402
from bgrem_core.models import load_model  # noqa: E402
from bgrem_core.train import checkpoint, export  # noqa: E402
from bgrem_core.train.bench import trainer  # noqa: E402
from bgrem_core.train.lock import lock  # noqa: E402
from bgrem_core.train.settings import LoopSettings, learning_rate  # noqa: E402


def test_twenty_steps_lower_the_loss(whole):
    rows = whole[2]
    first, last = (np.mean([r["mse"] for r in part]) for part in (rows[:4], rows[-4:]))
    assert last < 0.85 * first


def test_two_runs_are_equal_bit_for_bit(whole, recipe, folder):
    again = trainer(recipe, folder)
    list(again.run())
    assert_equal(whole[1], again)


def test_batches_from_workers_give_the_same_bits(whole, recipe, folder):
    short = dataclasses.replace(
        recipe, loop=dataclasses.replace(recipe.loop, steps=4, warmup=1)
    )
    one = trainer(short, folder)
    list(one.run())
    other = folder.parent / "workers"
    other.mkdir()
    (other / "fields").symlink_to(folder / "fields")
    two = trainer(short, other, workers=2)
    list(two.run())
    assert_equal(one, two)


def test_shards_change_only_the_rounding(whole, recipe, folder):
    loop = dataclasses.replace(recipe.loop, shards=1, precision="f32")
    pair = []
    for k, shards in enumerate((1, 3)):
        out = folder.parent / f"s{k}"
        out.mkdir()
        (out / "fields").symlink_to(folder / "fields")
        run = trainer(
            dataclasses.replace(recipe, loop=dataclasses.replace(loop, shards=shards)),
            out,
        )
        rows = list(run.run(max_seconds=0))
        pair.append((rows[0], [p.grad.clone() for p in run.params]))
    (row1, grads1), (row3, grads3) = pair
    # mae counts crops at level 1 alone: shards have unequal numbers of them.
    assert row1["norm"] == pytest.approx(row3["norm"], rel=1e-4)
    for a, b in zip(grads1, grads3, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_batch_that_is_no_multiple_of_the_shards_is_refused(recipe, folder):
    loop = dataclasses.replace(recipe.loop, shards=4)
    run = trainer(dataclasses.replace(recipe, loop=loop), folder)
    with pytest.raises(UsageError, match="4 equal shards"):
        list(run.run())


def test_one_process_per_folder(recipe, folder):
    run = trainer(recipe, folder)
    with lock(folder), pytest.raises(UsageError, match="another process trains"):
        list(run.run())
    assert len(list(run.run(max_seconds=0))) == 1


def test_a_loss_that_is_not_finite_ends_the_run(recipe, folder):
    run = trainer(recipe, folder)
    next(run.run(max_seconds=0))
    before = (folder / checkpoint.STATE).read_bytes()
    with torch.no_grad():
        run.params[0].fill_(float("nan"))
    with pytest.raises(ModelError, match="step 2 is not a finite number"):
        list(run.run())
    assert (folder / checkpoint.STATE).read_bytes() == before


def test_the_run_ends_early_and_keeps_the_best(recipe, folder):
    loop = dataclasses.replace(
        recipe.loop, steps=60, epoch=2, validation=1, patience=2, rate=0.03, clip=1e9,
        warmup=0, ema=0.0, schedule="paper", factor=1.0, precision="f32",
    )  # fmt: skip
    early = dataclasses.replace(recipe, loop=loop)
    run = trainer(early, folder)
    list(run.run())
    scores = [float(r.split(",")[1]) for r in curve(folder, "validation.csv")[1:]]
    best = int(np.argmin(scores))
    assert run.step == 2 * len(scores) < 60
    assert best == len(scores) - 3  # then twice without a better one
    assert run.best == pytest.approx(scores[best], rel=1e-5)
    again = trainer(early, folder)
    assert again.ended
    assert list(again.run()) == []
    fields, arrays = export.from_run(folder)
    assert fields["training"]["finished"] is True
    bias = dict(zip(run.names, run.best_ema, strict=True))["stem.bias"]
    np.testing.assert_array_equal(arrays["stem.bias"], bias.numpy())


def test_patience_without_validation_is_refused():
    with pytest.raises(UsageError, match="patience needs validation"):
        LoopSettings(steps=5, patience=3)


def test_the_learning_rate_rises_then_falls_to_nothing():
    s = LoopSettings(steps=100, rate=1.0, warmup=10)
    rates = [learning_rate(k, s) for k in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1.0
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_the_papers_rate_falls_by_a_factor_per_epoch():
    s = LoopSettings(
        steps=100, rate=1e-3, warmup=0, schedule="paper", epoch=10, factor=0.95
    )
    assert [learning_rate(k, s) for k in (0, 9, 10, 25)] == pytest.approx(
        [1e-3, 1e-3, 0.95e-3, 0.95**2 * 1e-3]
    )


def test_more_threads_than_the_machine_can_use_are_refused(recipe, folder, monkeypatch):
    loop = dataclasses.replace(recipe.loop, threads=9)
    many = dataclasses.replace(recipe, loop=loop)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.raises(UsageError, match=r"threads=9 is too much for 2 cores"):
        trainer(many, folder)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert trainer(many, folder).step == 0


def test_a_device_that_is_not_there_is_named(recipe, folder):
    with pytest.raises(UsageError, match="device 'tpu' is not available"):
        trainer(recipe, folder, device="tpu")


def test_the_papers_recipe_learns_and_repeats_with_batch_normalisation(whole, folder):
    loop = LoopSettings(
        steps=20, rate=3e-3, schedule="paper", warmup=0, epoch=5, validation=1,
        patience=10, ema=0.0, clip=1000.0, precision="f32", checkpoint=7,
    )  # fmt: skip
    recipe = smaller(
        "optical-paper_cpu", config={"widths": [8, 12, 16], "gates": 1}, loop=loop
    )
    first = trainer(recipe, folder)
    list(first.run())
    # On equal crops: how hard a batch is depends on the levels that it drew.
    scores = [float(r.split(",")[1]) for r in curve(folder, "validation.csv")[1:]]
    assert scores[-1] < 0.97 * scores[0]
    other = folder.parent / "again"
    other.mkdir()
    (other / "fields").symlink_to(folder / "fields")
    while list(trainer(recipe, other).run(max_seconds=0.05)):
        pass
    second = trainer(recipe, other)
    assert_equal(first, second)
    for name, value in first.buffers.items():
        assert torch.equal(value, second.buffers[name]), name
    fields, arrays = export.from_run(folder)
    assert fields["objective"] == "joint"
    path = export.write(fields, arrays, folder / "weights")
    model = load_model(str(path), device="cpu")
    assert model.denoise(np.ones((20, 24), np.float32), 1.0).shape == (20, 24)
    sharded = dataclasses.replace(loop, shards=2)
    with pytest.raises(UsageError, match="batch normalisation"):
        trainer(dataclasses.replace(recipe, loop=sharded), folder.parent / "sharded")
