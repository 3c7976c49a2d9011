"""The layout of a file, which is found without trusting it."""

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import ReadError
from bgrem_core.io.layout import scan


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


@pytest.mark.parametrize("cut", [8, 80, 1000, 2879])
def test_a_file_that_ends_within_a_later_header_is_cut_off(rng, save, cut):
    first = save(fits.PrimaryHDU(rng.random((5, 7)))).stat().st_size
    path = save(fits.PrimaryHDU(rng.random((5, 7))), fits.ImageHDU(rng.random((3, 4))))
    raw = path.read_bytes()[: first + cut]
    with pytest.raises(ReadError, match="within the header of HDU 1"):
        scan(lambda at, size: raw[at : at + size], len(raw))
