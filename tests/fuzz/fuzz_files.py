"""Small files of each format, made when they are needed, and seeded damage to them."""

import gzip
import io

import numpy as np
from astropy.io import fits

SHAPE = (48, 40)
BLOCK = 2880
_TILED = {
    "rice": "RICE_1",
    "gzip1": "GZIP_1",
    "gzip2": "GZIP_2",
    "hcompress": "HCOMPRESS_1",
    "plio": "PLIO_1",
}
FORMATS = ("plain", "integer", "gz", *_TILED, "table", "mef")

_CARDS = {
    "OBJECT": "a field", "BUNIT": "adu", "GAIN": 1.5, "EXPTIME": 30.0,
    "SATURATE": 60000.0, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP",
    "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 20.0, "CRPIX2": 24.0, "CD1_1": -1e-4,
    "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4, "A_ORDER": 2, "B_ORDER": 2,
    "A_2_0": 1e-5, "B_0_2": 1e-5,
}  # fmt: skip


def intact(name, *, sums):
    """Return the bytes of a good file, with CHECKSUM and DATASUM or without."""
    stream = io.BytesIO()
    fits.HDUList(_hdus(name)).writeto(stream, checksum=sums)
    raw = stream.getvalue()
    return gzip.compress(raw, mtime=0) if name == "gz" else raw


def _hdus(name):
    rng = np.random.default_rng(5)
    real = rng.normal(1000, 12, SHAPE).astype(np.float32)
    whole = np.round(real).astype(np.int16)
    header = fits.Header(_CARDS)
    if name in {"plain", "gz"}:
        return [fits.PrimaryHDU(real, header)]
    if name == "integer":
        hdu = fits.PrimaryHDU(whole, header)
        hdu.header.update({"BLANK": -32768, "BZERO": 5.0})
        return [hdu]
    if name == "table":
        columns = [
            fits.Column("x", "E", array=real[0]),
            fits.Column("name", "5A", array=["a star"] * 40),
        ]
        return [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="CAT")]
    if name == "mef":
        quality = (rng.random(SHAPE) < 0.01).astype(np.int16)
        return [
            fits.PrimaryHDU(header=header),
            fits.ImageHDU(real, name="SCI"),
            fits.ImageHDU(np.full(SHAPE, 12, np.float32), name="ERR"),
            fits.CompImageHDU(quality, name="DQ", compression_type="RICE_1"),
        ]
    # Whole numbers and quantised reals are decoded in different ways.
    data = real if name in {"rice", "gzip2"} else whole
    tile = (16, SHAPE[1])
    return [
        fits.PrimaryHDU(),
        fits.CompImageHDU(data, header, compression_type=_TILED[name], tile_shape=tile),
    ]


def damaged(raw, rng):
    """Return the bytes with some flipped, in headers or anywhere, or cut off."""
    raw = bytearray(raw)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(raw[: rng.integers(1, len(raw))])
    places = np.arange(len(raw)) if kind == 1 else _cards(raw) if kind == 2 else None
    if places is None:
        places = np.setdiff1d(np.arange(len(raw)), _cards(raw))
    for at in rng.choice(places, rng.integers(1, 6)):
        raw[at] = rng.integers(256) if rng.random() < 0.5 else raw[at] ^ 1 << _bit(rng)
    return bytes(raw)


def _bit(rng):
    return int(rng.integers(8))


def _cards(raw):
    """Return where the bytes of the cards lie; of a packed file, its first bytes."""
    if not raw.startswith(b"SIMPLE"):
        return np.arange(20)
    found, inside = [], False
    for at in range(0, len(raw), 80):
        card = bytes(raw[at : at + 80])
        starts = at % BLOCK == 0 and card.startswith((b"SIMPLE  =", b"XTENSION="))
        inside = inside or starts
        if inside:
            found.append(np.arange(at, at + 80))
        if card.startswith(b"END     "):
            inside = False
    return np.concatenate(found)
