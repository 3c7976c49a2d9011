"""Ctrl-C on a run with workers: one line, and no process, half file or tile is left."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from astropy.io import fits
from clusters import small_field

psutil = pytest.importorskip("psutil", reason="the extra 'distributed' is missing")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such signals")

#: The command, which says "here" at a point, and waits where it would go on.
DRIVER = """
    import signal, sys
    import distributed
    from bgrem_core import cli
    from bgrem_core.engine import cluster, command, frame

    def starting(*arguments, start=distributed.LocalCluster, **options):
        print("here", flush=True)
        return start(*arguments, **options)

    def working(*arguments, each=cluster.each, **options):
        for value in each(*arguments, **options):
            print("here", flush=True)
            signal.pause()
            yield value

    if sys.argv[1] == "start":
        distributed.LocalCluster = starting
    else:
        command.each = frame.each = working
    sys.exit(cli.main(sys.argv[2:]))
"""
SAID = "bgrem: cancelled; what is finished stays, nothing else was left behind\n"


def stopped(folder, point, words, number, send):
    """Stop a run at a point; gives its end, and those of its processes that live on."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "TMPDIR": str(folder),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), point, *words],
        stdout=pipe, stderr=pipe, text=True, env=environment, cwd=folder,
        start_new_session=True,
    ) as run:  # fmt: skip
        assert run.stdout.readline() == "here\n"
        family = psutil.Process(run.pid).children(recursive=True)
        assert family or point == "start"
        send(run.pid, number)
        _, said = run.communicate()
    _, alive = psutil.wait_procs(family, timeout=60)
    return run.returncode, said, alive


@pytest.mark.parametrize("send", [os.killpg, os.kill], ids=["group", "parent"])
@pytest.mark.parametrize("point", ["start", "tiles", "files"])
def test_ctrl_c_ends_all_processes_and_leaves_whole_files(tmp_path, point, send):
    names = ["f0.fits", "f1.fits", "f2.fits"] if point == "files" else ["f0.fits"]
    for name in names:
        fits.writeto(tmp_path / name, small_field())
    words = ["--tile", "208", "--threads", "1", "--device", "cpu", "--quiet"]
    words += ["-o", "out", "--workers", "2", "-f", *names]
    code, said, alive = stopped(tmp_path, point, words, signal.SIGINT, send)
    assert code == 130, said
    assert said == SAID
    assert not alive
    results = {path.name for path in (tmp_path / "out").iterdir()}
    assert results <= {f"BGRem_{name}" for name in names}
    assert bool(results) == (point == "files")
    for name in results:
        with fits.open(tmp_path / "out" / name, checksum=True) as hdus:
            assert hdus[0].data.shape == small_field().shape


def test_a_killed_run_takes_its_workers_along_and_keeps_its_tiles(tmp_path):
    fits.writeto(tmp_path / "f0.fits", small_field())
    words = ["--tile", "208", "--threads", "1", "--device", "cpu", "--quiet"]
    words += ["-o", "out", "--workers", "2", "-f", "f0.fits"]
    code, _, alive = stopped(tmp_path, "tiles", words, signal.SIGKILL, os.kill)
    assert code == -signal.SIGKILL
    assert not alive
    assert list((tmp_path / "out").glob(".bgrem-*.tiles"))
