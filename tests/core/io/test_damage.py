"""Seeded damage: whatever happens to the bytes, the answer is an image or our error."""

import gzip
import warnings

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import BGRemError
from bgrem_core.io import open_image
from bgrem_core.io.layout import scan


def damaged(raw, rng, header):
    raw = bytearray(raw)
    kind = rng.integers(3)
    if kind == 2:
        return bytes(raw[: rng.integers(1, len(raw))])
    low, high = (0, header) if kind == 0 else (header, len(raw))
    for at in rng.integers(low, high, rng.integers(1, 6)):
        raw[at] = rng.integers(256)
    return bytes(raw)


@pytest.mark.parametrize("pack", [None, "RICE_1", "GZIP_1", "GZIP_2", "gz"])
def test_damage_ends_in_an_image_or_our_error(pack, rng, save, tmp_path):
    data = rng.normal(100, 9, (32, 40)).astype(np.float32)
    if pack in {None, "gz"}:
        path = save(fits.PrimaryHDU(data), checksum=True)
    else:
        path = save(fits.CompImageHDU(data, compression_type=pack), checksum=True)
    raw = path.read_bytes()
    header = 2880
    if pack == "gz":
        raw, header = gzip.compress(raw), 20
    victim = tmp_path / "victim.fits"
    outcomes, lines = set(), set()
    for _ in range(120):
        victim.write_bytes(damaged(raw, rng, header))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                open_image(victim)
                outcomes.add("image")
            except BGRemError as error:
                outcomes.add(type(error).__name__)
                lines.add(str(error).count("\n"))
    assert "ReadError" in outcomes
    assert lines == {0}


def test_layout_agrees_with_astropy(rng, save):
    path = save(
        fits.PrimaryHDU(rng.random((5, 7))),
        fits.ImageHDU(np.zeros((3, 4, 5), np.int16), name="A", ver=3),
        fits.BinTableHDU.from_columns([fits.Column("x", "J", array=[1, 2, 3])]),
        fits.CompImageHDU(rng.random((50, 60)), name="C"),
        fits.ImageHDU(),
    )
    raw = path.read_bytes()
    layout = scan(lambda at, size: raw[at : at + size], len(raw))
    assert layout.notices == ()
    with fits.open(path, disable_image_compression=True) as hdus:
        for record, hdu in zip(layout.records, hdus, strict=True):
            info = hdu.fileinfo()
            assert record.start == info["hdrLoc"]
            assert record.data == info["datLoc"]
            assert record.end == info["datLoc"] + info["datSpan"]
            for key in ("BITPIX", "NAXIS", "EXTNAME", "EXTVER", "XTENSION"):
                assert record.values.get(key) == hdu.header.get(key)
    kinds = [r.kind for r in layout.records]
    assert kinds == ["image", "image", "table", "compressed", "empty"]
    assert layout.records[3].shape == (50, 60)
