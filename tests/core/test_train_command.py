"""The command bgrem-train: its flags, its lines and its end."""

import dataclasses
import json
import subprocess
import sys
from itertools import pairwise

import pytest

pytest.importorskip("torch")

from train_runs import SRC

from bgrem_core.train import __main__ as command
from bgrem_core.train.bench import trainer
from bgrem_core.train.recipe import RECIPES
from bgrem_core.train.settings import LoopSettings


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
        encoding="utf-8",
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "done: 2 steps" in done.stdout
    assert (folder / "optical.safetensors").is_file()


def test_the_command_stops_and_goes_on(recipe, folder, capsys):
    path = folder / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    arguments = ["optical", "--recipe", str(path), "--out", str(folder)]
    assert command.main([*arguments, "--max-seconds", "1e-9"]) == 0
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


def test_the_help_says_where_recipes_lie_and_that_there_is_a_long_one(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    said = "".join(capsys.readouterr().out.split())
    assert "".join(str(RECIPES).split()) in said
    assert "allbutthepaper'shavelongtoo" in said
