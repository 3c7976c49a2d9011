"""zarr in, zarr out, tile by tile: the bits of the frame in memory, or nothing."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from clusters import TILED, same, small_field

import bgrem_core
from bgrem_core.errors import ImageError, ReadError, UsageError, WriteError
from bgrem_core.io import hold
from bgrem_core.settings import FindSettings

zarr = pytest.importorskip("zarr", reason="the extra 'distributed' is missing")

GIVEN = {**TILED, "gain": 2.0}


@pytest.fixture(scope="module")
def whole():
    return bgrem_core.clean(small_field(), **GIVEN)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "frame.zarr"
    zarr.create_array(path, data=small_field(), chunks=(50, 90))
    return path


def steps(source, target, **options):
    from bgrem_core.engine.zarrs import _steps

    said = {"method": "bgrem", "layers": False, "overwrite": False, "client": None}
    said |= {"catalog": None, "find": FindSettings(), **options}
    return _steps(source, target, settings=GIVEN, **said)


def drained(generator, on_step=lambda step: None):
    while True:
        try:
            on_step(next(generator))
        except StopIteration as end:
            return end.value


def test_all_layers_have_the_bits_of_the_frame_in_memory(source, whole, tmp_path):
    target = bgrem_core.clean_zarr(source, tmp_path / "out.zarr", layers=True, **GIVEN)
    out = zarr.open_group(target, mode="r")
    assert out.metadata.zarr_format == 3
    assert same(out["cleaned"], whole.cleaned)
    assert same(out["flags"], whole.flags)
    assert same(out["photometric"], whole.photometric)
    assert same(out["uncertainty"], whole.uncertainty)
    for name, plane in {**whole.parts, **whole.extras}.items():
        assert same(out[name], plane), name
    assert dict(out.attrs["provenance"]) == whole.provenance.as_dict()
    assert {path.name for path in tmp_path.iterdir()} == {"frame.zarr", "out.zarr"}


def test_chunks_of_the_result_are_those_of_the_tiles(source, tmp_path):
    target = bgrem_core.clean_zarr(source, tmp_path / "out.zarr", **GIVEN)
    out = zarr.open_group(target, mode="r")
    assert set(out) == {"cleaned", "flags"}
    for array in (out["cleaned"], out["flags"]):
        assert array.shards is None
        assert array.chunks[0] % 8 == array.chunks[1] % 8 == 0
        assert array.nchunks == 9
    assert out["cleaned"].nchunks_initialized == 9


@pytest.mark.parametrize("sky_scale", ["none", 64])
def test_the_classical_sky_from_shards_and_another_type(tmp_path, sky_scale):
    frame = np.nan_to_num(small_field(), nan=300).astype(">i2")
    group = zarr.create_group(tmp_path / "in.zarr")
    array = group.create_array("image", data=frame, chunks=(32, 32), shards=(128, 128))
    options = {"method": "mesh", "tile": 100, "sky_scale": sky_scale}
    expected = bgrem_core.clean(frame, method="mesh", sky_scale=sky_scale)
    for k, one in enumerate((array, tmp_path / "in.zarr" / "image")):
        target = bgrem_core.clean_zarr(one, tmp_path / f"out{k}.zarr", **options)
        assert same(zarr.open_group(target, mode="r")["cleaned"], expected.cleaned)


@pytest.mark.parametrize("stage", ["tiles", "write"])
def test_a_killed_worker_changes_no_bit(source, whole, tmp_path, two_workers, stage):
    two_workers.wait_for_workers(2, timeout=300)
    killed = []

    def kill(step):
        if step.stage == stage and step.done == 1 and not killed:
            killed.append(next(iter(two_workers.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    target = drained(steps(source, tmp_path / "out.zarr", client=two_workers), kill)
    assert killed
    out = zarr.open_group(target, mode="r")
    assert out["cleaned"].nchunks_initialized == 9
    assert same(out["cleaned"], whole.cleaned)
    assert same(out["flags"], whole.flags)


BROKEN = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from test_engine_zarr import steps

if __name__ == "__main__":
    source, target, stage = sys.argv[3:]
    for step in steps(Path(source), Path(target)):
        if step.stage == stage and step.done == 4:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("stage", ["tiles", "write"])
def test_a_run_that_was_killed_goes_on_where_it_stopped(source, whole, tmp_path, stage):
    here = Path(__file__).parent
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    target = tmp_path / "out.zarr"
    done = subprocess.run(
        [sys.executable, script, here.parents[1] / "src", here, source, target, stage],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not target.exists()
    seen = []
    drained(steps(source, target), seen.append)
    assert next(s.done for s in seen if s.stage == stage) == 4
    assert same(zarr.open_group(target, mode="r")["cleaned"], whole.cleaned)
    assert not list(tmp_path.glob(".bgrem-*"))


@pytest.fixture
def small_blocks(monkeypatch):
    """Search in blocks of 96 pixels; gives how, for a frame in memory."""
    from bgrem_core.engine import listed

    monkeypatch.setattr(listed, "BLOCK", 96)
    monkeypatch.setattr(listed, "MARGIN", 40)
    return {"block": 96, "margin": 40}


MESH = {"method": "mesh", "sky_scale": 64}


@pytest.mark.parametrize(
    ("options", "spread"),
    [(GIVEN, True), ({**GIVEN, "strength": 0.5}, False), (MESH, True)],
)
def test_the_catalogue_is_that_of_the_frame_in_memory(
    source, tmp_path, small_blocks, two_workers, options, spread
):
    in_memory = bgrem_core.clean(small_field(), **options)
    expected = in_blocks(in_memory, **small_blocks)
    target, listing = tmp_path / "out.zarr", tmp_path / "list.ecsv"
    two_workers.wait_for_workers(2, timeout=300)
    client = two_workers if spread else None
    bgrem_core.clean_zarr(source, target, client=client, catalog=listing, **options)
    got = QTable.read(listing)
    assert len(got) == len(expected) > 5
    assert got.colnames == expected.colnames
    for name in got.colnames:
        values = (getattr(t[name], "value", t[name]) for t in (got, expected))
        assert same(*values), name
    assert got.meta["negative_detections"] == expected.meta["negative_detections"]
    made = zarr.open_group(target, mode="r").attrs["provenance"]
    assert made["threshold"] == expected.meta["threshold"]
    whole = bgrem_core.find_sources(in_memory)
    assert np.array_equal(got["x"].value, whole["x"].value)
    assert np.allclose(got["flux"].value, whole["flux"].value, rtol=1e-3)
    with pytest.raises(WriteError, match="exists already"):
        bgrem_core.clean_zarr(source, tmp_path / "b.zarr", catalog=listing, **options)


def in_blocks(separation, **blocks):
    from bgrem_core.find import find_with_segments
    from bgrem_core.methods.bgrem import search_options

    network = separation.provenance.method == "bgrem"
    options = search_options(separation) if network else {}
    return find_with_segments(separation, FindSettings(), **options, **blocks)[0]


def test_a_cluster_that_is_lost_in_the_search_keeps_the_tiles(
    source, tmp_path, monkeypatch
):
    from bgrem_core.engine import listed
    from bgrem_core.engine.cluster import Gone

    def lost(client, work, calls):
        raise Gone("the scheduler does not answer any more", "start it again")
        yield

    options = {**MESH, "catalog": tmp_path / "list.ecsv"}
    target = tmp_path / "out.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(listed, "each", lost)
        with pytest.raises(bgrem_core.BGRemError, match="all tiles are done and kept"):
            bgrem_core.clean_zarr(source, target, **options)
    assert not target.exists()
    assert list(tmp_path.glob(".bgrem-*.tiles"))
    bgrem_core.clean_zarr(source, target, **options)
    assert len(QTable.read(tmp_path / "list.ecsv")) > 5
    assert not list(tmp_path.glob(".bgrem-*"))


def test_of_two_runs_on_one_target_the_second_says_so(source, tmp_path):
    target = tmp_path / "out.zarr"
    with (
        hold(target),
        pytest.raises(WriteError, match=r"out\.zarr is being written by process"),
    ):
        bgrem_core.clean_zarr(source, target, **GIVEN)
    assert {path.name for path in tmp_path.iterdir()} == {"frame.zarr"}


def test_a_damaged_chunk_is_told_with_the_name_of_the_input(source, tmp_path):
    for chunk in (source / "c").glob("*/*"):
        chunk.write_bytes(b"no chunk")
    with pytest.raises(ReadError, match=r"frame\.zarr cannot be read"):
        bgrem_core.clean_zarr(source, tmp_path / "out.zarr", **GIVEN)
    assert {path.name for path in tmp_path.iterdir()} == {"frame.zarr"}


@pytest.mark.parametrize("stage", ["tiles", "write"])
def test_a_folder_that_vanishes_meanwhile_is_told(source, tmp_path, stage):
    out = tmp_path / "out"
    out.mkdir()
    run = steps(source, out / "out.zarr")
    while (step := next(run)).stage != stage or step.done < 2:
        pass
    shutil.rmtree(out)
    with pytest.raises(WriteError, match="No such file or directory"):
        drained(run)
    assert not out.exists()


def test_a_result_is_replaced_only_when_asked(source, tmp_path):
    target = tmp_path / "out.zarr"
    options = {"method": "mesh", "sky_scale": "none"}
    bgrem_core.clean_zarr(source, target, **options)
    with pytest.raises(WriteError, match="exists already"):
        bgrem_core.clean_zarr(source, target, **options)
    bgrem_core.clean_zarr(source, target, overwrite=True, layers=True, **options)
    assert "sky" in zarr.open_group(target, mode="r")
    with pytest.raises(WriteError, match="is the input itself"):
        bgrem_core.clean_zarr(source, source, overwrite=True, **options)
    with pytest.raises(WriteError, match="does not exist"):
        bgrem_core.clean_zarr(source, tmp_path / "no" / "out.zarr", **options)


def test_what_is_no_array_on_a_disk_is_refused(tmp_path):
    zarr.create_group(tmp_path / "group.zarr")
    target = tmp_path / "out.zarr"
    for name in ("group.zarr", "missing.zarr"):
        with pytest.raises(ReadError, match="is no zarr array"):
            bgrem_core.clean_zarr(tmp_path / name, target)
    with pytest.raises(UsageError, match="is no zarr array"):
        bgrem_core.clean_zarr(np.zeros((64, 64)), target)
    memory = zarr.create_array({}, data=np.zeros((64, 64)))
    with pytest.raises(UsageError, match="not lie on a file system"):
        bgrem_core.clean_zarr(memory, target)
    cube = zarr.create_array(tmp_path / "cube.zarr", data=np.zeros((2, 64, 64)))
    with pytest.raises(ImageError, match="is no image"):
        bgrem_core.clean_zarr(cube, target, method="mesh")
    assert {p.name for p in tmp_path.iterdir()} == {"group.zarr", "cube.zarr"}
