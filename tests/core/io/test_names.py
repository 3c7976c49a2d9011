from pathlib import Path

import pytest

from bgrem_core.errors import UsageError
from bgrem_core.io import catalog_path, output_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.fits", "BGRem_a.fits"),
        ("a.fits.gz", "BGRem_a.fits"),
        ("a.fits.fz", "BGRem_a.fits"),
        ("a.fits.bz2", "BGRem_a.fits"),
        ("a.FITS.GZ", "BGRem_a.FITS"),
        ("a.b.fit", "BGRem_a.b.fit"),
        ("a.tiff", "BGRem_a.tiff"),
        ("a.png", "BGRem_a.tif"),
    ],
)
def test_output_name_is_prefix_and_unpacked_input_name(name, expected):
    assert output_path(Path("x") / name, folder=None) == Path("x") / expected
    assert output_path(Path("x") / name, folder="out") == Path("out") / expected


@pytest.mark.parametrize(
    "prefix",
    ["../x", "../../x", "/x", "a/b", "a\\b", "C:", "C:\\x", "a\0b", "a\nb", "\x1b[31m",
     "what?", "x" * 300, "CON.", "nul."],
)  # fmt: skip
def test_a_prefix_cannot_lead_out_of_the_folder(prefix):
    with pytest.raises(UsageError, match=r"prefix|bytes long|Windows"):
        output_path("a.fits", folder="out", prefix=prefix)


def test_length_counts_bytes_not_letters():
    assert output_path("a.fits", folder=None, prefix="x" * 249)
    with pytest.raises(UsageError, match="257 bytes long"):
        output_path("é.fits", folder=None, prefix="x" * 250)


@pytest.mark.parametrize("word", ["ecsv", ".ecsv", "csv", "reg", "vot"])
def test_a_bare_extension_puts_the_catalogue_beside_the_output(word):
    extension = word.removeprefix(".")
    output = Path("out/BGRem_a.fits")
    assert catalog_path(output, word) == Path(f"out/BGRem_a.{extension}")


def test_a_catalogue_never_replaces_the_image():
    output = Path("out/BGRem_a.fits")
    assert catalog_path(output, ".fits") == Path("out/BGRem_a_catalog.fits")
    assert catalog_path(output, "my/list.csv") == Path("my/list.csv")
    with pytest.raises(UsageError, match="the cleaned image itself"):
        catalog_path(output, "out/BGRem_a.fits")
