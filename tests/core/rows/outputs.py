"""Rows 39 to 46: where results go, what the machine does meanwhile, what is no file."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import pytest

from bgrem_core import clean, cli, write
from bgrem_core.errors import WriteError
from bgrem_core.io import hold
from rows.build import cleaned, is_finite, plain
from rows.kinds import COMMAND, PYTHON, Case, Row

#: Sessions write nothing: their views call what Python calls.
WRITERS = (COMMAND, PYTHON)
OUT = "BGRem_in.fits"
OVERWRITE = {"output": {"overwrite": True}}
COMMAND_LINE = ["-f", "in.fits", "--method", "mesh", "--overwrite"]


def existing(folder):
    plain(folder)
    (folder / OUT).write_bytes(b"precious")


def linked(link):
    def build(folder):
        plain(folder)
        link(folder / "in.fits", folder / OUT)

    return build


def refused(name, words, **changes):
    return Case(name=name, build=existing, code=5, words=words, ways=WRITERS, **changes)


def prefix(name, text, words, hint):
    return Case(name=name, build=plain, code=2, words=words, hint=hint, ways=WRITERS,
                output={"prefix": text})  # fmt: skip


def sealed(folder):
    plain(folder)
    (folder / "sealed").mkdir()


def no_rights(monkeypatch, folder):
    """Rights do not bind a superuser, who runs many a test."""
    real = os.open

    def refuse(path, flags, *rest, **more):
        if Path(path).parent.name == "sealed" and flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest, **more)

    def never(*_arguments, **_options):
        raise AssertionError("something was computed")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr("bgrem_core.batch.open_image", never)


def full(monkeypatch, folder):
    def sync(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", sync)


def almost_full(monkeypatch, folder):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))


KILLED = """
    import os, signal, sys
    from bgrem_core import cli
    os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(cli.main(sys.argv[1:]))
"""


def killed(way, folder, monkeypatch, capsys):
    if os.name == "nt":
        pytest.skip("no SIGKILL")
    run = [sys.executable, "-c", textwrap.dedent(KILLED), *COMMAND_LINE]
    done = subprocess.run(run, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert Path(OUT).read_bytes() == b"precious"
    # The unfinished file and the lock, which nobody holds any more.
    left = sorted(p.suffix for p in folder.glob(".bgrem-*"))
    assert left == [".lock", ".tmp"]
    assert cli.main(COMMAND_LINE) == 0
    assert not list(folder.glob(".bgrem-*"))
    cleaned(folder / OUT)


def interrupted(way, folder, monkeypatch, capsys):
    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    if way == COMMAND:
        assert cli.main(COMMAND_LINE) == 130
        said = capsys.readouterr().err
        assert "cancelled" in said
        assert "Traceback" not in said
    else:
        with pytest.raises(KeyboardInterrupt):
            write(clean("in.fits", method="mesh"), OUT, overwrite=True)
    assert Path(OUT).read_bytes() == b"precious"
    assert sorted(p.name for p in folder.iterdir()) == [OUT, "in.fits"]


def at_once(way, folder, monkeypatch, capsys):
    """Try to write while another does."""
    if way == COMMAND:
        with hold(OUT):
            assert cli.main(COMMAND_LINE[:-1]) == 5
        assert "is being written by process" in capsys.readouterr().err
        assert not Path(OUT).exists()
        return
    result = clean("in.fits", method="mesh")
    sync, other = os.fsync, []

    def second(handle):
        # The other one begins and ends while this one is at its last step.
        monkeypatch.setattr(os, "fsync", sync)
        other.append(write(result, OUT))
        sync(handle)

    monkeypatch.setattr(os, "fsync", second)
    with pytest.raises(WriteError, match="exists already"):
        write(result, OUT)
    assert other
    is_finite(folder, folder / OUT)


def on_reading(do):
    """Return a fault: something happens between the headers and the pixels."""

    def fault(monkeypatch, folder):
        from bgrem_core.io import fits_image

        real = fits_image._Reader._pixels

        def pixels(self, record, planes):
            do(self._container)
            return real(self, record, planes)

        monkeypatch.setattr(fits_image._Reader, "_pixels", pixels)

    return fault


def shorten(container):
    os.truncate(container.path, 9000)


def rewrite(container):
    raw = bytearray(container.path.read_bytes())
    raw[9000:9100] = bytes(100)
    about = container.path.stat()
    container.path.write_bytes(raw)
    # As time goes on a real disk between two writers.
    os.utime(container.path, ns=(about.st_atime_ns, about.st_mtime_ns + 10**9))


class Stale:
    """A file on a disk that has gone."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def read(self, size):
        raise OSError(errno.ESTALE, "Stale file handle")


def go_stale(container):
    container.file = Stale(container.file)


def vanish(container):
    container.path.unlink()


