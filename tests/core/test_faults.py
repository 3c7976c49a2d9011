"""Faults in a run: whatever ends it, a target holds one whole file, old or new."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli
from bgrem_core.io import atomic

SHAPE = (32, 40)
RESULTS = ("BGRem_a.fits", "BGRem_a.csv")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Give a working folder in which equal runs give equal bytes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    return tmp_path


def frames(folder, names):
    rng = np.random.default_rng(8)
    for name in names:
        data = rng.normal(100, 5, SHAPE).astype(np.float32)
        fits.writeto(folder / f"{name}.fits", data)
    return [f"{name}.fits" for name in names]


def unfinished(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".bgrem-"))


def contents(folder):
    return {n: (folder / n).read_bytes() for n in RESULTS if (folder / n).exists()}


def python(code, *words, **options):
    run = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.run(run, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "header"])
def test_a_corrupt_file_among_a_hundred_stops_no_other(place, toy_method, damage):
    data = np.ones(SHAPE, np.float32)
    fits.writeto(place / "000.fits", data)
    whole = (place / "000.fits").read_bytes()
    for k in range(1, 100):
        (place / f"{k:03d}.fits").write_bytes(whole)
    bad = {
        "cut": whole[:4000],
        "noise": np.random.default_rng(2).bytes(8640),
        "empty": b"",
        "header": whole.replace(b"-32 /", b"-31 /", 1),
    }[damage]
    assert bad != whole
    (place / "050.fits").write_bytes(bad)
    words = ["-f", ".", "--method", "toy", "-o", "out", "--report", "r.json", "--quiet"]
    assert cli.main(words) == 1
    report = json.loads((place / "r.json").read_text())
    assert report["counts"] == {"ok": 99, "skipped": 0, "failed": 1, "waiting": 0}
    (failed,) = (f for f in report["files"] if f["status"] == "failed")
    assert failed["file"] == "050.fits"
    assert failed["code"] in {3, 4}
    assert failed["why"]
    assert len(list((place / "out").iterdir())) == 99


class TestFullDisk:
    def test_room_for_some_is_used_and_the_others_are_told(
        self, place, toy_method, monkeypatch, capsys
    ):
        create, files = atomic._create, []

        class Full:
            """A file of which the last byte finds no room."""

            def __init__(self, file):
                self.file = file

            def __getattr__(self, name):
                return getattr(self.file, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self.file.close()

            def flush(self):
                raise OSError(28, "No space left on device")

        def limited(path):
            files.append(path)
            return Full(create(path)) if len(files) == 2 else create(path)

        monkeypatch.setattr(atomic, "_create", limited)
        assert cli.main(["-f", *frames(place, "abc"), "--method", "toy"]) == 1
        said = capsys.readouterr()
        assert "b.fits: BGRem_b.fits cannot be written (No space left" in said.err
        assert "make room, or name a folder on another disk with -o" in said.err
        assert "3 files: 2 done, 1 failed" in said.out
        assert not (place / "BGRem_b.fits").exists()
        assert not unfinished(place)

    @pytest.mark.skipif(os.name == "nt", reason="no such limit")
    def test_a_limit_of_the_system_leaves_the_old_file_and_the_report(self, place):
        # The system refuses to let any file grow beyond this, in mid-write.
        words = ["--method", "mesh", "-f", *frames(place, "ab"), "--overwrite"]
        (place / "BGRem_a.fits").write_bytes(b"old")
        code = """
            import resource, sys
            from bgrem_core import cli
            resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
            sys.exit(cli.main(sys.argv[1:]))
        """
        done = python(code, *words, "--report", "r.json")
        assert done.returncode == 1, done.stderr
        assert "BGRem_a.fits cannot be written (File too large)" in done.stderr
        report = json.loads((place / "r.json").read_text())
        assert (report["state"], report["counts"]["failed"]) == ("finished", 2)
        assert (place / "BGRem_a.fits").read_bytes() == b"old"
        assert not (place / "BGRem_b.fits").exists()
        assert not unfinished(place)

    def test_a_disk_that_is_really_full(self, place):
        """A small file system of its own, where the system grants one to anybody."""
        unshare = shutil.which("unshare")
        (place / "disk").mkdir()
        trial = [unshare or "false", "-rm", "mount", "-t", "tmpfs", "none", "disk"]
        if subprocess.run(trial, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        code = """
            import importlib, os, sys
            from bgrem_core import cli
            # The system alone shall say that there is no room.
            write = importlib.import_module("bgrem_core.io.write")
            write._check_room = lambda folder, size: None
            code = cli.main(sys.argv[1:])
            print(*sorted(os.listdir("disk")))
            from astropy.io import fits
            for name in os.listdir("disk"):
                with fits.open(f"disk/{name}", checksum=True) as hdus:
                    assert hdus[0].data.shape == (32, 40)
            sys.exit(code)
        """
        words = ["--method", "mesh", "--quiet", "-f", *frames(place, "abcdefg")]
        script = 'mount -t tmpfs -o size=48k none disk && exec "$@"'
        run = [unshare, "-rm", "sh", "-c", script, "sh", sys.executable, "-W", "error"]
        done = subprocess.run(
            [*run, "-c", textwrap.dedent(code), *words, "-o", "disk"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        written = done.stdout.split()
        assert 0 < len(written) < 7
        assert all(name.startswith("BGRem_") for name in written)
        told = "(No space left on device). make room"
        assert done.stderr.count(told) == 7 - len(written)


@pytest.mark.skipif(os.name == "nt", reason="no flock")
def test_of_two_runs_at_a_time_each_file_is_done_by_one(place):
    names = frames(place, "abcdefgh")
    code = """
        import sys
        from bgrem_core import batch, cli, ledger, report
        from bgrem_core.methods import METHODS
        print("ready", flush=True)
        sys.stdin.readline()
        sys.exit(cli.main(sys.argv[1:]))
    """
    words = ["--method", "mesh", "--quiet", "--catalog", ".csv", "-f", *names]
    pipe = subprocess.PIPE
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *words, "--report", f"{k}"],
            stdin=pipe, stdout=pipe, stderr=pipe, text=True,
        )
        for k in range(2)
    ]  # fmt: skip
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    codes = [(run.communicate(), run.returncode)[1] for run in runs]
    assert set(codes) <= {0, 1}
    tables = [json.loads((place / f"{k}").read_text())["files"] for k in range(2)]
    for one, other in zip(*tables, strict=True):
        assert sorted([one["status"], other["status"]]) in (
            ["ok", "skipped"],
            ["failed", "ok"],
        )
        for told in (one, other):
            if told["status"] == "failed":
                assert "is being written by process" in told["why"]
    assert len(list(place.glob("BGRem_*"))) == 16
    assert not unfinished(place)
    # The second run of either finds all of it finished.
    assert cli.main([*words, "--quiet"]) == 0


DRIVER = """
    import importlib, json, os, signal, sys
    from bgrem_core import cli

    def stop():
        print("here", os.getpid(), flush=True)
        signal.pause()

    def main(point, when, words):
        module, _, name = point.rpartition(".")
        owner = importlib.import_module(module)
        real = getattr(owner, name)

        def wrapped(*arguments, **options):
            if when == "before":
                stop()
            given = real(*arguments, **options)
            if when == "after":
                stop()
            return given

        setattr(owner, name, wrapped)
        return cli.main(words)

    cli.main(json.loads(sys.argv[1]))
    print("warm", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(main(*json.loads(line)))
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""

#: Where a run is stopped: a function, and whether before or after it.
POINTS = [
    ("bgrem_core.batch.plan", "before"),
    ("bgrem_core.batch.hold", "before"),
    ("bgrem_core.batch.fingerprint", "after"),
    ("bgrem_core.batch._open", "after"),
    ("bgrem_core.batch._search", "before"),
    ("bgrem_core.batch.write", "before"),
    ("bgrem_core.io.hdu.encode", "before"),
    ("os.fsync", "before"),
    ("bgrem_core.io.atomic._publish", "before"),
    ("bgrem_core.io.atomic._publish", "after"),
    ("bgrem_core.batch.write", "after"),
    ("bgrem_core.report.Reporter", "after"),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Give a process that has all imported and forks a run for each line."""
    folder = tmp_path_factory.mktemp("driver")
    frames(folder, "w")
    warm = ["--method", "mesh", "--quiet", "-f", "w.fits", "--catalog", ".csv"]
    code = textwrap.dedent(DRIVER)
    with subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(warm)],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdout.readline() == "warm\n"
        yield process
        process.stdin.close()


def stopped(driver, point, when, words, number):
    """Run the command, stop it at a point with a signal; gives its exit code."""
    driver.stdin.write(json.dumps([point, when, words]) + "\n")
    said = driver.stdout.readline().split()
    assert said[0] == "here", said
    os.kill(int(said[1]), number)
    said = driver.stdout.readline().split()
    assert said[0] == "ended", said
    return int(said[1])


@pytest.mark.skipif(os.name == "nt", reason="no fork")
@pytest.mark.parametrize("old", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_anywhere_leaves_whole_files(place, driver, number, old):
    frames(place, "a")
    words = ["--method", "mesh", "--quiet", "--catalog", ".csv", "-f"]
    assert cli.main([*words, "a.fits"]) == 0
    new = contents(place)
    assert sorted(new) == sorted(RESULTS)
    before = dict.fromkeys(RESULTS, b"old") if old else {}
    for point, when in POINTS:
        for name in RESULTS:
            (place / name).unlink(missing_ok=True)
            if old:
                (place / name).write_bytes(b"old")
        flags = ["--overwrite"] if old else []
        absolute = [*words, str(place / "a.fits"), *flags]
        code = stopped(driver, point, when, absolute, number)
        assert code == (130 if number == signal.SIGINT else -signal.SIGKILL), point
        now = contents(place)
        assert set(before) <= set(now), point
        assert all(now[n] in {new[n], before.get(n)} for n in now), point
        if number == signal.SIGINT:
            assert not unfinished(place), point
        # What is unfinished is swept, and what was there already is not in the way.
        assert cli.main([*words, "a.fits", *flags]) == 0, point
        assert contents(place) == new, point
        assert not unfinished(place), point


class Stop:
    """Raises KeyboardInterrupt before the n-th line of the modules that write."""

    MODULES = ("atomic", "lock", "batch", "cli", "ledger", "write", "finished")

    def __init__(self, at):
        self.at, self.count = at, 0
        self.files = tuple(f"/{name}.py" for name in self.MODULES)

    def __call__(self, frame, event, argument):
        name = frame.f_code.co_filename
        return self.line if "bgrem_core" in name and name.endswith(self.files) else None

    def line(self, frame, event, argument):
        if event == "line":
            self.count += 1
            if self.count == self.at:
                raise KeyboardInterrupt
        return self.line


def interrupted(words, at):
    """Run the command with Ctrl-C at a line; gives how many lines ran."""
    stop, tracer = Stop(at), sys.gettrace()
    sys.settrace(stop)
    try:
        cli.main(words)
    # While it was said that the run is cancelled.
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(tracer)
    return stop.count


@pytest.fixture
def frozen():
    """Keep what is in memory already out of the collections, which are then quick."""
    gc.freeze()
    yield
    gc.unfreeze()


# What was interrupted before it could be closed is closed by the end of the process.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_line_leaves_whole_files(place, toy_method, frozen):
    frames(place, "a")
    words = ["--method", "toy", "--quiet", "--catalog", ".csv", "--report", "r.json"]
    words += ["-f", "a.fits"]
    lines = interrupted(words, at=0)
    new = contents(place)
    assert sorted(new) == sorted(RESULTS)
    # A stride of 1 tries every line, in some minutes.
    stride = max(lines // 50, 1)
    for at in range(1, lines + 1, stride):
        for name in RESULTS:
            (place / name).unlink(missing_ok=True)
        interrupted(words, at)
        now = contents(place)
        assert all(now[name] == new[name] for name in now), at
        json.loads(Path("r.json").read_text())
        # The process would have ended, and another begun.
        atomic._OURS.clear()
        gc.collect()
        assert cli.main(words) == 0, at
        assert contents(place) == new, at
        assert not unfinished(place), at
