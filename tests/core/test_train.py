"""The bench itself, on a small optical recipe; each family has a file of its own."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bgrem_core.errors import (  # noqa: E402
    ModelError,
    ReadError,
    UsageError,
    WriteError,
)
from bgrem_core.model_card import ModelCard  # noqa: E402
from bgrem_core.models import load_model  # noqa: E402
from bgrem_core.train import __main__ as command  # noqa: E402
from bgrem_core.train import checkpoint, export  # noqa: E402
from bgrem_core.train.bench import trainer  # noqa: E402
from bgrem_core.train.card import card_text  # noqa: E402
from bgrem_core.train.feed import Feed  # noqa: E402
from bgrem_core.train.lock import lock  # noqa: E402
from bgrem_core.train.recipe import RECIPES, Recipe, shipped  # noqa: E402
from bgrem_core.train.settings import LoopSettings, learning_rate  # noqa: E402

SRC = Path(command.__file__).parents[2]


def smaller(name="optical_cpu", *, config, loop, **crops):
    full = Recipe.read(RECIPES / f"{name}.json")
    data = dataclasses.replace(
        full.data,
        fields=2,
        held_out=1,
        field_size=100,
        crops=dataclasses.replace(full.data.crops, batch=6, crop=48, **crops),
    )
    return dataclasses.replace(full, config=config, data=data, loop=loop)


@pytest.fixture(scope="module")
def recipe():
    loop = LoopSettings(
        steps=20, rate=5e-3, warmup=5, shards=2, checkpoint=100, epoch=5, validation=2
    )
    return smaller(config={"widths": [8, 12], "heads": ["mae", "mse"]}, loop=loop)


def weights(run):
    named = dict(zip(run.names, run.ema, strict=True))
    raw = {k: v.detach() for k, v in run.network.named_parameters()}
    return named, raw


def assert_equal(one, two):
    for a, b in zip(weights(one), weights(two), strict=True):
        for name in a:
            assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """One uninterrupted run: its folder, trainer and rows."""
    folder = tmp_path_factory.mktemp("whole")
    run = trainer(recipe, folder)
    return folder, run, list(run.run())


@pytest.fixture
def folder(whole, tmp_path):
    """A new folder of a run that need not simulate its fields again."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "fields").symlink_to(whole[0] / "fields")
    return out


def curve(folder, name="loss.csv"):
    """Return the rows without the seconds, which no two runs share."""
    lines = (folder / name).read_text().splitlines()
    cut = lines[0].endswith("seconds")
    return [line.rsplit(",", 1)[0] if cut else line for line in lines]


def test_twenty_steps_lower_the_loss(whole):
    rows = whole[2]
    first, last = (np.mean([r["mse"] for r in part]) for part in (rows[:4], rows[-4:]))
    assert last < 0.85 * first


def test_two_runs_are_equal_bit_for_bit(whole, recipe, folder):
    again = trainer(recipe, folder)
    list(again.run())
    assert_equal(whole[1], again)


def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(whole, recipe, folder):
    while True:
        run = trainer(recipe, folder)
        steps = run.run(max_seconds=0)  # one step each time: stopped nineteen times
        if not list(steps):
            break
    assert run.step == 20
    assert run.ended
    assert_equal(whole[1], run)
    assert curve(whole[0]) == curve(folder)
    assert curve(whole[0], "validation.csv") == curve(folder, "validation.csv")
    assert len(curve(folder, "validation.csv")) == 5


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


_SLOW = """
import sys
from pathlib import Path
from bgrem_core.train.bench import trainer
from bgrem_core.train.recipe import Recipe
run = trainer(Recipe.read(Path(sys.argv[1])), Path(sys.argv[2]))
print("ready", flush=True)
for row in run.run():
    pass
print("done", flush=True)
"""


