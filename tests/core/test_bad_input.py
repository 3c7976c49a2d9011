"""Bad input, row by row: what is refused and how, and what is handled and how.

Each case builds its input, runs the command, and checks the exit code, the one line
that is printed, that nothing is left behind and that no input has changed.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli
from bgrem_core.errors import BGRemError
from bgrem_core.io import open_image

SHAPE = (64, 80)
OUT = "BGRem_in.fits"


def noise(seed=0):
    return np.random.default_rng(seed).normal(1000, 10, SHAPE).astype(np.float32)


def save(path, *hdus):
    first = hdus[0]
    if isinstance(first, np.ndarray):
        hdus = (fits.PrimaryHDU(first), *hdus[1:])
    elif not isinstance(first, fits.PrimaryHDU):
        hdus = (fits.PrimaryHDU(), *hdus)
    fits.HDUList(list(hdus)).writeto(path)


def edit(path, key, value):
    """Write a card over the bytes of a file, whatever the standard says."""
    raw = path.read_bytes()
    card = f"{key:8}= {value:>20}".encode("latin-1").ljust(80)
    at = next(k for k in range(0, len(raw), 80) if raw[k : k + 8] in
              {f"{key:8}".encode(), b"EXTEND  "})  # fmt: skip
    path.write_bytes(raw[:at] + card + raw[at + 80 :])


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the contract."""

    row: str
    build: Callable[[Path], None]
    code: int = 0
    words: str = ""
    options: tuple[str, ...] = ()
    check: Callable[[Path], None] = field(default=lambda folder: None)
    name: str = "in.fits"
    # Refused before the file is looked at, so that `open_image` has no say.
    usage: bool = False
    # What the user is told where the input is handled.
    notice: str = ""


# What is built ------------------------------------------------------------------


def plain(folder, data=None):
    save(folder / "in.fits", noise() if data is None else data)


def typed(dtype):
    def build(folder):
        level = 900 if dtype == np.uint8 else 0
        plain(folder, (noise() - level).astype(dtype))

    return build


def scaled(folder):
    stored = np.round(noise() - 1000).astype(np.int16)
    stored[5, 6] = -32768
    plain(folder, stored)
    path = folder / "in.fits"
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update({"BSCALE": 0.5, "BZERO": 500.0, "BLANK": -32768})


def extreme_blank(folder):
    stored = np.round(noise()).astype(np.int64)
    stored[5, 6] = -(2**63)
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BLANK"] = -(2**63)
    save(folder / "in.fits", hdu)


def text_scale(folder):
    typed(np.int16)(folder)
    edit(folder / "in.fits", "BSCALE", "'0.5     '")


def zero_scale(folder):
    typed(np.int16)(folder)
    edit(folder / "in.fits", "BSCALE", "0.0")


def holes(folder):
    data = noise()
    data[10:20, 10:20] = np.nan
    data[40, 40], data[41, 41] = np.inf, -np.inf
    plain(folder, data)


def saturated(folder):
    data = noise()
    data[30:40, 30:34] = 60000
    data[:, 31] = 60000
    hdu = fits.PrimaryHDU(data)
    hdu.header["SATURATE"] = 55000.0
    save(folder / "in.fits", hdu)


def sized(*shape):
    def build(folder):
        plain(folder, np.random.default_rng(1).normal(5, 1, shape).astype(np.float32))

    return build


def empty_primary(folder):
    save(folder / "in.fits", fits.ImageHDU(noise(), name="CCD"))


def table_only(folder):
    column = fits.Column("a", "E", array=np.arange(5.0))
    save(folder / "in.fits", fits.BinTableHDU.from_columns([column], name="CAT"))


def sci(folder):
    quality = np.zeros(SHAPE, np.int16)
    quality[3, 4] = 16
    save(
        folder / "in.fits",
        fits.ImageHDU(noise(), name="SCI"),
        fits.ImageHDU(np.full(SHAPE, 10, np.float32), name="ERR"),
        fits.ImageHDU(quality, name="DQ"),
    )


def world(**cards):
    base = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0,
        "CRPIX1": 30.0, "CRPIX2": 40.0, "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0,
        "CD2_2": 1e-4,
    }  # fmt: skip

    def build(folder):
        save(folder / "in.fits", fits.PrimaryHDU(noise(), fits.Header(base | cards)))

    return build


