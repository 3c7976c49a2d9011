"""The command line: flags, exit codes, several files, cancelling."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from bgrem_core import cli
from bgrem_core.methods import METHODS


@pytest.fixture
def file(tmp_path, frame):
    path = tmp_path / "frame.fits"
    fits.writeto(path, frame, fits.Header({"OBJECT": "noise", "BUNIT": "ADU"}))
    return path


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_main_job_writes_a_cleaned_image_and_a_catalogue(file, capsys):
    assert cli.main(["-f", str(file), "--catalog", ".ecsv", "--sky-scale", "64"]) == 0
    assert names(file.parent) == ["BGRem_frame.ecsv", "BGRem_frame.fits", "frame.fits"]
    cleaned = fits.getdata(file.parent / "BGRem_frame.fits")
    assert cleaned.std() < 1.5
    assert abs(cleaned.mean()) < 1
    QTable.read(file.parent / "BGRem_frame.ecsv")
    said = capsys.readouterr().out
    words = "HDU 0", "gain unknown", "noise sigma", "FWHM", "sky mesh 64", "expected"
    for word in words:
        assert word in said


def test_cli_and_python_give_equal_bits(file):
    import bgrem_core

    assert cli.main(["-f", str(file), "-s", "2", "--sky-scale", "100"]) == 0
    written = fits.getdata(file.parent / "BGRem_frame.fits")
    result = bgrem_core.clean(file, steps=2, sky_scale=100)
    assert written.astype("f4").tobytes() == result.cleaned.tobytes()


def test_a_registered_method_brings_its_flags(toy_method, file, frame, capsys):
    arguments = ["-f", str(file), "--method", "toy", "--toy-level", "3", "--quiet"]
    assert cli.main(arguments) == 0
    cleaned = fits.getdata(file.parent / "BGRem_frame.fits")
    np.testing.assert_array_equal(cleaned, frame - np.float32(3))
    assert "--toy-mood" in cli.build_parser().format_help()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--toy-level", "3"], "--toy-level belongs to --method toy"),
        (["--method", "mesh", "-s", "3"], "--steps belongs to --method bgrem"),
        (["-s", "many"], "--steps 'many' is not understood. use int"),
        (["-s", "0"], "steps=0 is out of range. use a whole number from 1 to 100"),
        (["--tile", "64", "--margin", "32"], "margin=32 leaves nothing of tile=64"),
        (["--sky-scale", "huge"], "--sky-scale 'huge' is not understood"),
        (["--wrong"], "unrecognized arguments: --wrong"),
        (["--strength", "2"], "strength=2.0 is out of range"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    toy_method, file, arguments, message, capsys
):
    assert cli.main(["-f", str(file), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("bgrem: ")
    assert error.count("\n") == 1
    assert names(file.parent) == ["frame.fits"]


def test_h_alone_is_help_and_h_with_a_number_is_the_hdu(tmp_path, frame, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["-h"])
    assert exit_.value.code == 0
    assert "--sky-scale" in capsys.readouterr().out
    path = tmp_path / "two.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(frame), fits.ImageHDU(frame + 50)]
    fits.HDUList(hdus).writeto(path)
    assert cli.main(["-f", str(path), "-h", "2", "--method", "mesh"]) == 0
    with fits.open(tmp_path / "BGRem_two.fits") as out:
        assert abs(out[2].data.mean()) < 1
        np.testing.assert_array_equal(out[1].data, frame)


def test_one_bad_file_does_not_stop_the_others(tmp_path, frame, capsys):
    fits.writeto(tmp_path / "a.fits", frame)
    (tmp_path / "b.fits").write_text("no image")
    fits.writeto(tmp_path / "c.fits", frame)
    out = tmp_path / "out"
    out.mkdir()
    files = [str(tmp_path / f"{n}.fits") for n in "abc"]
    assert cli.main(["-f", *files, "-o", str(out), "--method", "mesh"]) == 1
    assert names(out) == ["BGRem_a.fits", "BGRem_c.fits"]
    said = capsys.readouterr()
    assert "3 files: 2 done, 1 failed" in said.out
    assert "b.fits" in said.err


def test_results_of_bgrem_are_skipped_with_a_notice(file, capsys):
    assert cli.main(["-f", str(file), "--method", "mesh"]) == 0
    again = file.parent / "BGRem_frame.fits"
    assert cli.main(["-f", str(again), "--method", "mesh"]) == 0
    assert "skipped" in capsys.readouterr().out
    assert names(file.parent) == ["BGRem_frame.fits", "frame.fits"]


def test_patterns_that_the_shell_left_alone_are_expanded(tmp_path, frame):
    for name in "ab":
        fits.writeto(tmp_path / f"{name}.fits", frame)
    assert cli.main(["-f", str(tmp_path / "*.fits"), "--method", "mesh"]) == 0
    assert "BGRem_b.fits" in names(tmp_path)


def test_json_holds_one_object_a_file(tmp_path, file, capsys):
    bad = tmp_path / "bad.fits"
    bad.write_text("no image")
    cli.main(["-f", str(file), str(bad), "--json", "--method", "mesh"])
    good, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["status"] == "ok"
    assert good["planes"][0]["sigma"] == pytest.approx(5, rel=0.05)
    assert (failed["status"], failed["code"]) == ("failed", 3)


def test_ctrl_c_leaves_nothing_behind(toy_method, file, capsys):
    def interrupt(done):
        if done == 2:
            raise KeyboardInterrupt

    toy_method.hook["before_tile"] = interrupt
    assert cli.main(["-f", str(file), "--method", "toy"]) == 130
    assert names(file.parent) == ["frame.fits"]
    assert "cancelled" in capsys.readouterr().err


def test_a_model_of_another_method_says_which(toy_method, file, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_method_of_model", lambda _model: "toy")
    assert cli.main(["-f", str(file), "--model", "optical"]) == 2
    assert "--model belongs to --method bgrem" in capsys.readouterr().err


def test_a_model_whose_method_is_not_there_says_so(file, capsys, monkeypatch):
    monkeypatch.delitem(METHODS, "gamma", raising=False)
    assert cli.main(["-f", str(file), "--model", "gamma"]) == 2
    assert "for the method gamma, which this version" in capsys.readouterr().err
    assert names(file.parent) == ["frame.fits"]


def test_models_lists_what_is_shipped(capsys):
    assert cli.main(["models"]) == 0
    said = capsys.readouterr().out
    for name in ("optical", "gamma", "satellites"):
        assert f"{name} (version" in said


def test_every_method_is_on_the_command_line():
    text = cli.build_parser().format_help()
    assert all(name in text for name in METHODS)


def test_no_result_replaces_another_input(tmp_path, frame, capsys):
    for name in "ab":
        fits.writeto(tmp_path / f"{name}.fits", frame)
    before = (tmp_path / "b.fits").read_bytes()
    files = [str(tmp_path / f"{name}.fits") for name in "ab"]
    catalog = ["--catalog", str(tmp_path / "b.fits"), "--overwrite"]
    assert cli.main(["-f", *files, "--method", "mesh", *catalog]) == 5
    assert "would replace the input" in capsys.readouterr().err
    assert (tmp_path / "b.fits").read_bytes() == before
    assert names(tmp_path) == ["a.fits", "b.fits"]


def test_two_results_of_one_name_are_refused_beforehand(tmp_path, frame, capsys):
    for name in "ab":
        (tmp_path / name).mkdir()
        fits.writeto(tmp_path / name / "f.fits", frame)
    files = [str(tmp_path / name / "f.fits") for name in "ab"]
    out = tmp_path / "out"
    arguments = ["-f", *files, "-o", str(out), "--method", "mesh", "--overwrite"]
    assert cli.main(arguments) == 2
    assert "would hold the results of both" in capsys.readouterr().err
    assert not out.exists() or names(out) == []


def test_a_catalogue_that_cannot_be_written_leaves_no_image(file, monkeypatch):
    from bgrem_core.errors import WriteError

    def full(table, stream):
        raise WriteError("the disk is full")

    monkeypatch.setattr("bgrem_core.catalog.find_writer", lambda path: full)
    assert cli.main(["-f", str(file), "--method", "mesh", "--catalog", ".csv"]) == 5
    assert names(file.parent) == ["frame.fits"]


def test_an_image_that_cannot_be_written_leaves_no_catalogue(file, monkeypatch):
    from bgrem_core.errors import WriteError

    def full(*arguments, **options):
        raise WriteError("the disk is full")

    monkeypatch.setattr("bgrem_core.batch.write", full)
    assert cli.main(["-f", str(file), "--method", "mesh", "--catalog", ".csv"]) == 5
    assert names(file.parent) == ["frame.fits"]


@pytest.mark.parametrize("extra", [["--catalog", "foo.txt"], ["--json", "-s", "0"]])
def test_usage_is_checked_before_the_work(file, extra, capsys):
    assert cli.main(["-f", str(file), *extra]) == 2
    said = capsys.readouterr().out
    if "--json" in extra:
        assert json.loads(said)["code"] == 2
    assert names(file.parent) == ["frame.fits"]


def test_a_folder_for_the_results_is_made(file):
    out = file.parent / "cleaned"
    assert cli.main(["-f", str(file), "-o", str(out), "--method", "mesh"]) == 0
    assert names(out) == ["BGRem_frame.fits"]


def test_negative_numbers_with_an_exponent_are_numbers(file):
    assert cli.main(["-f", str(file), "-m", "-1e3", "--sky-scale", "64"]) == 0


def test_a_file_of_another_kind_does_not_stop_the_others(tmp_path, frame):
    fits.writeto(tmp_path / "a.fits", frame)
    (tmp_path / "notes.txt").write_text("no image")
    files = [str(tmp_path / name) for name in ("notes.txt", "a.fits")]
    assert cli.main(["-f", *files, "--method", "mesh"]) == 1
    assert names(tmp_path) == ["BGRem_a.fits", "a.fits", "notes.txt"]
