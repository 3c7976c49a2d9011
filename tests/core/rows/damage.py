"""Rows 27 to 38: files that are cut off, lie about themselves, or are no FITS."""

import bz2
import gzip
import subprocess
import sys
import textwrap

import numpy as np
from astropy.io import fits

from bgrem_core.io.container import Container
from rows.build import (
    SHAPE,
    card,
    cleaned,
    content,
    is_at,
    is_finite,
    noise,
    plain,
    save,
    tables,
)
from rows.kinds import COMMAND, PYTHON, Case, Row

PACKED = {"file": "in.fits.fz"}
SALVAGE = {"settings": {"salvage": True}}


def cut(size):
    def build(folder):
        path = plain(folder)
        path.write_bytes(path.read_bytes()[:size])

    return build


def rows_are_lost(first):
    def check(folder, out):
        data, _ = cleaned(out)
        assert np.isfinite(data[:first]).all()
        assert np.isnan(data[first:]).all()
        assert np.all(fits.getdata(out, "MASK")[first:] == 1)

    return check


def cut_gzip(folder):
    zipped("in.fits.gz", gzip)(folder)
    path = folder / "in.fits.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def first_half_stays(folder, out):
    data, _ = cleaned(out)
    assert np.isfinite(data[:32]).all()
    assert np.isnan(data[60:]).all()


def whole_numbers():
    return np.round(noise()).astype(np.int32)


def packed(kind, data=None, name="in.fits.fz", **options):
    def build(folder):
        pixels = noise() if data is None else data()
        hdu = fits.CompImageHDU(pixels, compression_type=kind, **options)
        return save(folder / name, hdu)

    return build


def tiles(folder):
    return packed("GZIP_1", whole_numbers, tile_shape=(16, 40))(folder)


def heap(path):
    """Return where the compressed tiles lie: (offset, length) of each."""
    with fits.open(path, disable_image_compression=True) as found:
        start = found[1].fileinfo()["datLoc"] + found[1].data.nbytes
        count = len(found[1].data)
        stored = found[1].data.base.view(">i4").reshape(count, -1)
        return [(start + int(at), int(size)) for size, at in stored[:, :2]]


def damaged_tile(folder):
    path = tiles(folder)
    at, size = heap(path)[3]
    raw = bytearray(path.read_bytes())
    raw[at : at + size] = bytes(size)
    path.write_bytes(raw)


def cut_tiles(folder):
    path = tiles(folder)
    path.write_bytes(path.read_bytes()[: heap(path)[6][0] + 5])


def lost(*blocks):
    def check(folder, out):
        gone = np.zeros(SHAPE, bool)
        for rows, cols in blocks:
            gone[rows, cols] = True
        data, _ = cleaned(out, 1)
        np.testing.assert_array_equal(np.isnan(data), gone)
        np.testing.assert_array_equal((fits.getdata(out, "MASK") & 1) != 0, gone)

    return check


def with_holes():
    data = noise()
    data[5, 6:9] = np.nan
    return data


def holes_stay(folder, out):
    data, _ = cleaned(out, 1)
    np.testing.assert_array_equal(np.isnan(data), np.isnan(with_holes()))


def zipped(name, module, more=b""):
    def build(folder):
        path = plain(folder)
        raw = path.read_bytes()
        path.unlink()
        (folder / name).write_bytes(module.compress(raw + more))

    return build


def enormous(folder):
    card("NAXIS1", "500000")(folder)
    card_again = folder / "in.fits"
    raw = card_again.read_bytes()
    at = raw.index(b"NAXIS2  =")
    raw = raw[:at] + b"NAXIS2  =               500000".ljust(80) + raw[at + 80 :]
    card_again.write_bytes(raw)


def with_expected(folder):
    from bgrem_core import clean

    plain(folder)
    np.save(folder / "expected.npy", clean("in.fits", method="mesh").cleaned)


