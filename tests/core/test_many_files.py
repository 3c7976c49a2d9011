"""Many files: what fails stays alone, what is done stays done, who writes is told."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli

needs_locks = pytest.mark.skipif(os.name == "nt", reason="no flock")


@pytest.fixture
def night(tmp_path):
    """Three small frames in a folder."""
    folder = tmp_path / "night"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for name in "abc":
        data = rng.normal(100, 5, (40, 48)).astype(np.float32)
        fits.writeto(folder / f"{name}.fits", data)
    return folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def clean(*words):
    """Run the command on tiny frames; the mesh needs no torch."""
    return cli.main(["--method", "mesh", *map(str, words)])


HOLDER = """
    import sys
    from bgrem_core.io import hold
    with hold(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
"""


@needs_locks
@pytest.mark.parametrize("flags", [[], ["--overwrite"]], ids=["new", "overwrite"])
def test_what_another_process_writes_is_left_to_it_and_said(night, flags, capsys):
    target = night / "BGRem_b.fits"
    if flags:
        target.write_bytes(b"old")
    run = [sys.executable, "-c", textwrap.dedent(HOLDER), str(target)]
    pipe = subprocess.PIPE
    with subprocess.Popen(run, stdout=pipe, stdin=pipe) as process:
        assert process.stdout.readline() == b"held\n"
        assert clean("-f", *sorted(night.glob("?.fits")), *flags) == 1
        process.communicate(b"\n")
    said = capsys.readouterr()
    told = f"BGRem_b.fits is being written by process {process.pid}"
    assert told in said.err
    assert "3 files: 2 done, 1 failed" in said.out
    written = {"BGRem_a.fits", "BGRem_c.fits"} | ({"BGRem_b.fits"} if flags else set())
    assert set(names(night)) == {"a.fits", "b.fits", "c.fits"} | written
    if flags:
        assert target.read_bytes() == b"old"


def test_a_folder_that_vanishes_is_told_for_each_file_and_not_made_again(
    night, toy_method, capsys
):
    out = night.parent / "out"
    tiles = []

    def vanish(_done):
        tiles.append(1)
        if len(tiles) == 2:
            for path in out.iterdir():
                path.unlink()
            out.rmdir()

    toy_method.hook["before_tile"] = vanish
    files = sorted(night.glob("?.fits"))
    assert cli.main(["--method", "toy", "-o", str(out), "-f", *map(str, files)]) == 1
    said = capsys.readouterr()
    assert said.err.count(f"the folder {out} does not exist") == 2
    # The third was not even begun.
    assert len(tiles) == 2
    assert "3 files: 1 done, 2 failed" in said.out
    assert not out.exists()
