"""The folder of a run on one machine: plain files, and when they are not believed."""

import errno
import os
import shutil

import numpy as np
import pytest

from bgrem_core import planes
from bgrem_core.engine import files
from bgrem_core.engine.files import Files
from bgrem_core.errors import WriteError

pytest.importorskip("distributed", reason="the extra 'distributed' is missing")

from clusters import TILED, same, small_field

import bgrem_core
from bgrem_core.engine.frame import spread
from bgrem_core.engine.store import Store
from bgrem_core.methods import METHODS
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.progress import drain

posix = pytest.mark.skipif(os.name != "posix", reason="a system with other files")


@pytest.fixture(scope="module")
def field():
    return bgrem_core.open_image(small_field(), gain=2.0)


def here(field, folder):
    """The steps of a run whose only worker is this process."""
    method = spread(METHODS["bgrem"], None, folder)
    return method.iterate(field, BGRemSettings(**TILED))


def prepared_run(field, folder, monkeypatch):
    """What a run prepares, and what it stages."""
    told = {}
    create = Store.create

    def heard(place, prepared, **options):
        told.update(prepared=prepared, **options)
        return create(place, prepared, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "create", heard)
        drain(here(field, folder))
    return told["prepared"], told["staged"]


def test_what_one_process_writes_another_map_sees(tmp_path):
    group = Files.create(tmp_path / "run", {"a": 1})
    group.create_array("taken", shape=(3, 4), dtype=np.float32, chunks=(1, 1))
    first, second = group["taken"], Files(tmp_path / "run")["taken"]
    first[1, 2] = 7
    assert second[1, 2] == 7
    assert np.count_nonzero(second) == 1
    assert "taken" in group
    assert "other" not in group
    assert Files(tmp_path / "run").attrs == {"a": 1}


@posix
def test_tiles_are_for_their_owner_and_outlive_their_files(field, tmp_path):
    run = here(field, tmp_path)
    while next(run).stage != "tiles":
        pass
    (folder,) = tmp_path.glob(".bgrem-*")
    assert Files.here(folder)
    assert folder.stat().st_mode & 0o77 == 0
    result = drain(run)
    assert not list(tmp_path.iterdir())
    assert same(result.cleaned, bgrem_core.clean(field, **TILED).cleaned)


@posix
@pytest.mark.parametrize("which", [2, 5, -1])
def test_a_disk_without_room_is_told_and_nothing_is_left(
    field, tmp_path, monkeypatch, which
):
    calls = []

    def reserve(file, size):
        calls.append(size)
        planes.reserve(file, size)

    with monkeypatch.context() as patch:
        patch.setattr(files, "reserve", reserve)
        drain(here(field, tmp_path))
    total = len(calls)

    def full(file, size):
        calls.append(size)
        if len(calls) == which % total + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    calls.clear()
    monkeypatch.setattr(files, "reserve", full)
    with pytest.raises(WriteError, match=r"tiles cannot be kept in .*No space left"):
        drain(here(field, tmp_path))
    assert not list(tmp_path.iterdir())


@posix
def test_the_room_of_an_array_is_taken_before_it_is_mapped(tmp_path, monkeypatch):
    group = Files.create(tmp_path / "run", {})
    for name in ("a", "b"):
        array = group.create_array(name, shape=(700, 800), dtype=np.float32)
        assert array.shape == (700, 800)
        assert not array.any()
        about = (tmp_path / "run" / f"{name}.npy").stat()
        assert about.st_blocks * 512 >= about.st_size > array.nbytes
        # Where the system, or the disk, does not know the call.
        monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)


def unable(*_):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_in_a_worker_is_told_by_its_cause(
    field, tmp_path, monkeypatch, error
):
    def fail(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(Store, "put", fail)
    with pytest.raises(WriteError, match=os.strerror(error)):
        drain(here(field, tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_vanishes_meanwhile_is_told_and_not_made_again(field, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    run = here(field, folder)
    while (step := next(run)).stage != "tiles" or step.done < 2:
        pass
    shutil.rmtree(folder)
    with pytest.raises(WriteError, match=r"out .No such file or directory"):
        drain(run)
    assert not folder.exists()


@posix
def test_files_of_one_machine_are_not_taken_for_those_of_many(
    field, tmp_path, monkeypatch
):
    prepared, staged = prepared_run(field, tmp_path, monkeypatch)
    near = Store.create(tmp_path, prepared, staged=staged, near=True)
    near.group["done"][0, 0] = 1
    again = Store.create(tmp_path, prepared, staged=staged, near=True)
    assert len(again.todo()) == len(prepared.grid) - 1
    far = Store.create(tmp_path, prepared, staged=staged)
    assert len(far.todo()) == len(prepared.grid)
    far.group["done"][0, 0] = 1
    back = Store.create(tmp_path, prepared, staged=staged, near=True)
    assert len(back.todo()) == len(prepared.grid) - 1
    assert same(back.data()[0:9, 0:9], field.data[0:9, 0:9])