def non_ascii(folder):
    save(folder / "in.fits", fits.PrimaryHDU(noise(), fits.Header({"OBS": "Mxller"})))
    path = folder / "in.fits"
    path.write_bytes(path.read_bytes().replace(b"Mxller", b"M\xfcller"))


def truncated(folder):
    plain(folder)
    path = folder / "in.fits"
    path.write_bytes(path.read_bytes()[: 2880 + 10000])


def content(data):
    def build(folder):
        (folder / "in.fits").write_bytes(data)

    return build


def header_only(folder):
    plain(folder)
    path = folder / "in.fits"
    path.write_bytes(path.read_bytes()[:2880])


def card(key, value):
    def build(folder):
        plain(folder)
        edit(folder / "in.fits", key, value)

    return build


def enormous(folder):
    plain(folder)
    edit(folder / "in.fits", "NAXIS1", "500000")
    edit(folder / "in.fits", "NAXIS2", "500000")


def wrong_sum(folder):
    fits.PrimaryHDU(noise()).writeto(folder / "in.fits", checksum=True)
    path = folder / "in.fits"
    raw = bytearray(path.read_bytes())
    raw[2880 + 402] ^= 1
    path.write_bytes(raw)


def picture(suffix):
    def build(folder):
        data = noise()
        if suffix == "tif":
            import tifffile

            tifffile.imwrite(folder / "in.tif", data)
        else:
            from PIL import Image

            Image.fromarray(data.astype(np.uint16)).save(folder / "in.png")

    return build


def existing(folder):
    plain(folder)
    (folder / OUT).write_bytes(b"precious")


def linked(link):
    def build(folder):
        plain(folder)
        link(folder / "in.fits", folder / OUT)

    return build


def weights(data):
    def build(folder):
        plain(folder)
        (folder / "model.safetensors").write_bytes(data)

    return build


# What is checked ----------------------------------------------------------------


def cleaned(folder, name=OUT, hdu=0):
    with fits.open(folder / name, checksum=True) as hdus:
        hdus.verify("exception")
        return np.array(hdus[hdu].data), hdus[hdu].header.copy()


def is_finite(folder):
    data, header = cleaned(folder)
    assert header["BITPIX"] == -32
    assert np.isfinite(data).all()
    # The sky is gone, the noise is not a flat nothing.
    assert abs(np.median(data)) < 5
    assert data.std() > 0


def is_blank_at_one_pixel(folder):
    data, header = cleaned(folder)
    assert not {"BLANK", "BSCALE", "BZERO"} & set(header)
    assert np.isnan(data[5, 6])
    assert np.isfinite(data).sum() == data.size - 1


def holes_stay(folder):
    data, _ = cleaned(folder)
    stored = fits.getdata(folder / "in.fits")
    np.testing.assert_array_equal(np.isfinite(data), np.isfinite(stored))
    assert data[40, 40] == np.inf
    assert data[41, 41] == -np.inf


def is_without_noise(folder):
    data, _ = cleaned(folder)
    np.testing.assert_array_equal(data, 0)


def does_not_ring(folder):
    data, _ = cleaned(folder)
    far = np.ones(SHAPE, bool)
    far[:, 28:37] = False
    assert abs(np.median(data[far])) < 3
    near = data[:, 27][np.r_[0:64]]
    assert abs(np.median(near)) < 10


def image_at(index):
    def check(folder):
        data, header = cleaned(folder, hdu=index)
        assert data.shape == SHAPE
        assert "BGRVER" in header

    return check


def others_are_untouched(folder):
    image_at(1)(folder)
    with fits.open(folder / "in.fits") as old, fits.open(folder / OUT) as new:
        for index in (2, 3):
            assert str(old[index].header) == str(new[index].header)
            np.testing.assert_array_equal(old[index].data, new[index].data)


def keeps(*keys):
    def check(folder):
        _, header = cleaned(folder)
        old = fits.getheader(folder / "in.fits")
        for key in keys:
            assert header.cards[key].image == old.cards[key].image

    return check


def is_written_as(name):
    def check(folder):
        import tifffile

        data = tifffile.imread(folder / name)
        assert data.dtype == np.float32
        assert data.shape == SHAPE

    return check


def old_file_stays(folder):
    assert (folder / OUT).read_bytes() == b"precious"


