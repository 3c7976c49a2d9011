"""Killed at any moment of a write: the target is one whole file, old or new."""

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli
from bgrem_core.io import atomic, check_target

KILLS = 200
SHAPE = (300, 400)

# Writes two results over one another, for ever, in a process that is forked for each
# line of orders (with which to begin, how many writes to wait for, and how many seconds
# more), and then stopped: where in a write that falls is chance, in which one is not.
SERVER = """
    import os, signal, sys, time
    from bgrem_core import clean
    from bgrem_core.io import open_image, write

    results = [clean(open_image(f"{n}.fits"), method="mesh") for n in "ab"]
    for name, result in zip("ab", results):
        write(result, f"{name}_out.fits", layers=True)

    def write_for_ever(number, ready):
        while True:
            os.write(ready, b"x")
            write(results[number % 2], "out/out.fits", layers=True, overwrite=True)
            number += 1

    write(results[0], "out/out.fits", layers=True)
    start = time.perf_counter()
    write(results[1], "out/out.fits", layers=True, overwrite=True)
    print(time.perf_counter() - start, flush=True)
    for line in sys.stdin:
        first, finished, seconds = line.split()
        begun, ready = os.pipe()
        child = os.fork()
        if not child:
            write_for_ever(int(first), ready)
        for _ in range(int(finished) + 1):
            os.read(begun, 1)
        time.sleep(float(seconds))
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        os.close(begun)
        os.close(ready)
        print("stopped", child, flush=True)
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""


def unfinished(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".bgrem-"))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    rng = np.random.default_rng(8)
    for name in "ab":
        data = rng.normal(100, 5, SHAPE).astype(np.float32)
        fits.writeto(tmp_path / f"{name}.fits", data)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def server(place):
    """Give a process that has all imported and computed, and forks what is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        yield process
        process.stdin.close()


@pytest.mark.skipif(os.name == "nt", reason="no fork")
def test_two_hundred_kills_leave_one_whole_file_and_what_the_next_run_sweeps(
    place, server
):
    one_write = float(server.stdout.readline())
    target = place / "out" / "out.fits"
    whole = {digest(place / f"{name}_out.fits") for name in "ab"}
    assert len(whole) == 2
    rng = np.random.default_rng(4)
    seen, left, alive = set(), 0, 0
    for number in range(KILLS):
        seconds = rng.uniform(0, one_write)
        server.stdin.write(f"{number % 2} {number // 2 % 2} {seconds}\n")
        said, child = server.stdout.readline().split()
        assert said == "stopped"
        assert digest(target) in whole, number
        before = unfinished(target.parent)
        # Of one that lives nothing is taken, by whoever writes beside it.
        check_target(target.parent / "other.fits")
        assert unfinished(target.parent) == before, number
        assert all(f"-{child}-" in name for name in before), number
        alive += bool(before)
        server.stdin.write("\n")
        assert server.stdout.readline() == "ended -9\n"
        assert digest(target) in whole, number
        seen.add(digest(target))
        left += bool(unfinished(target.parent))
        check_target(target.parent / "other.fits")
        assert not unfinished(target.parent), number
    # The kills did fall into the writes, of both results.
    assert seen == whole
    assert left == alive > KILLS / 10
    assert [p.name for p in target.parent.iterdir()] == ["out.fits"]


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced")
def test_two_writers_without_a_lock_leave_one_whole_file_at_any_time(tmp_path):
    target = tmp_path / "t"
    contents = [bytes([k]) * 300_000 for k in range(2)]
    target.write_bytes(contents[0])
    code = """
        import sys
        from bgrem_core.io.atomic import atomic_write
        print("ready", flush=True)
        sys.stdin.readline()
        data = bytes([int(sys.argv[1])]) * 300_000
        for _ in range(100):
            with atomic_write("t", overwrite=True) as file:
                for at in range(0, len(data), 50_000):
                    file.write(data[at : at + 50_000])
    """
    pipe = subprocess.PIPE
    writers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(k)],
                         cwd=tmp_path, stdin=pipe, stdout=pipe, text=True)
        for k in range(2)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    while any(writer.poll() is None for writer in writers):
        assert target.read_bytes() in contents
    assert [writer.wait() for writer in writers] == [0, 0]
    for writer in writers:
        writer.communicate()
    assert target.read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed")
@pytest.mark.parametrize("point", ["_create", "_publish"])
@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_folder_that_vanishes_meanwhile_is_told(
    place, toy_method, monkeypatch, capsys, point, how
):
    out, moved = place / "out", place / "moved"
    (out / "BGRem_a.fits").write_bytes(b"old")
    real = getattr(atomic, point)

    def vanish(*arguments, **options):
        if how == "removed":
            shutil.rmtree(out)
        else:
            out.rename(moved)
        if how == "replaced":
            out.write_bytes(b"a file of this name")
        return real(*arguments, **options)

    monkeypatch.setattr(atomic, point, vanish)
    words = ["-f", "a.fits", "--method", "toy", "-o", "out", "--overwrite"]
    assert cli.main(words) == 5
    said = capsys.readouterr().err
    assert "BGRem_a.fits cannot be written (" in said
    assert "Traceback" not in said
    if how != "removed":
        assert (moved / "BGRem_a.fits").read_bytes() == b"old"
        # Whatever was under way there is swept by the next run.
        check_target(moved / "next.fits")
        assert [p.name for p in moved.iterdir()] == ["BGRem_a.fits"]
    assert out.exists() == (how == "replaced")