def in_pieces(monkeypatch, folder):
    """Make a small frame large: nothing is held whole or read at once."""
    monkeypatch.setattr("bgrem_core.planes.IN_MEMORY", 1000)
    monkeypatch.setattr("bgrem_core.io.pixels.BAND", 4096)
    read = Container.read

    def little(self, offset, size):
        assert size <= 4096, "read at once"
        return read(self, offset, size)

    monkeypatch.setattr(Container, "read", little)


def same_in_pieces(folder, out):
    np.testing.assert_array_equal(cleaned(out)[0], np.load(folder / "expected.npy"))


def wrong_sum(folder):
    path = save(folder / "in.fits", noise(), checksum=True)
    raw = bytearray(path.read_bytes())
    raw[2880 + 402] ^= 1
    path.write_bytes(raw)


def image_in_table(folder):
    pixels = fits.Column("IMAGE", "5120E", dim="(80,64)", array=noise().reshape(1, -1))
    save(folder / "in.fits", fits.BinTableHDU.from_columns([pixels], name="STAMPS"))


def picture(name):
    def build(folder):
        if name.endswith("png"):
            from PIL import Image

            Image.fromarray(noise().astype(np.uint16)).save(folder / name)
        else:
            import tifffile

            tifffile.imwrite(folder / name, noise())

    return build


def renamed(name):
    return lambda folder: plain(folder).rename(folder / name)


def is_tiff(folder, out):
    import tifffile

    data = tifffile.imread(out)
    assert data.dtype == np.float32
    assert data.shape == SHAPE


FUZZ = """
    import sys
    import numpy as np
    from bgrem_core import open_image
    from bgrem_core.errors import ReadError

    raw = open("in.fits.fz", "rb").read()
    rng = np.random.default_rng(int(sys.argv[1]))
    for _ in range(15):
        bad = bytearray(raw)
        for at in rng.integers(8640, len(raw.rstrip(bytes(1))), 3):
            bad[at] = rng.integers(256)
        open("victim.fits", "wb").write(bad)
        try:
            open_image("victim.fits")
            print("image")
        except ReadError as error:
            print(error)
"""


