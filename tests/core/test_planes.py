"""Planes: what is worked on at once does not grow with the plane."""

import errno
import os

import numpy as np
import pytest

from bgrem_core import planes
from bgrem_core.errors import OutOfMemory
from bgrem_core.planes import BAND, allocate, bands


@pytest.mark.parametrize("width", [1, 256, 2**13, 2**13 + 1, 30000, 2**22])
def test_bands_cover_a_plane_and_hold_a_bounded_number_of_pixels(width):
    rows = [r for band in bands((1000, width)) for r in range(band.start, band.stop)]
    assert rows == list(range(1000))
    tallest = max(band.stop - band.start for band in bands((1000, width)))
    assert tallest <= 256
    assert tallest == 1 or tallest * width <= BAND


def test_bands_of_a_given_height_have_it():
    assert list(bands((5, 2**22), 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]


def test_a_scratch_disk_without_room_is_told_before_it_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(planes, "IN_MEMORY", 1000)
    assert not allocate((30, 40)).any()
    monkeypatch.setattr(planes, "reserve", full)
    with pytest.raises(OutOfMemory, match=r"scratch space in .*No space left") as told:
        allocate((30, 40))
    assert "TMPDIR" in told.value.hint


@pytest.mark.parametrize("missing", [True, False])
def test_room_is_taken_where_the_system_has_no_call_for_it(
    tmp_path, monkeypatch, missing
):
    def unable(*_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    if missing:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    with (tmp_path / "file").open("wb") as file:
        file.write(b"head")
        planes.reserve(file, 3 * 2**20 + 5)
    written = np.fromfile(tmp_path / "file", np.uint8)
    assert bytes(written[:4]) == b"head"
    assert written.size == 3 * 2**20 + 5
    assert not written[4:].any()