def test_a_run_killed_at_any_moment_goes_on_with_the_same_bits(whole, recipe, folder):
    loop = dataclasses.replace(recipe.loop, checkpoint=1)  # mostly writing
    often = dataclasses.replace(recipe, loop=loop)
    path = folder / "r.json"
    path.write_text(json.dumps(often.as_dict()))
    rng = np.random.default_rng(3)
    killed = 0
    for _ in range(40):
        with subprocess.Popen(
            [sys.executable, "-c", _SLOW, str(path), str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
        ) as child:
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0, 0.4))
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read()
        if "done" in rest:
            break
        killed += 1
        if (folder / checkpoint.STATE).exists():
            checkpoint.read(folder)  # whole, whatever was going on
    run = trainer(often, folder)
    list(run.run())
    assert killed > 0
    assert_equal(whole[1], run)
    assert curve(whole[0]) == curve(folder)


def test_rows_that_no_checkpoint_holds_are_dropped(whole, recipe, folder):
    run = trainer(recipe, folder)
    next(run.run(max_seconds=0))
    with (folder / "loss.csv").open("a") as file:
        file.write("2,0,0,0,0,0\n3,0.")  # written, then killed in the middle of a row
    list(trainer(recipe, folder).run())
    steps = [r.split(",")[0] for r in curve(folder)[1:]]
    assert steps == [str(k) for k in range(1, 21)]


def test_one_process_per_folder(recipe, folder):
    run = trainer(recipe, folder)
    with lock(folder), pytest.raises(UsageError, match="another process trains"):
        list(run.run())
    assert len(list(run.run(max_seconds=0))) == 1


def test_another_recipe_is_not_resumed(whole, recipe):
    other = dataclasses.replace(recipe, seed=5)
    with pytest.raises(UsageError, match="belongs to another recipe"):
        trainer(other, whole[0])


def test_a_checkpoint_of_another_recipe_is_refused(whole, recipe, folder):
    other = dataclasses.replace(recipe, seed=5)
    trainer(other, folder)  # claims the folder
    (folder / checkpoint.STATE).write_bytes((whole[0] / checkpoint.STATE).read_bytes())
    with pytest.raises(UsageError, match=r"state.* belongs to another recipe"):
        trainer(other, folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_checkpoint_is_named_and_left_alone(whole, recipe, folder, damage):
    data = (whole[0] / checkpoint.STATE).read_bytes()
    bad = {
        "cut": data[:-100],
        "flipped": data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:],
        "empty": b"",
        "text": b"hello" * 99,
    }[damage]
    (folder / checkpoint.STATE).write_bytes(bad)
    with pytest.raises(ReadError, match=r"state\.safetensors cannot be used") as caught:
        trainer(recipe, folder)
    assert "move it away" in caught.value.hint
    assert (folder / checkpoint.STATE).read_bytes() == bad