def fuzzed(way, folder, monkeypatch, capsys):
    """Run in a process, which a decoder without a wall would end."""
    script = [sys.executable, "-c", textwrap.dedent(FUZZ), "7"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(said) == 15
    assert all(s == "image" or " of HDU 1 " in s for s in said), said


CUT_OFF = {"hint": "was the download or copy cut off?"}
DAMAGED = {"hint": "the file is damaged: fetch it again"}
CONVERT = {"hint": "convert it to FITS or TIFF first"}

ROWS = (
    Row(
        number=27,
        title="data that are cut off",
        happens="exit 3: the file ends at byte n of m; with `--salvage` the rows that "
        "are there are cleaned, the rest is NaN, masked and counted; so with what "
        "comes out of a compressed file that is cut off",
        cases=(
            Case(name="cut", build=cut(2880 + 10000), code=3, hint="--salvage keeps",
                 words="the file ends at byte 12880 of 23360 (55 %)"),
            Case(name="salvage", build=cut(2880 + 10000), check=rows_are_lost(31),
                 notice="2640 of 5120 pixels (52 %) cannot be read",
                 output={"layers": True}, **SALVAGE),
            Case(name="gzip", build=cut_gzip, code=3, hint="--salvage keeps",
                 file="in.fits.gz", words="the compressed file ends too early"),
            Case(name="gzip-salvage", build=cut_gzip, file="in.fits.gz", **SALVAGE,
                 check=first_half_stays, notice="cannot be read"),
            Case(name="nothing-left", build=cut(2880), code=4, **SALVAGE,
                 words="no pixel of the image is finite"),
        ),
    ),
    Row(
        number=28,
        title="a header alone, an empty file, a web page saved as FITS",
        happens="exit 3, saying which; of a page: did the download fail?",
        cases=(
            Case(name="header", build=cut(2880), code=3, **CUT_OFF,
                 words="the file ends at byte 2880 of 23360"),
            Case(name="half-header", build=cut(1000), code=3, **CUT_OFF,
                 words="the file ends at byte 1000, within the header of HDU 0"),
            Case(name="empty", build=content(b""), code=3, words="the file is empty",
                 hint="was the download cut off?"),
            Case(name="page", build=content(b"<!DOCTYPE html><html>404</html>"), code=3,
                 words="this is an HTML or XML page", hint="did the download fail?"),
        ),
    ),
    Row(
        number=29,
        title="BITPIX = 17, NAXIS1 < 0, NAXIS = 998",
        happens="exit 3 naming the card and its value",
        cases=(
            Case(name="bitpix", build=card("BITPIX", "17"), code=3, **DAMAGED,
                 words="BITPIX=17 of HDU 0 is not a FITS type"),
            Case(name="negative", build=card("NAXIS1", "-5"), code=3, **DAMAGED,
                 words="NAXIS1=-5 of HDU 0 is negative"),
            Case(name="axes", build=card("NAXIS", "998"), code=3, **DAMAGED,
                 words="NAXIS3 of HDU 0 is missing"),
            Case(name="endless", build=card("NAXIS", "1000000000"), code=3, **DAMAGED,
                 words="NAXIS=1000000000 of HDU 0 is not possible"),
            Case(name="text", build=card("NAXIS2", "'many'"), code=3, **DAMAGED,
                 words="NAXIS2 of HDU 0 is missing or not a whole number"),
        ),
    ),
    Row(
        number=30,
        title="500,000 x 500,000 pixels in a file of 20 kB",
        happens="exit 3 before anything is allocated: the file ends at byte n of m",
        cases=(
            Case(name="size", build=enormous, code=3, **CUT_OFF,
                 words="of 1000000002880 (0 %)"),
        ),
    ),
    Row(
        number=31,
        title="a file larger than the memory",
        happens="read and written in pieces, with scratch files; the same bits",
        because="30 GB are no test: a small frame is read with limits that make it "
        "large; `benchmarks/speed/large_frame.py` measures large ones",
        cases=(
            Case(name="pieces", build=with_expected, fault=in_pieces,
                 check=same_in_pieces),
        ),
    ),
    Row(
        number=32,
        title="gzip, bzip2, gzip under another name, tile compression (RICE, GZIP, "
        "HCOMPRESS, PLIO), with NaN",
        happens="read; the result is a plain image at the same index",
        because="results are not compressed (DESIGN 4)",
        cases=(
            Case(name="gzip", build=zipped("in.fits.gz", gzip), file="in.fits.gz",
                 check=is_finite),
            Case(name="bzip2", build=zipped("in.fits.bz2", bz2), file="in.fits.bz2",
                 check=is_finite),
            Case(name="disguised", build=zipped("in.fits", gzip), check=is_finite),
            *(
                Case(name=kind, build=packed(kind), check=is_at(1), **PACKED)
                for kind in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1")
            ),
            Case(name="PLIO_1", build=packed("PLIO_1", whole_numbers), check=is_at(1),
                 **PACKED),
            Case(name="nan", build=packed("RICE_1", with_holes), check=holes_stay,
                 notice="3 pixels (0.059 %) are not finite", **PACKED),
        ),
    ),
    Row(
        number=33,
        title="a gzip bomb",
        happens="exit 3 a block after the size that the headers state",
        because="30 MB of zeros stand for all that could follow: reading stops at the "
        "first megabyte of them",
        cases=(
            Case(name="zeros", build=zipped("in.fits.gz", gzip, bytes(30_000_000)),
                 file="in.fits.gz", code=3, hint="made to fill the disk",
                 words="more than the stated 25920 bytes come out of the file"),
            Case(name="no-fits", file="in.fits.gz", code=3,
                 build=content(gzip.compress(bytes(30_000_000)), "in.fits.gz"),
                 words="the compressed file holds no FITS file"),
        ),
    ),
    Row(
        number=34,
        title="a damaged tile, a tile-compressed file that is cut off",
        happens="exit 3 naming the tile, or where the file ends; with `--salvage` the "
        "other tiles are cleaned, the rest is NaN, masked and counted",
        cases=(
            Case(name="tile", build=damaged_tile, code=3, hint="--salvage keeps",
                 words="first the tile of rows 16 to 31, columns 40 to 79", **PACKED),
            Case(name="tile-salvage", build=damaged_tile, **PACKED, **SALVAGE,
                 output={"layers": True}, check=lost(np.s_[16:32, 40:]),
                 notice="640 of 5120 pixels (12 %) cannot be read"),
            Case(name="cut", build=cut_tiles, code=3, hint="--salvage keeps", **PACKED,
                 words="the file ends at byte"),
            Case(name="cut-salvage", build=cut_tiles, **PACKED, **SALVAGE,
                 output={"layers": True}, check=lost(np.s_[48:, :]),
                 notice="1280 of 5120 pixels (25 %) cannot be read"),
        ),
    ),
    Row(
        number=35,
        title="damage that ends the decoder of a compressed image",
        happens="exit 3: the data of the HDU are damaged",
        because="seeded damage, read in a process of its own: a test must not end",
        cases=tuple(
            Case(name=kind, build=packed(kind, whole_numbers), play=fuzzed,
                 ways=(PYTHON,), **PACKED)
            for kind in ("HCOMPRESS_1", "PLIO_1", "RICE_1")
        ),
    ),
    Row(
        number=36,
        title="a wrong CHECKSUM or DATASUM",
        happens="cleaned, with a loud notice; with `--strict` exit 3",
        cases=(
            Case(name="notice", build=wrong_sum, check=is_finite,
                 notice="DATASUM of HDU 0 is wrong"),
            Case(name="strict", build=wrong_sum, code=3, settings={"strict": True},
                 words="DATASUM of HDU 0 is wrong", hint="leave out --strict"),
        ),
    ),
    Row(
        number=37,
        title="a table alone, an image within a table",
        happens="exit 4: no HDU holds an image",
        cases=(
            Case(name="table", build=tables, code=4, words="no HDU holds an image"),
            Case(name="column", build=image_in_table, code=4,
                 words="no HDU holds an image: 0 (empty), 1 STAMPS (table)"),
        ),
    ),
    Row(
        number=38,
        title="TIFF, PNG, XISF, camera raw, JPEG; a wrong extension",
        happens="TIFF and PNG are cleaned, with the notice that there are no sky "
        "coordinates; others: exit 3 with the hint to convert them. The first bytes "
        "tell what a file is, its extension what the result is; exit 2 if that cannot "
        "hold it",
        cases=(
            Case(name="tiff", build=picture("in.tif"), file="in.tif",
                 out="BGRem_in.tif", check=is_tiff,
                 notice="the file has no sky coordinates"),
            Case(name="png", build=picture("in.png"), file="in.png",
                 out="BGRem_in.tif", check=is_tiff,
                 notice="the file has no sky coordinates"),
            Case(name="tiff-as-fits", build=picture("in.fits"), check=is_finite),
            Case(name="fits-as-tiff", build=renamed("in.tif"), file="in.tif",
                 out="BGRem_in.tif", check=is_tiff),
            # A window asks for the name of what it saves.
            Case(name="fits-as-dat", build=renamed("in.dat"), file="in.dat", code=2,
                 words="is of no type that can hold the values",
                 hint="use .fits or .tif", ways=(COMMAND, PYTHON)),
            Case(name="xisf", build=content(b"XISF0100" + bytes(100)), code=3,
                 words="this is an XISF file", **CONVERT),
            Case(name="raw", build=content(b"II*\0\x10\0\0\0CR\x02\0" + bytes(600)),
                 code=3, words="this is a camera raw file", **CONVERT),
            Case(name="jpeg", build=content(b"\xff\xd8\xff\xe0" + bytes(600)), code=3,
                 words="this is a JPEG file", **CONVERT),
        ),
    ),
)  # fmt: skip