def special(make):
    return lambda folder: make(folder / "in.fits")


ROWS = (
    Row(
        number=39,
        title="the result exists, or is the input: by name, symbolic or hard link",
        happens="exit 5; an existing file is replaced with `--overwrite` alone, the "
        "input never",
        cases=(
            refused("exists", "BGRem_in.fits exists already", hint="use --overwrite"),
            *(
                Case(name=name, build=linked(link), code=5, ways=WRITERS,
                     words="is the input itself", hint="choose another prefix",
                     **OVERWRITE)
                for name, link in (("hardlink", os.link),
                                   ("symlink", lambda a, b: b.symlink_to(a.name)))
            ),
            Case(name="no-prefix", build=plain, code=5, words="is the input itself",
                 output={"prefix": "", "overwrite": True}, ways=WRITERS),
            Case(name="overwrite", build=existing, check=is_finite, ways=WRITERS,
                 **OVERWRITE),
        ),
    ),
    Row(
        number=40,
        title="a prefix such as ../../x, an absolute one, NUL, 300 characters, names "
        "that Windows reserves",
        happens="exit 2; a result never leaves its folder",
        cases=(
            prefix("up", "../../x", "is not part of a file name", "a folder with -o"),
            prefix("absolute", "/x", "is not part of a file name", "a folder with -o"),
            prefix("drive", "C:x", "is not part of a file name", "a folder with -o"),
            prefix("nul", "a\0b", "is not part of a file name", "a folder with -o"),
            prefix("long", "x" * 300, "307 bytes long", "use a shorter prefix"),
            prefix("windows", "CON.", "Windows reserves", "use another prefix"),
        ),
    ),
    Row(
        number=41,
        title="a folder that may not be written",
        happens="exit 5 before anything is computed",
        cases=(
            Case(name="rights", build=sealed, fault=no_rights, code=5, ways=WRITERS,
                 output={"output": "sealed"}, hint="name another with -o",
                 words="cannot be written (Permission denied)"),
            Case(name="missing", build=plain, code=5, ways=WRITERS, hint="",
                 output={"output": "no/such"}, words="no/such"),
        ),
    ),
    Row(
        number=42,
        title="a full disk",
        happens="exit 5; the room is asked for first, and an old file stays whole",
        cases=(
            refused("full", "(No space left on device)", fault=full,
                    hint="make room", **OVERWRITE),
            refused("asked-first", "are free", fault=almost_full, hint="make room",
                    **OVERWRITE),
        ),
    ),
    Row(
        number=43,
        title="kill -9 or Ctrl-C while writing",
        happens="the old file or the new one, whole; what is left is swept by the next "
        "run; exit 130 after Ctrl-C",
        because="at one point each; `test_faults.py` stops runs at every other",
        cases=(
            Case(name="kill", build=existing, play=killed, ways=(COMMAND,)),
            Case(name="ctrl-c", build=existing, play=interrupted, ways=WRITERS),
        ),
    ),
    Row(
        number=44,
        title="two processes that write one file",
        happens="one writes, the other ends with exit 5; never a mixture",
        cases=(Case(name="both", build=plain, play=at_once, ways=WRITERS),),
    ),
    Row(
        number=45,
        title="a file that changes, vanishes or goes stale while it is read",
        happens="exit 3",
        cases=(
            Case(name="shorter", build=plain, fault=on_reading(shorten), spoils=True,
                 code=3, words="while it was read",
                 hint="is another program writing it?"),
            Case(name="changed", build=plain, fault=on_reading(rewrite), spoils=True,
                 code=3, words="was changed while it was read",
                 hint="is another program writing it?"),
            Case(name="stale", build=plain, fault=on_reading(go_stale), code=3,
                 words="cannot be read (Stale file handle)"),
            Case(name="vanished", build=plain, fault=on_reading(vanish), spoils=True,
                 code=3, words="there is no such file"),
        ),
    ),
    Row(
        number=46,
        title="a folder, a pipe, a device, a URL, nothing",
        happens="exit 3 at once; regular files alone are opened",
        cases=(
            Case(name="folder", build=special(lambda p: p.mkdir()), code=3,
                 words="this is a folder"),
            Case(name="pipe", build=special(lambda p: os.mkfifo(p)), code=3,
                 words="this is not a regular file"),
            Case(name="null", build=special(lambda p: p.symlink_to(os.devnull)), code=3,
                 words="this is not a regular file"),
            Case(name="zero", build=special(lambda p: p.symlink_to("/dev/zero")),
                 code=3, words="this is not a regular file"),
            Case(name="url", file="https://example.org/in.fits", code=3,
                 words="this is a URL", hint="download the file first"),
            Case(name="missing", code=3, words="there is no such file"),
            Case(name="nul", file="a\0b.fits", code=2, words="NUL"),
        ),
    ),
)  # fmt: skip
