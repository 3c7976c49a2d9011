"""Inputs are made here, and results are looked at."""

import numpy as np
from astropy.io import fits

SHAPE = (64, 80)
LEVEL, SIGMA = 1000, 10


def noise(seed=0):
    data = np.random.default_rng(seed).normal(LEVEL, SIGMA, SHAPE)
    return data.astype(np.float32)


def save(path, *hdus, **options):
    """Write HDUs or an array, with an empty primary HDU where there is none."""
    first = hdus[0]
    if isinstance(first, np.ndarray):
        hdus = (fits.PrimaryHDU(first), *hdus[1:])
    elif not isinstance(first, fits.PrimaryHDU):
        hdus = (fits.PrimaryHDU(), *hdus)
    fits.HDUList(list(hdus)).writeto(path, **options)
    return path


def plain(folder, data=None):
    return save(folder / "in.fits", noise() if data is None else data)


def hdus(*make):
    """Return a builder of a file with these HDUs, each made when it is needed."""
    return lambda folder: save(folder / "in.fits", *(m() for m in make))


def content(data, name="in.fits"):
    return lambda folder: (folder / name).write_bytes(data)


def edit(path, key, value):
    """Write a card over the bytes of a file, whatever the standard says."""
    raw = path.read_bytes()
    card = f"{key:8}= {value:>20}".encode("latin-1").ljust(80)
    old = {f"{key:8}".encode(), b"EXTEND  "}
    at = next(k for k in range(0, len(raw), 80) if raw[k : k + 8] in old)
    path.write_bytes(raw[:at] + card + raw[at + 80 :])


def card(key, value, data=None):
    return lambda folder: edit(plain(folder, data), key, value)


def cleaned(out, hdu=0):
    """Return pixels and header of a result that is legal FITS, sums included."""
    with fits.open(out, checksum=True) as found:
        found.verify("exception")
        return np.array(found[hdu].data), found[hdu].header.copy()


def is_finite(folder, out, hdu=0):
    data, header = cleaned(out, hdu)
    assert header["BITPIX"] == -32
    assert np.isfinite(data).all()
    # The sky is gone, the noise is not a flat nothing.
    assert abs(np.median(data)) < SIGMA / 2
    assert data.std() > 0


def is_at(hdu):
    return lambda folder, out: is_finite(folder, out, hdu)


def keeps(*keys):
    """Return a check that cards are those of the input, to the byte."""

    def check(folder, out):
        _, header = cleaned(out)
        old = fits.getheader(folder / "in.fits")
        for key in keys:
            assert header.cards[key].image == old.cards[key].image

    return check


def tables(folder):
    column = fits.Column("a", "E", array=np.arange(5.0))
    table = fits.BinTableHDU.from_columns([column], name="CAT")
    return save(folder / "in.fits", table)