SIP = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2,
       "B_ORDER": 2, "A_2_0": 1e-5, "B_0_2": 1e-5}  # fmt: skip
TPV = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.01, "PV2_1": 1.01}

CASES = [
    Case(row="1-big-endian", build=typed(">f4"), check=is_finite),
    Case(row="1-double", build=typed(">f8"), check=is_finite),
    Case(row="2-uint8", build=typed(np.uint8), check=is_finite),
    Case(row="2-int16", build=typed(np.int16), check=is_finite),
    Case(row="2-uint16", build=typed(np.uint16), check=is_finite),
    Case(row="2-int64", build=typed(np.int64), check=is_finite),
    Case(row="3-scaled", build=scaled, check=is_blank_at_one_pixel),
    Case(row="4-blank", build=extreme_blank, check=is_blank_at_one_pixel),
    Case(row="5-text", build=text_scale, code=3, words="BSCALE is text ('0.5')"),
    Case(row="6-zero", build=zero_scale, code=4, words="constant (BSCALE=0)"),
    Case(row="7-holes", build=holes, check=holes_stay),
    Case(row="8-nan", build=lambda f: plain(f, noise() * np.nan), code=4,
         words="no pixel of the image is finite"),
    Case(row="9-constant", build=lambda f: plain(f, noise() * 0 + 7),
         check=is_without_noise),
    Case(row="9-zero", build=lambda f: plain(f, noise() * 0), check=is_without_noise),
    Case(row="10-saturated", build=saturated, check=does_not_ring),
    Case(row="11-large", build=lambda f: plain(f, noise().astype(float) * 1e297),
         code=4, words="too large for 32-bit"),
    Case(row="11-small", build=lambda f: plain(f, noise().astype(float) * 1e-303),
         code=4, words="too small for 32-bit"),
    Case(row="12-1x1", build=sized(1, 1), code=4, words="too small: 1 x 1 pixels"),
    Case(row="12-1xN", build=sized(1, 500), code=4, words="too small"),
    Case(row="12-Nx1", build=sized(500, 1), code=4, words="too small"),
    Case(row="12-16", build=sized(16, 16), check=is_finite),
    Case(row="12-long", build=sized(16, 900), check=is_finite),
    Case(row="13-primary-empty", build=empty_primary, check=image_at(1)),
    Case(row="13-no-image", build=table_only, code=4, words="1 CAT (table)"),
    Case(row="14-sci", build=sci, check=others_are_untouched),
    Case(row="19-sip", build=world(**SIP), check=keeps(*SIP, "CD1_1", "CRPIX1")),
    Case(row="20-tpv", build=world(**TPV), check=keeps(*TPV, "CD1_1", "CRPIX1")),
    Case(row="21-singular", build=world(CD1_1=0.0), check=keeps("CD1_1", "CD2_2")),
    Case(row="22-text", build=world(CRVAL1="ten"), check=keeps("CRVAL1")),
    Case(row="22-unit", build=world(CUNIT1="furlong"), check=keeps("CUNIT1")),
    Case(row="24-non-ascii", build=non_ascii, check=is_finite),
    Case(row="27-truncated", build=truncated, code=3,
         words="ends at byte 12880 of 23360 (55 %)"),
    Case(row="28-header-only", build=header_only, code=3, words="ends at byte 2880 of"),
    Case(row="28-empty", build=content(b""), code=3, words="the file is empty"),
    Case(row="28-html", build=content(b"<!DOCTYPE html><html>404</html>"), code=3,
         words="HTML"),
    Case(row="29-bitpix", build=card("BITPIX", "17"), code=3, words="BITPIX=17"),
    Case(row="29-negative", build=card("NAXIS1", "-5"), code=3, words="NAXIS1=-5"),
    Case(row="29-axes", build=card("NAXIS", "998"), code=3, words="NAXIS3 of HDU 0"),
    Case(row="30-size", build=enormous, code=3, words="of 1000000002880 (0 %)"),
    Case(row="36-checksum", build=wrong_sum, check=is_finite, notice="DATASUM of"),
    Case(row="36-strict", build=wrong_sum, code=3, words="DATASUM of",
         options=("--strict",), usage=True),
    Case(row="37-table", build=table_only, code=4, words="no HDU holds an image"),
    Case(row="38-tiff", build=picture("tif"), name="in.tif",
         check=is_written_as("BGRem_in.tif")),
    Case(row="38-png", build=picture("png"), name="in.png",
         check=is_written_as("BGRem_in.tif")),
    Case(row="38-xisf", build=content(b"XISF0100" + bytes(100)), code=3,
         words="convert it"),
    Case(row="38-raw", build=content(b"II*\0\x10\0\0\0CR\x02\0" + bytes(600)), code=3,
         words="camera raw"),
    Case(row="38-jpeg", build=content(b"\xff\xd8\xff\xe0" + bytes(600)), code=3,
         words="JPEG"),
    Case(row="39-exists", build=existing, code=5, words="exists already",
         check=old_file_stays, usage=True),
    Case(row="39-hardlink", build=linked(os.link), code=5,
         words="is the input itself", options=("--overwrite",), usage=True),
    Case(row="39-symlink", build=linked(os.symlink), code=5,
         words="is the input itself", options=("--overwrite",), usage=True),
    Case(row="39-no-prefix", build=plain, code=5, words="is the input itself",
         options=("-p", "", "--overwrite"), usage=True),
    Case(row="40-up", build=plain, code=2, words="prefix", options=("-p", "../../x"),
         usage=True),
    Case(row="40-absolute", build=plain, code=2, words="prefix", options=("-p", "/x"),
         usage=True),
    Case(row="40-nul", build=plain, code=2, words="prefix", options=("-p", "a\0b"),
         usage=True),
    Case(row="40-long", build=plain, code=2, words="bytes long",
         options=("-p", "x" * 300), usage=True),
    Case(row="40-windows", build=plain, code=2, words="Windows",
         options=("-p", "CON."), usage=True),
    Case(row="46-folder", build=lambda f: (f / "in.fits").mkdir(), code=3,
         words="this is a folder"),
    Case(row="46-fifo", build=lambda f: os.mkfifo(f / "in.fits"), code=3,
         words="not a regular file"),
    Case(row="46-device", build=lambda f: (f / "in.fits").symlink_to(os.devnull),
         code=3, words="not a regular file"),
    Case(row="46-url", build=plain, name="https://example.org/in.fits", code=3,
         words="URL"),
    Case(row="46-missing", build=lambda f: None, code=3, words="no such file"),
    Case(row="47-pickle", build=weights(b"PK\x03\x04" + bytes(1000)), code=6,
         words="model", options=("--model", "MODEL"), usage=True),
    Case(row="47-truncated", build=weights(b"\xff" * 5), code=6, words="model",
         options=("--model", "MODEL"), usage=True),
    Case(row="47-bloated", build=weights((2**40).to_bytes(8, "little") + b"{}"),
         code=6, words="model", options=("--model", "MODEL"), usage=True),
    Case(row="47-unknown", build=plain, code=6, words="model",
         options=("--model", "no-such-model"), usage=True),
    Case(row="49-steps-0", build=plain, code=2, words="steps",
         options=("--method", "bgrem", "-s", "0"), usage=True),
    Case(row="49-steps-many", build=plain, code=2, words="steps",
         options=("--method", "bgrem", "-s", "1000000000"), usage=True),
    Case(row="49-norm-negative", build=plain, code=2, words="norm=-1",
         options=("--method", "bgrem", "-n", "-1"), usage=True),
    Case(row="49-norm-nan", build=plain, code=2, words="norm=nan",
         options=("--method", "bgrem", "-n", "nan"), usage=True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"row-{c.row}")
def test_row(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case.build(tmp_path)
    before = {
        p.name: digest(p)
        for p in tmp_path.iterdir()
        if p.is_file() and not p.is_symlink()
    }
    options = [o.replace("MODEL", str(tmp_path / "model.safetensors"))
               if o == "MODEL" else o for o in case.options]  # fmt: skip
    method = [] if {"--method", "--model"} & set(options) else ["--method", "mesh"]
    code = cli.main(["-f", case.name, *method, *options])
    said = capsys.readouterr()
    assert code == case.code, said.err
    assert "Traceback" not in said.out + said.err
    for name, old in before.items():
        assert digest(tmp_path / name) == old
    case.check(tmp_path)
    assert case.notice in said.out
    if case.code:
        lines = said.err.strip().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("bgrem: ")
        assert case.words in lines[0]
        # Nothing new lies about.
        assert set(before) == {
            p.name for p in tmp_path.iterdir() if p.is_file() and not p.is_symlink()
        }
    if case.code and not case.usage:
        with pytest.raises(BGRemError) as caught:
            open_image(case.name)
        assert caught.value.code == case.code
        assert case.words in str(caught.value)


def test_row_23_a_cut_out_moves_its_reference_pixel(tmp_path):
    from bgrem_core.crop import crop

    world(**SIP)(tmp_path)
    image = open_image(tmp_path / "in.fits")
    part = crop(image, (slice(8, 40), slice(20, 60)))
    assert part.shape == (32, 40)
    whole = image.wcs.all_pix2world([(30, 20)], 0)
    moved = part.wcs.all_pix2world([(10, 12)], 0)
    np.testing.assert_allclose(moved, whole, rtol=0, atol=1e-9 * 1e-4)


def test_row_38_many_files_go_on_after_a_bad_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain(tmp_path)
    Path("bad.fits").write_bytes(b"<html>")
    assert cli.main(["-f", "bad.fits", "in.fits", "--method", "mesh"]) == 1
    assert Path(OUT).exists()
    assert "bgrem: bad.fits: " in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
def test_row_41_a_read_only_folder_is_refused_before_any_work(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    plain(tmp_path)
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    opened = []
    real_open = os.open

    def refuse(path, flags, *rest, **more):
        if Path(path).parent == sealed and flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags, *rest, **more)

    # Rights do not bind a superuser, who runs many a test.
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr("bgrem_core.batch.open_image", opened.append)
    options = ["--method", "mesh", "-o", str(sealed)]
    assert cli.main(["-f", "in.fits", *options]) == 5
    assert "cannot be written (Permission denied)" in capsys.readouterr().err
    assert not opened


def test_row_42_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    existing(tmp_path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code = cli.main(["-f", "in.fits", "--method", "mesh", "--overwrite"])
    assert code == 5
    assert "No space left on device" in capsys.readouterr().err
    old_file_stays(tmp_path)
    assert not list(tmp_path.glob(".bgrem-*"))


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_row_43_a_kill_while_writing_leaves_the_old_file(tmp_path):
    existing(tmp_path)
    code = """
        import os, signal, sys
        from bgrem_core import cli
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        sys.exit(cli.main(sys.argv[1:]))
    """
    command = ["-f", "in.fits", "--method", "mesh", "--overwrite"]
    run = [sys.executable, "-c", textwrap.dedent(code), *command]
    killed = subprocess.run(run, cwd=tmp_path, check=False, capture_output=True)
    assert killed.returncode == -9
    old_file_stays(tmp_path)
    # The unfinished file and the lock, which nobody holds any more.
    left = sorted(p.suffix for p in tmp_path.glob(".bgrem-*"))
    assert left == [".lock", ".tmp"]
    run = [sys.executable, "-m", "bgrem_core", *command]
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True)
    assert not list(tmp_path.glob(".bgrem-*"))
    cleaned(tmp_path)


def test_row_43_ctrl_c_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain(tmp_path)

    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    assert cli.main(["-f", "in.fits", "--method", "mesh"]) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["in.fits"]
    assert "Traceback" not in capsys.readouterr().err


def test_packed_input_is_read_and_its_bomb_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain(tmp_path)
    raw = Path("in.fits").read_bytes()
    Path("in.fits").unlink()
    Path("in.fits.gz").write_bytes(gzip.compress(raw))
    assert cli.main(["-f", "in.fits.gz", "--method", "mesh"]) == 0
    is_finite(tmp_path)
    Path("bomb.fits.gz").write_bytes(gzip.compress(raw + bytes(30_000_000)))
    assert cli.main(["-f", "bomb.fits.gz", "--method", "mesh"]) == 3
    assert "more than the stated" in capsys.readouterr().err


HANDLED = [c for c in CASES if not c.code and "--method" not in c.options]


@pytest.mark.parametrize(
    "case",
    [c for c in HANDLED if c.row.startswith(("1-", "7-", "9-", "10-", "12-"))],
    ids=lambda c: f"row-{c.row}",
)
def test_row_through_the_network(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case.build(tmp_path)
    assert cli.main(["-f", case.name, *case.options, "--quiet"]) == 0
    case.check(tmp_path)
