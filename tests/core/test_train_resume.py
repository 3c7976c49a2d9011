"""Runs that are stopped, killed or damaged, and how they go on."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("torch")

from train_runs import SRC, assert_equal, curve

from bgrem_core.errors import ReadError, UsageError, WriteError
from bgrem_core.train import __main__ as command
from bgrem_core.train import checkpoint, export
from bgrem_core.train.bench import trainer
from bgrem_core.train.feed import Feed
from bgrem_core.train.recipe import Recipe


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


def test_a_folder_that_cannot_be_written_is_named(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        trainer(recipe, tmp_path / "file" / "run")


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