_FULL = """
import resource, sys
from pathlib import Path
from bgrem_core.train import __main__ as command
state = Path(sys.argv[2]) / "state.safetensors"
command.main(["optical", "--recipe", sys.argv[1], "--out", sys.argv[2],
              "--max-seconds", "0.01"])
before = state.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
code = command.main(["optical", "--recipe", sys.argv[1], "--out", sys.argv[2]])
print("code", code, "kept", state.read_bytes() == before)
print(sorted(p.name for p in state.parent.iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX")
def test_no_room_leaves_the_last_checkpoint(recipe, folder):
    path = folder / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(path), str(folder)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert "code 5 kept True" in done.stdout, done.stderr
    assert "cannot be written" in done.stderr
    assert "run the same command again" in done.stderr
    assert "state.new" not in done.stdout


_FULL_AT_ONCE = """
import resource, sys
from pathlib import Path
from bgrem_core.train import __main__ as command
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
code = command.main(["optical", "--recipe", sys.argv[1], "--out", sys.argv[2]])
print("code", code, sorted(p.name for p in (Path(sys.argv[2]) / "fields").iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX")
def test_no_room_for_simulated_data_leaves_none_of_them(recipe, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    done = subprocess.run(
        [sys.executable, "-c", _FULL_AT_ONCE, str(path), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert "code 5 []" in done.stdout, done.stderr
    assert "simulated data" in done.stderr
    assert "make room" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        trainer(recipe, tmp_path / "file" / "run")


def test_a_loss_that_is_not_finite_ends_the_run(recipe, folder):
    run = trainer(recipe, folder)
    next(run.run(max_seconds=0))
    before = (folder / checkpoint.STATE).read_bytes()
    with torch.no_grad():
        run.params[0].fill_(float("nan"))
    with pytest.raises(ModelError, match="step 2 is not a finite number"):
        list(run.run())
    assert (folder / checkpoint.STATE).read_bytes() == before


def test_an_interrupt_says_how_to_go_on(recipe, folder, monkeypatch, capsys):
    path = folder / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    monkeypatch.setattr(Feed, "__call__", interrupt)
    arguments = ["optical", "--recipe", str(path), "--out", str(folder)]
    assert command.main(arguments) == 130
    assert "run the same command again" in capsys.readouterr().err


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interrupt_says_which_checkpoint_is_there(
    recipe, folder, monkeypatch, capsys
):
    path = folder / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    arguments = ["optical", "--recipe", str(path), "--out", str(folder)]
    draw = Feed.__call__

    def third(feed, step):
        return interrupt() if step == 3 else draw(feed, step)

    monkeypatch.setattr(Feed, "__call__", third)
    assert command.main(arguments) == 130
    said = capsys.readouterr().err
    assert "interrupted after step 3; there is no checkpoint yet" in said
    assert command.main([*arguments, "--max-seconds", "1e-9"]) == 0
    assert command.main(arguments) == 130
    said = capsys.readouterr().err
    assert "interrupted after step 3; the last checkpoint is of step 1" in said


def test_an_interrupted_checkpoint_leaves_nothing_behind(recipe, folder, monkeypatch):
    run = trainer(recipe, folder)
    next(run.run(max_seconds=0))
    before = (folder / checkpoint.STATE).read_bytes()
    monkeypatch.setattr(checkpoint.slim.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(trainer(recipe, folder).run(max_seconds=0))
    assert not list(folder.glob("*.new"))
    assert (folder / checkpoint.STATE).read_bytes() == before


_WITH_WORKERS = """
import signal, sys
# Who runs the tests in the background may have switched Ctrl-C off.
signal.signal(signal.SIGINT, signal.default_int_handler)
from bgrem_core.train import __main__ as command
if __name__ == "__main__":
    sys.exit(command.main(["optical", "--recipe", sys.argv[1], "--out", sys.argv[2],
                           "--workers", "2"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals to groups are POSIX")
def test_an_interrupt_with_workers_is_one_line(recipe, folder):
    loop = dataclasses.replace(recipe.loop, steps=10**6)
    path, script = folder / "r.json", folder / "s.py"
    path.write_text(json.dumps(dataclasses.replace(recipe, loop=loop).as_dict()))
    script.write_text(_WITH_WORKERS)
    with subprocess.Popen(
        [sys.executable, str(script), str(path), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C goes to the whole group
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    ) as child:
        assert child.stdout.readline().startswith("step     1 ")
        os.killpg(child.pid, signal.SIGINT)
        try:
            _, said = child.communicate(timeout=120)
        finally:
            child.kill()
    assert child.returncode == 130
    assert re.fullmatch(r"interrupted after step .*\n", said)


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


def test_draws_depend_on_seed_and_step_alone(recipe, whole):
    feed = Feed(recipe, whole[0])
    a, b, c, d = feed(4), feed(4), feed(5), feed.held_out(4)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    assert not np.array_equal(a["z"], c["z"])
    assert not np.array_equal(a["z"], d["z"])


def test_noise_of_a_crop_has_the_stated_spread_and_no_mean(recipe, whole):
    feed = Feed(recipe, whole[0])
    data = [feed(k) for k in range(60)]
    unit = np.concatenate([d["noise"] / d["spread"] for d in data])
    assert abs(unit.mean()) < 0.01
    assert unit.std() == pytest.approx(1, abs=0.04)
    level = np.concatenate([d["level"] for d in data])
    assert (level == 1).mean() == pytest.approx(0.6, abs=0.1)
    assert level.min() >= 0.198
    told = np.concatenate([d["condition"] for d in data])
    assert told[:, 2].mean() == pytest.approx(0.6, abs=0.1)
    assert (told[told[:, 2] == 0][:, 1] == 0).all()


def test_the_joint_objective_predicts_the_sky_too(recipe, whole):
    joint = dataclasses.replace(
        recipe, data=dataclasses.replace(recipe.data, objective="joint", loss="mae")
    )
    alone, both = Feed(recipe, whole[0])(3), Feed(joint, whole[0])(3)
    full = alone["level"] == 1
    # The same image, told apart elsewhere.
    np.testing.assert_allclose(both["z"][full], alone["z"][full], atol=1e-4)
    sky = both["noise"] - alone["noise"]
    assert 0.3 < np.abs(sky.mean(axis=(1, 2, 3))).max() < 8
    rough = np.abs(np.diff(sky, n=2, axis=-1)).max()
    assert rough < 0.01  # nothing but a plane and a bowl


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


BAD_RECIPES = {
    "unknown field": (lambda r: {**r, "colour": 1}, "unknown field 'colour'"),
    "missing field": (
        lambda r: {k: v for k, v in r.items() if k != "seed"},
        "lacks the field 'seed'",
    ),
    "unknown nested field": (
        lambda r: {**r, "data": {**r["data"], "crops": {"blur": 1}}},
        r"recipe\.data\.crops has the unknown field 'blur'",
    ),
    "text for a number": (
        lambda r: {**r, "loop": {**r["loop"], "rate": "fast"}},
        r"recipe\.loop\.rate is 'fast', which is no finite number",
    ),
    "fraction for a whole number": (
        lambda r: {**r, "seed": 1.5},
        r"recipe\.seed is '1\.5', which is no whole number",
    ),
    "truth for a number": (
        lambda r: {**r, "loop": {**r["loop"], "steps": True}},
        "no whole number",
    ),
    "infinite": (
        lambda r: {**r, "loop": {**r["loop"], "clip": float("inf")}},
        "no finite number",
    ),
    "short range": (
        lambda r: {**r, "data": {**r["data"], "scene": {"fwhm": [2.0]}}},
        r"scene\.fwhm has 1 entries, not 2",
    ),
    "number for a range": (
        lambda r: {**r, "data": {**r["data"], "scene": {"fwhm": 2.0}}},
        "is no list",
    ),
    "list for an object": (lambda r: {**r, "data": []}, r"recipe\.data"),
    "no object at all": (lambda r: [1, 2], "not a JSON object"),
    "unknown family": (lambda r: {**r, "family": "radio"}, "family 'radio' is unknown"),
    "unknown precision": (
        lambda r: {**r, "loop": {"steps": 3, "precision": "f8"}},
        "precision='f8'",
    ),
    "no steps": (lambda r: {**r, "loop": {"steps": 0}}, "at least 1"),
    "crops larger than fields": (
        lambda r: {**r, "data": {**r["data"], "field_size": 100}},
        "do not fit",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD_RECIPES))
def test_a_bad_recipe_is_refused(case, tmp_path, capsys):
    change, sentence = BAD_RECIPES[case]
    good = json.loads(shipped("optical", "cpu").read_text())
    with pytest.raises(UsageError, match=sentence):
        Recipe.from_dict(change(good))
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(change(good)))
    out = tmp_path / "run"
    assert command.main(["optical", "--recipe", str(path), "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not out.exists()


ODD_RECIPES = {
    "negative seed": (lambda r: {**r, "seed": -1}, r"recipe\.seed=-1 must not be neg"),
    "a name that is a path": (
        lambda r: {**r, "name": "../x"}, r"recipe\.name='\.\./x' is no plain word",
    ),
    "a name in capitals": (lambda r: {**r, "name": "Mine"}, r"recipe\.name='Mine'"),
    "an empty version": (lambda r: {**r, "version": ""}, r"recipe\.version='' is no"),
    "steps without end": (
        lambda r: {**r, "loop": {"steps": 10**7 + 1}},
        r"recipe\.loop\.steps=10000001 must be at most",
    ),
    "a rate that explodes": (
        lambda r: {**r, "loop": {"steps": 3, "rate": 1.5}},
        r"recipe\.loop\.rate=1\.5 must be at most 1\.",
    ),
    "a number too large for a float": (
        lambda r: {**r, "loop": {"steps": 3, "rate": 10**400}}, "no finite number",
    ),
    "a range that falls": (
        lambda r: inner(r, "scene", fwhm=[8.0, 2.5]),
        r"recipe\.data\.scene\.fwhm=8, 2\.5 is no range",
    ),
    "the logarithm of nothing": (
        lambda r: inner(r, "scene", density=[0.0, 9.0]),
        r"recipe\.data\.scene\.density=0, 9 must be at least",
    ),
    "more sources than can be drawn": (
        lambda r: inner(r, "scene", snr=[0.001, 9.0], slope=[0.6, 3.0]),
        r"recipe\.data\.scene\.density, slope and snr per Mpix: 5e\+14 sources",
    ),
    "a batch that fills the memory": (
        lambda r: inner(r, "crops", batch=10**9),
        r"recipe\.data\.crops\.batch=1000000000 must be at most",
    ),
    "too many fields": (
        lambda r: {**r, "data": {**r["data"], "fields": 10**7}},
        r"recipe\.data\.fields=10000000 must be at most",
    ),
}  # fmt: skip


def inner(recipe, part, **changes):
    """Return the recipe with other fields in a part of its data."""
    data = recipe["data"]
    return {**recipe, "data": {**data, part: {**data[part], **changes}}}


@pytest.mark.parametrize("case", sorted(ODD_RECIPES))
def test_odd_values_are_named_where_they_stand(case):
    change, sentence = ODD_RECIPES[case]
    good = json.loads(shipped("optical", "cpu").read_text())
    with pytest.raises(UsageError, match=sentence):
        Recipe.from_dict(change(good))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sersic": [0.1, 4.5]}, r"scene\.sersic=0\.1, 4\.5 must be at least 0\.3"),
        ({"nebula": 1.5}, r"scene\.nebula=1\.5 must be at most 1"),
        ({"halo": [0.0, 0.05]}, r"scene\.halo=0, 0\.05 must be at least"),
        ({"frame": [2048.0, 1024.0]}, r"scene\.frame=2048, 1024 is no range"),
        ({"streaks": -1.0}, r"scene\.streaks=-1 must not be negative"),
    ],
)
def test_odd_ranges_of_the_full_simulator_are_named(changes, sentence):
    good = json.loads(shipped("optical", "long").read_text())
    with pytest.raises(UsageError, match=r"recipe\.data\." + sentence):
        Recipe.from_dict(inner(good, "scene", **changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"network": "expectation"}, "trains the network fast or attention"),
        ({"config": {"widths": [8, 0]}}, r"config\.widths holds 0"),
        ({"config": {"widths": [True]}}, r"config\.widths holds True"),
        ({"config": {"widths": [8], "depth": 3}}, "does not take this configuration"),
        ({"config": {"widths": [8] * 5}}, "a side of 48 pix is no multiple of 32"),
        ({"config": {"widths": [8], "heads": ["mse"], "head": "mse"}}, "hold 'mae'"),
        ({"config": {"widths": [8], "heads": ["mae", "x"]}}, "others of mae, mse"),
        ({"network": "attention", "config": {"widths": [8, 8]}}, "config.heads"),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_made(
    changes, why, recipe, tmp_path
):
    out = tmp_path / "run"
    with pytest.raises(UsageError, match=f"the recipe cannot be used: .*{why}"):
        trainer(dataclasses.replace(recipe, **changes), out)
    assert not out.exists()


def test_more_threads_than_the_machine_can_use_are_refused(recipe, folder, monkeypatch):
    loop = dataclasses.replace(recipe.loop, threads=9)
    many = dataclasses.replace(recipe, loop=loop)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.raises(UsageError, match=r"threads=9 is too much for 2 cores"):
        trainer(many, folder)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert trainer(many, folder).step == 0


def test_a_model_takes_recipes_of_its_own_family(recipe, tmp_path, capsys):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    arguments = ["--recipe", str(path), "--out", str(tmp_path / "run")]
    assert command.main(["gamma", *arguments]) == 2
    said = capsys.readouterr().err
    assert "a recipe of the family optical, not for gamma" in said
    assert "use bgrem-train optical or optical-paper" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("--max-seconds", "abc", "invalid number of seconds: 'abc'"),
        ("--max-seconds", "-3", "invalid number of seconds: '-3'"),
        ("--workers", "1.5", "invalid number of processes: '1.5'"),
    ],
)
def test_a_flag_that_is_no_number_is_explained(flag, text, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["gamma", f"{flag}={text}"])
    assert said in capsys.readouterr().err


def test_a_folder_without_a_checkpoint_may_be_claimed_anew(recipe, folder):
    trainer(recipe, folder)
    other = dataclasses.replace(recipe, seed=5)
    trainer(other, folder)
    assert Recipe.read(folder / "recipe.json") == other
    (folder / "recipe.json").write_text("{")  # damaged: no matter without checkpoint
    trainer(recipe, folder)
    assert Recipe.read(folder / "recipe.json") == recipe


def test_a_damaged_recipe_of_a_run_is_named(whole, recipe, folder, capsys):
    (folder / checkpoint.STATE).write_bytes((whole[0] / checkpoint.STATE).read_bytes())
    (folder / "recipe.json").write_text("{")
    with pytest.raises(ReadError, match=r"recipe\.json is damaged"):
        trainer(recipe, folder)
    arguments = ["--run", str(folder), "--out", str(folder)]
    assert export.main(arguments) == 3
    assert "recipe.json is damaged" in capsys.readouterr().err
    (folder / "recipe.json").unlink()
    assert export.main(arguments) == 3
    assert "holds no run: recipe.json is missing" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", "_sources.npy"])
def test_damaged_fields_are_named_and_made_anew_once_deleted(
    whole, recipe, tmp_path, suffix
):
    folder = tmp_path / "run"
    shutil.copytree(whole[0] / "fields", folder / "fields")
    whole_field = min((folder / "fields").glob("*_sources.npy"))
    path = whole_field.with_name(whole_field.name.replace("_sources.npy", suffix))
    good = path.read_bytes()
    path.write_bytes(good[:-8])
    with pytest.raises(ReadError, match=f"{path.name} are damaged") as caught:
        trainer(recipe, folder)
    assert "delete that file" in caught.value.hint
    path.unlink()
    trainer(recipe, folder)
    assert path.read_bytes() == good


@pytest.mark.parametrize("name", ["loss.csv", "validation.csv"])
def test_a_curve_that_is_none_is_named(whole, recipe, folder, name):
    run = trainer(recipe, folder)
    next(run.run(max_seconds=0))
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(b"\xff\xfe\x00" * 9)
    for use in (lambda: list(trainer(recipe, folder).run()),
                lambda: export.from_run(folder)):  # fmt: skip
        with pytest.raises(ReadError, match=f"{name} is no curve of a run"):
            use()
    (folder / name).write_text("step,loss\n1,much\n")
    with pytest.raises(ReadError, match=f"{name} is no curve of a run.*'much'"):
        export.from_run(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ReadError, match=f"{name} is no curve of a run"):
        list(trainer(recipe, folder).run())


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


def test_a_missing_recipe_is_named(tmp_path, capsys):
    for name, code in (("tpu", 2), (str(tmp_path / "none.json"), 3)):
        arguments = ["optical", "--recipe", name, "--out", str(tmp_path / "x")]
        assert command.main(arguments) == code
        assert name in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"no recipe '\.\./x'"):
        shipped("optical", "../x")
    with pytest.raises(ReadError, match="cannot be read"):
        Recipe.read(tmp_path)


def test_a_device_that_is_not_there_is_named(recipe, folder):
    with pytest.raises(UsageError, match="device 'tpu' is not available"):
        trainer(recipe, folder, device="tpu")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.json")), ids=lambda p: p.stem)
def test_shipped_recipes_are_whole_and_survive_their_own_json(path):
    from bgrem_core.networks import build

    recipe = Recipe.read(path)
    assert path.stem.split("_")[0] == recipe.name
    again = Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))
    assert again == recipe
    assert again.digest() == recipe.digest()
    # Nothing is left to a default that could change behind the recipe's back.
    assert recipe.as_dict() == json.loads(path.read_text())
    with torch.device("meta"):
        assert build(recipe.network, **recipe.config).pooling
    assert set(recipe.kind().describe(recipe)) == {
        "method", "objective", "normaliser", "trained",
    }  # fmt: skip


def test_every_model_has_a_recipe_for_two_cores_and_for_a_gpu():
    names = {p.stem for p in RECIPES.glob("*.json")}
    usual = {f"{m}_{r}" for m in command.MODELS for r in ("cpu", "gpu")}
    assert names == usual | {"optical_long"}


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


_BARE = """
import sys
for name in ("astropy", "scipy", "sep", "photutils", "safetensors", "PIL", "tqdm",
             "psygnal", "tifffile"):
    sys.modules[name] = None
from bgrem_core.train import __main__ as command, export
code = command.main(["optical", "--recipe", sys.argv[1], "--out", sys.argv[2]])
sys.exit(code or export.main(["--run", sys.argv[2], "--out", sys.argv[2]]))
"""


def test_training_needs_torch_and_numpy_alone(recipe, folder):
    short = dataclasses.replace(recipe.loop, steps=2, warmup=1)
    path = folder / "r.json"
    path.write_text(json.dumps(dataclasses.replace(recipe, loop=short).as_dict()))
    done = subprocess.run(
        [sys.executable, "-c", _BARE, str(path), str(folder)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "done: 2 steps" in done.stdout
    assert (folder / "optical.safetensors").is_file()


def test_the_command_stops_and_goes_on(recipe, folder, capsys):
    path = folder / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    arguments = ["optical", "--recipe", str(path), "--out", str(folder)]
    assert command.main([*arguments, "--max-seconds", "0.01"]) == 0
    assert "stopped after step 1 of 20" in capsys.readouterr().out
    assert command.main(arguments) == 0
    assert "done: 20 steps" in capsys.readouterr().out


def test_the_command_says_that_data_are_made_and_when_a_step_was_done(
    recipe, tmp_path, capsys
):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    arguments = ["optical", "--recipe", str(path), "--out", str(tmp_path / "run")]
    assert command.main([*arguments, "--max-seconds", "1e-9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "making 3 fields ..."
    assert lines[1].startswith("step     1 ")
    assert command.main([*arguments, "--max-seconds", "1e-9"]) == 0
    assert "making" not in capsys.readouterr().out


def test_a_line_comes_at_least_every_twenty_seconds(monkeypatch):
    clock = iter(range(0, 10_000, 6))  # each look at the clock is six seconds later
    monkeypatch.setattr(command.time, "monotonic", lambda: next(clock))

    class Run:
        step, settings = 7, LoopSettings(steps=100)

        def run(self, *, max_seconds):
            for self.step in range(8, 30):
                yield {"step": self.step, "loss": 1.0}

    steps = [int(line.split()[1]) for line in command._lines(Run(), 1.0)]
    assert steps[0] == 8
    assert max(b - a for a, b in pairwise(steps)) == 4  # 24 s: the first step after 20


def test_a_run_that_ends_early_says_so(recipe, folder):
    loop = dataclasses.replace(recipe.loop, epoch=1, patience=1, rate=1.0, warmup=0)
    run = trainer(dataclasses.replace(recipe, loop=loop), folder)
    list(run.run())
    assert run.step < 20
    said = command._end(run, folder)
    assert said.startswith("ended early, of 20 steps: the validation was not better")
    assert f"done: {run.step} steps" in said


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


@pytest.mark.parametrize("name", ["optical", "gamma", "satellites"])
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


def test_the_help_says_where_recipes_lie_and_that_there_is_a_long_one(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    said = "".join(capsys.readouterr().out.split())
    assert str(RECIPES) in said
    assert "opticalhaslongtoo" in said


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
