"""The demo does the main job and says what it found."""

import io
import re
from contextlib import redirect_stdout

import pytest

from bgrem_core.cli import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demo once; gives its folder and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    said = io.StringIO()
    with redirect_stdout(said):
        assert main(["demo", "-o", str(folder)]) == 0
    return folder, said.getvalue()


def test_the_demo_leaves_cleaned_image_catalogue_and_picture(demo):
    from astropy.io import fits
    from astropy.table import QTable

    folder, _ = demo
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"BGRem_decam_r.{ext}" for ext in ("ecsv", "fits", "png")]
    with fits.open(folder / "BGRem_decam_r.fits") as hdus:
        layers = {hdu.name for hdu in hdus}
        assert {"SKY", "NOISE", "RESIDUAL", "MASK", "SUBTRACTED"} <= layers
    assert len(QTable.read(folder / "BGRem_decam_r.ecsv")) > 5


def test_the_demo_says_what_was_found_and_where_it_is(demo):
    folder, said = demo
    assert re.search(r"^Noise +sigma 7\.\d+ adu per pixel", said, re.MULTILINE)
    assert re.search(r"^Sky +1[67]\d\.\d adu", said, re.MULTILINE)
    assert re.search(r"^Found +\d+ sources", said, re.MULTILINE)
    assert re.search(r"^Brightest .* ± .* adu, S/N \d+", said, re.MULTILINE)
    for path in folder.iterdir():
        assert str(path) in said


def test_the_demo_never_overwrites_unasked(tmp_path, capsys):
    (tmp_path / "BGRem_decam_r.png").write_text("mine")
    assert main(["demo", "-o", str(tmp_path)]) == 5
    assert "use --overwrite" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_an_error_of_writing(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "-o", str(tmp_path / "file" / "folder")]) == 5
    assert "cannot be made" in capsys.readouterr().err
