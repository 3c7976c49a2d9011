"""The command with workers: the files of one process, and clear words when it fails."""

import json
import os
import re
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from astropy.io import fits
from clusters import same, scheduler_and_worker, small_field

from bgrem_core import cli
from bgrem_core.cli import main

pytest.importorskip("distributed", reason="the extra 'distributed' is missing")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

DATE = {"SOURCE_DATE_EPOCH": "1700000000"}
NETWORK = ["--tile", "208", "--threads", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _fixed_date(monkeypatch):
    for name, value in DATE.items():
        monkeypatch.setenv(name, value)


def set_date():
    os.environ.update(DATE)


@pytest.fixture
def shared(two_workers, monkeypatch):
    """Spare the start of new workers."""
    from bgrem_core.engine import command

    two_workers.wait_for_workers(2, timeout=300)
    two_workers.run(set_date)
    asked = {}

    @contextmanager
    def connect(**options):
        asked.update(options)
        yield two_workers

    monkeypatch.setattr(command, "connect", connect)
    return asked


@pytest.fixture
def frames(tmp_path):
    names = []
    for k in range(3):
        names.append(tmp_path / f"f{k}.fits")
        fits.writeto(names[-1], small_field() + k)
    return [str(name) for name in names]


def written(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_several_files_come_out_as_from_one_process(frames, shared, tmp_path, capsys):
    files = ["-f", *frames, str(tmp_path / "missing.fits"), "--method", "mesh"]
    options = ["--layers", "--catalog", ".ecsv", "--json"]
    alone, many = tmp_path / "alone", tmp_path / "many"
    assert main([*files, *options, "-o", str(alone)]) == 1
    expected = capsys.readouterr().out.splitlines()
    assert main([*files, *options, "-o", str(many), "--workers", "2"]) == 1
    got = capsys.readouterr()
    assert "missing.fits" in got.err
    assert written(many) == written(alone)
    assert len(written(many)) == 6
    assert shared == {"scheduler": None, "workers": 2}

    def facts(lines):
        told = [json.loads(line) for line in lines]
        return {one["file"]: (one["status"], one.get("planes")) for one in told}

    assert facts(got.out.splitlines()) == facts(expected)


def die_of_one(number, plan, *rest):
    if plan.source.name == "f1.fits":
        os.kill(os.getpid(), signal.SIGKILL)
    cli._one(number, plan, *rest)


def test_a_file_that_kills_its_workers_stops_no_other(
    frames, two_workers, shared, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(two_workers.cluster.scheduler, "allowed_failures", 0)
    out = tmp_path / "out"
    words = ["-f", *frames, "--method", "mesh", "-o", str(out), "--workers", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(cli, "_one", die_of_one)
        assert main(words) == 1
    said = capsys.readouterr()
    assert "f1.fits: workers died of this file" in said.err
    assert "3 files: 2 done, 1 failed" in said.out
    assert {path.name for path in out.glob("BGRem_*")} == {
        "BGRem_f0.fits",
        "BGRem_f2.fits",
    }
    assert main(words) == 0
    assert not list(out.glob(".bgrem-*"))


def test_the_tiles_of_one_file_come_out_as_from_one_process(frames, tmp_path, capsys):
    alone, many = tmp_path / "alone", tmp_path / "many"
    one = ["-f", frames[0], *NETWORK, "--layers", "--catalog", ".ecsv"]
    assert main([*one, "-o", str(alone)]) == 0
    assert main([*one, "-o", str(many), "--workers", "2"]) == 0
    assert "wrote" in capsys.readouterr().out
    assert written(many) == written(alone)


def lose_device():
    """Give a worker an accelerator that is lost at the first tile."""
    from bgrem_core import models
    from bgrem_core.engine.models import _models

    _models.clear()
    models.kept = models.choose_device, models.Model._forward

    def lost(self, *asked):
        if self.device != "cpu":
            raise RuntimeError("CUDA error: unspecified launch failure")
        return models.kept[1](self, *asked)

    models.choose_device = lambda _: "cpu:0"
    models.Model._forward = lost


def find_device():
    """Take back what `lose_device` did."""
    from bgrem_core import models
    from bgrem_core.engine.models import _models

    _models.clear()
    models.choose_device, models.Model._forward = models.kept


def test_a_device_that_a_worker_loses_is_told_once(
    frames, shared, two_workers, tmp_path, capsys
):
    alone, elsewhere = tmp_path / "alone", tmp_path / "elsewhere"
    call = ["-f", frames[0], "--tile", "208", "--threads", "1", "--device"]
    assert main([*call, "cpu", "-o", str(alone)]) == 0
    two_workers.run(lose_device)
    try:
        assert main([*call, "auto", "-o", str(elsewhere), "--workers", "2"]) == 0
    finally:
        two_workers.run(find_device)
    said = capsys.readouterr().out
    assert said.count("cpu:0 failed (CUDA error: unspecified launch failure)") == 1
    one, other = (fits.getdata(next(f.iterdir())) for f in (alone, elsewhere))
    np.testing.assert_array_equal(one, other)


def test_results_that_exist_are_not_replaced(frames, shared, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "BGRem_f0.fits").write_bytes(b"mine")
    arguments = ["-f", *frames[:2], "--method", "mesh", "-o", str(out)]
    assert main([*arguments, "--workers", "1"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert (out / "BGRem_f0.fits").read_bytes() == b"mine"
    assert (out / "BGRem_f1.fits").exists()


def test_workers_and_a_scheduler_exclude_each_other(frames, capsys):
    arguments = ["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"]
    assert main(["-f", frames[0], *arguments]) == 2
    assert "leave one of them out" in capsys.readouterr().err


@pytest.fixture
def scheduler(tmp_path):
    """The address of a scheduler with a worker, and its process."""
    with scheduler_and_worker(tmp_path) as (address, head, _):
        yield address, head


def test_a_scheduler_that_is_gone_is_told_and_what_is_done_is_kept(
    frames, scheduler, tmp_path, capsys, monkeypatch
):
    from bgrem_core.engine import frame
    from bgrem_core.engine.cluster import each

    address, head = scheduler

    def killing(client, work, calls):
        for k, value in enumerate(each(client, work, calls)):
            if k == 1:
                head.send_signal(signal.SIGKILL)
            yield value

    arguments = ["-f", frames[0], *NETWORK, "-o", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(frame, "each", killing)
        code = main([*arguments, "--scheduler", address])
    said = capsys.readouterr().err
    assert code == 1
    assert "the scheduler does not answer any more" in said
    kept = int(re.search(r"(\d+) of 9 tiles are done and kept", said)[1])
    assert kept >= 2
    assert not (tmp_path / "BGRem_f0.fits").exists()
    assert list(tmp_path.glob(".bgrem-*.tiles"))

    done = []

    def counting(client, work, calls):
        done.extend(calls)
        return each(client, work, calls)

    monkeypatch.setattr(frame, "each", counting)
    assert main([*arguments, "--workers", "1"]) == 0
    assert len(done) <= 9 - kept
    assert not list(tmp_path.glob(".bgrem-*"))
    assert main([*arguments, "-p", "alone_"]) == 0
    alone, again = tmp_path / "alone_f0.fits", tmp_path / "BGRem_f0.fits"
    assert same(fits.getdata(alone), fits.getdata(again))
