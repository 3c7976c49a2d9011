"""--resume: an interrupted run goes on, and gives the bits of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli
from bgrem_core.errors import WriteError
from bgrem_core.io import work_folder
from bgrem_core.kept import JOURNAL, Kept
from bgrem_core.tiles import grid

pytest.importorskip("torch")

TILES = ["--tile", "192", "--threads", "1", "--layers", "--sky-scale", "64"]
COUNT = 30
FOLDER = "BGRem_frame.fits.part"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    frame = rng.normal(200, 5, (400, 410)).astype(np.float32)
    for y, x in rng.integers(20, 380, (40, 2)):
        frame[y - 1 : y + 2, x - 1 : x + 2] += 200
    frame[7, 9] = np.nan
    frame[100:110, 200:210] = 50_000
    return frame


@pytest.fixture
def file(tmp_path, data, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / "frame.fits"
    header = fits.Header({"BUNIT": "electron", "SATURATE": 40_000.0})
    fits.writeto(path, data, header)
    return path


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Give the bytes that a run without interruption writes, without --resume."""
    folder = tmp_path_factory.mktemp("whole")
    header = fits.Header({"BUNIT": "electron", "SATURATE": 40_000.0})
    fits.writeto(folder / "frame.fits", data, header)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert cli.main(["-f", str(folder / "frame.fits"), *TILES, "--quiet"]) == 0
    return (folder / "BGRem_frame.fits").read_bytes()


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def go_on(file, *more):
    return cli.main(["-f", str(file), *TILES, "--resume", *more])


def journal(file):
    return file.parent / FOLDER / "image-0" / JOURNAL


def finished(file):
    """How many tiles the journal names, by whole lines."""
    path = journal(file)
    return max(path.read_bytes().count(b"\n") - 1, 0) if path.exists() else 0


@pytest.fixture
def stop(monkeypatch):
    """Interrupt a run in this process when so many tiles are done."""

    told = Kept.finish

    def after(count):
        seen = []

        def finish(self, tile):
            if len(seen) == count:
                raise KeyboardInterrupt
            told(self, tile)
            seen.append(tile)

        monkeypatch.setattr(Kept, "finish", finish)
        return seen

    return after


def start(file, *more):
    """Run the command in a process of its own."""
    said = [sys.executable, "-m", "bgrem_core", "-f", str(file), *TILES, *more]
    return subprocess.Popen(said, stderr=subprocess.PIPE, text=True)


def wait_for(count, file, child):
    while finished(file) < count:
        assert child.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.005)


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_was_ended_goes_on_with_the_same_bits(file, whole, signal_):
    child = start(file, "--resume")
    wait_for(5, file, child)
    child.send_signal(signal_)
    said = child.communicate()[1]
    # The empty lock of a process that was killed is swept by the next run.
    left = [n for n in names(file.parent) if not n.endswith(".lock")]
    assert left == [FOLDER, "frame.fits"]
    if signal_ == signal.SIGINT:
        assert child.returncode == 130
        assert "--resume goes on with finished tiles" in said
    done = finished(file)
    assert 5 <= done < COUNT
    again = start(file, "--resume")
    said = again.communicate()[1]
    assert again.returncode == 0
    assert f"going on with {done} finished tiles" in said
    assert (file.parent / "BGRem_frame.fits").read_bytes() == whole
    assert names(file.parent) == ["BGRem_frame.fits", "frame.fits"]


def test_an_uninterrupted_run_that_keeps_its_tiles_gives_the_same_bits(file, whole):
    assert go_on(file) == 0
    assert (file.parent / "BGRem_frame.fits").read_bytes() == whole
    assert names(file.parent) == ["BGRem_frame.fits", "frame.fits"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_without_the_flag_a_killed_run_leaves_nothing_behind(file):
    child = start(file)
    maps = Path(f"/proc/{child.pid}/maps")
    while child.poll() is None and "libtorch" not in maps.read_text():
        time.sleep(0.005)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    left = [n for n in names(file.parent) if not n.endswith(".lock")]
    assert left == ["frame.fits"]


@pytest.mark.parametrize("done", [0, 1, COUNT - 1])
def test_it_goes_on_from_any_tile(done, file, whole, stop):
    stop(done)
    assert go_on(file) == 130
    seen = stop(COUNT)
    assert go_on(file) == 0
    assert len(seen) == COUNT - done
    assert (file.parent / "BGRem_frame.fits").read_bytes() == whole


def test_a_failure_after_the_tiles_keeps_them_all(file, whole, monkeypatch, stop):
    from bgrem_core.methods import common

    with monkeypatch.context() as patch:
        patch.setattr(common, "iter_sky", lambda *_, **__: 1 / 0)
        assert go_on(file, "--quiet") == 1
    assert finished(file) == COUNT
    seen = stop(0)
    assert go_on(file) == 0
    assert not seen
    assert (file.parent / "BGRem_frame.fits").read_bytes() == whole


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (["--strength", "0.5"], "settings (strength)"),
        (["--gain", "2"], "input, scale"),
        (["-n", "0.3"], "scale, settings (norm)"),
    ],
)
def test_other_settings_start_anew_and_say_why(file, more, what, stop, capsys):
    stop(3)
    assert go_on(file) == 130
    stop(1)
    assert go_on(file, *more) == 130
    said = capsys.readouterr().err
    assert "starting anew" in said
    assert what.split(",")[0].split(" (")[-1].strip(")") in said
    assert finished(file) == 1


