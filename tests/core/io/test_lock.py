"""One target, several processes: one writes, the other says so, no lock stays."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from bgrem_core.errors import WriteError
from bgrem_core.io import atomic, hold, lock

needs_locks = pytest.mark.skipif(os.name == "nt", reason="no flock, no SIGKILL")

HOLDER = """
    import signal, sys
    from bgrem_core.io import hold
    with hold(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the target until it is told to go on."""
    run = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path / "out.fits")]
    pipe = subprocess.PIPE
    with subprocess.Popen(run, stdout=pipe, stdin=pipe) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def left(folder):
    return sorted(p.name for p in folder.iterdir())


@needs_locks
def test_the_second_of_two_processes_is_told_who_writes(holder, tmp_path):
    target = tmp_path / "out.fits"
    told = rf"out\.fits is being written by process {holder.pid} on .*wait for it"
    with pytest.raises(WriteError, match=told), hold(target):
        pass
    with hold(tmp_path / "another.fits"):
        pass
    holder.communicate(b"\n")
    assert left(tmp_path) == []
    with hold(target):
        pass


@needs_locks
def test_the_lock_of_a_killed_process_holds_nobody_up_and_is_swept(holder, tmp_path):
    target = tmp_path / "out.fits"
    atomic.sweep(tmp_path)
    # That of a living process stays.
    assert left(tmp_path) == [lock.lock_path(target).name]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert left(tmp_path) == [lock.lock_path(target).name]
    with hold(target):
        assert left(tmp_path) == [lock.lock_path(target).name]
    assert left(tmp_path) == []
    lock.lock_path(target).write_text("process 1 on a machine that is off")
    atomic.sweep(tmp_path)
    assert left(tmp_path) == []


@needs_locks
def test_a_process_does_not_write_one_file_twice_at_a_time(tmp_path):
    with hold(tmp_path / "a.fits"):
        again = pytest.raises(WriteError, match="is being written by process")
        with again, hold(tmp_path / "a.fits"):
            pass
    assert left(tmp_path) == []


def test_a_long_name_has_a_lock_and_a_missing_folder_none(tmp_path):
    with hold(tmp_path / ("n" * 250 + ".fits")), hold(tmp_path / "no" / "a.fits"):
        pass
    assert left(tmp_path) == []


def test_without_locks_nothing_is_locked_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_lock", lambda file: False)
    with hold(tmp_path / "a.fits"), hold(tmp_path / "a.fits"):
        assert left(tmp_path) == []


@needs_locks
def test_what_a_dead_process_of_our_own_number_left_is_swept(tmp_path):
    # In a container every run may have the number 1.
    (tmp_path / f".bgrem-{os.getpid()}-0123456789ab.tmp").write_bytes(b"half")
    with atomic.atomic_write(tmp_path / "a.txt") as file:
        atomic.sweep(tmp_path)
        file.write(b"ours")
    assert left(tmp_path) == ["a.txt"]
