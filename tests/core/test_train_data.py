"""What the loop is fed: crops of simulated fields, and the fields on disk."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from train_runs import SRC

from bgrem_core.errors import ReadError
from bgrem_core.train.bench import trainer
from bgrem_core.train.feed import Feed


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