def test_another_input_starts_anew(file, stop, capsys):
    stop(3)
    assert go_on(file) == 130
    with fits.open(file, mode="update") as hdus:
        hdus[0].data[3, 3] += 1
    stop(0)
    assert go_on(file) == 130
    assert "of other input" in capsys.readouterr().err


def test_tiles_whose_pixels_are_not_as_finished_are_done_again(file, whole, stop):
    stop(6)
    assert go_on(file) == 130
    path = journal(file).parent / "taken.bin"
    plane = np.memmap(path, np.float32, mode="r+", shape=(400, 410))
    plane[3, 3] += 1  # in the first tile
    del plane
    with journal(file).open("ab") as out:
        out.write(b'{"tile": [0, 5], "su')  # the power went
    seen = stop(COUNT)
    assert go_on(file) == 0
    assert len(seen) == COUNT - 5
    assert (file.parent / "BGRem_frame.fits").read_bytes() == whole


def test_a_plane_that_is_gone_costs_its_tiles_only(file, whole, stop):
    stop(6)
    assert go_on(file) == 130
    (journal(file).parent / "uncertainty.bin").unlink()
    stop(COUNT)
    assert go_on(file) == 0
    assert (file.parent / "BGRem_frame.fits").read_bytes() == whole


def test_a_result_that_is_there_is_skipped_and_never_replaced(file, capsys):
    target = file.parent / "BGRem_frame.fits"
    assert go_on(file) == 0
    made = target.read_bytes()
    capsys.readouterr()
    assert go_on(file) == 0
    assert "it is finished already" in capsys.readouterr().out
    assert target.read_bytes() == made
    target.write_text("mine")
    assert go_on(file) == 5
    assert "exists already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert go_on(file, "--overwrite") == 0
    assert target.read_bytes() == made


def test_a_method_without_tiles_says_that_it_cannot_be_continued(file, capsys):
    arguments = ["-f", str(file), "--method", "mesh", "--resume"]
    assert cli.main(arguments) == 2
    assert "cannot be continued. leave out --resume" in capsys.readouterr().err
    assert names(file.parent) == ["frame.fits"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    folder = tmp_path / "out.fits.part"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    with (
        pytest.raises(WriteError, match="not the folder of an unfinished run"),
        work_folder(tmp_path / "out.fits"),
    ):
        pass
    assert names(folder) == ["thesis.tex"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_two_runs_do_not_share_a_folder(tmp_path):
    with (
        work_folder(tmp_path / "out.fits"),
        pytest.raises(WriteError, match="another bgrem is at work"),
        work_folder(tmp_path / "out.fits"),
    ):
        pass


def test_a_run_that_kept_nothing_leaves_no_folder(file):
    assert go_on(file, "--model", "nowhere.safetensors", "--quiet") == 6
    assert names(file.parent) == ["frame.fits"]


def test_planes_of_a_colour_image_are_kept_apart(tmp_path, data, stop):
    path = tmp_path / "frame.fits"
    cube = np.stack([data, data + 1, data - 1])
    fits.writeto(path, cube)
    stop(COUNT + 2)
    assert go_on(path) == 130
    parts = sorted((tmp_path / FOLDER).glob("image-*"))
    assert [p.name for p in parts] == ["image-0-0", "image-0-1"]
    seen = stop(3 * COUNT)
    assert go_on(path) == 0
    assert len(seen) == 2 * COUNT - 2
    assert names(tmp_path) == ["BGRem_frame.fits", "frame.fits"]


def test_the_journal_is_lines_of_json(tmp_path):
    kept = Kept(tmp_path / "k", {"input": "a"})
    plane = kept.allocate("taken", (64, 64))
    tiles = list(grid((64, 64), tile=32, margin=0))
    plane[tiles[1].keep] = 3
    kept.finish(tiles[1])
    head, line = map(json.loads, (tmp_path / "k" / JOURNAL).read_text().splitlines())
    assert head == {"bgrem-journal": 1, "input": "a"}
    assert line["tile"] == [0, 1]
    again = Kept(tmp_path / "k", {"input": "a"})
    again.allocate("taken", (64, 64))
    assert [again.done(t) for t in tiles] == [False, True, False, False]
    assert again.note == "going on with 1 finished tiles"
    assert "input" in Kept(tmp_path / "k", {"input": "b"}).note


def test_a_disk_without_room_is_an_error_not_a_crash(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    kept = Kept(tmp_path / "k", {})
    with pytest.raises(WriteError, match="No space left on device"):
        kept.allocate("taken", (64, 64))
