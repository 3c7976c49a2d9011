"""Many files: what fails stays alone, what is done stays done, who writes is told."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli
from bgrem_core.plain_text import plain

needs_locks = pytest.mark.skipif(os.name == "nt", reason="no flock")


@pytest.fixture
def night(tmp_path):
    """Three small frames in a folder."""
    folder = tmp_path / "night"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for name in "abc":
        data = rng.normal(100, 5, (40, 48)).astype(np.float32)
        fits.writeto(folder / f"{name}.fits", data)
    return folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def clean(*words):
    """Run the command on tiny frames; the mesh needs no torch."""
    return cli.main(["--method", "mesh", *map(str, words)])


HOLDER = """
    import sys
    from bgrem_core.io import hold
    with hold(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
"""


@needs_locks
@pytest.mark.parametrize("flags", [[], ["--overwrite"]], ids=["new", "overwrite"])
def test_what_another_process_writes_is_left_to_it_and_said(night, flags, capsys):
    target = night / "BGRem_b.fits"
    if flags:
        target.write_bytes(b"old")
    run = [sys.executable, "-c", textwrap.dedent(HOLDER), str(target)]
    pipe = subprocess.PIPE
    with subprocess.Popen(run, stdout=pipe, stdin=pipe) as process:
        assert process.stdout.readline() == b"held\n"
        assert clean("-f", *sorted(night.glob("?.fits")), *flags) == 1
        process.communicate(b"\n")
    said = capsys.readouterr()
    told = f"BGRem_b.fits is being written by process {process.pid}"
    assert told in said.err
    assert "3 files: 2 done, 1 failed" in said.out
    written = {"BGRem_a.fits", "BGRem_c.fits"} | ({"BGRem_b.fits"} if flags else set())
    assert set(names(night)) == {"a.fits", "b.fits", "c.fits"} | written
    if flags:
        assert target.read_bytes() == b"old"


def test_a_folder_that_vanishes_is_told_for_each_file_and_not_made_again(
    night, toy_method, capsys
):
    out = night.parent / "out"
    tiles = []

    def vanish(_done):
        tiles.append(1)
        if len(tiles) == 2:
            for path in out.iterdir():
                path.unlink()
            out.rmdir()

    toy_method.hook["before_tile"] = vanish
    files = sorted(night.glob("?.fits"))
    assert cli.main(["--method", "toy", "-o", str(out), "-f", *map(str, files)]) == 1
    said = capsys.readouterr()
    assert said.err.count(f"{plain(out, instead=' ')} does not exist") == 2
    # The third was not even begun.
    assert len(tiles) == 2
    assert "3 files: 1 done, 2 failed" in said.out
    assert not out.exists()


def written(folder):
    """Return name, bytes and place on disk of every result."""
    return {
        p.name: (p.read_bytes(), p.stat().st_ino)
        for p in folder.iterdir()
        if p.name.startswith("BGRem_")
    }


class TestSecondRun:
    FLAGS = ("--sky-scale", "16", "--catalog", ".csv")

    def test_what_is_finished_is_left_as_it_is(self, night, capsys):
        everything = ("-f", night / "*.fits", *self.FLAGS)
        (night / "c.fits").rename(night.parent / "c.fits")
        assert clean(*everything) == 0
        first = written(night)
        (night.parent / "c.fits").rename(night / "c.fits")
        # The pattern catches the results, too: they are neither inputs nor in the way.
        assert clean(*everything) == 0
        again = written(night)
        assert {name: again[name] for name in first} == first
        assert set(again) - set(first) == {"BGRem_c.fits", "BGRem_c.csv"}
        said = capsys.readouterr().out
        assert "a.fits: skipped, it is finished already" in said
        assert "BGRem_a.fits: skipped, it is a result of bgrem" in said
        assert "5 files: 1 done, 4 skipped, 0 failed" in said

    @pytest.mark.parametrize(
        ("flags", "difference"),
        [
            (["--sky-scale", "8"], "--sky-scale 16, now 8;"),
            ([], "--sky-scale 16, now default;"),
            (["--sky-scale", "16", "--layers"], "--layers off, now on"),
            (["--sky-scale", "16", "--gain", "2"], "--gain default, now 2.0"),
            (["--sky-scale", "16", "--catalog", ".csv"], "--catalog off, now on"),
            (["--method", "stars"], "--method mesh, now stars"),
        ],
        ids=["other", "default", "layers", "gain", "catalog", "method"],
    )
    def test_what_was_made_otherwise_is_refused_with_the_difference(
        self, night, flags, difference, capsys
    ):
        file = night / "a.fits"
        assert clean("-f", file, "--sky-scale", "16") == 0
        first = written(night)
        capsys.readouterr()
        assert clean("-f", file, *flags) == 5
        told = capsys.readouterr().err.replace(". use", ";")
        assert "BGRem_a.fits exists already and was made otherwise: " in told
        assert difference in told
        assert "use --overwrite" in told.replace(";", ". use")
        assert written(night) == first
        assert clean("-f", file, *flags, "--overwrite") == 0
        assert written(night)["BGRem_a.fits"] != first["BGRem_a.fits"]

    def test_what_the_dead_left_goes_where_all_is_finished(self, night, capsys):
        file = night / "a.fits"
        assert clean("-f", file) == 0
        # Killed between two names of one file, the old one and the new one.
        (night / f".bgrem-{os.getpid()}-0123456789ab.tmp").write_bytes(b"whole")
        assert clean("-f", file) == 0
        assert "it is finished already" in capsys.readouterr().out
        assert not list(night.glob(".bgrem-*"))

    def test_where_the_work_is_done_makes_no_difference(self, night, capsys):
        file = night / "a.fits"
        assert clean("-f", file, "--threads", "1") == 0
        assert clean("-f", file, "--device", "cpu", "--strict") == 0
        assert "it is finished already" in capsys.readouterr().out

    def test_an_input_that_has_changed_is_told(self, night, capsys):
        file = night / "a.fits"
        assert clean("-f", file) == 0
        with fits.open(file, mode="update") as hdus:
            hdus[0].data[3, 4] += 1
        assert clean("-f", file) == 5
        assert "made of another input, or the input has" in capsys.readouterr().err

    def test_what_is_in_a_file_that_a_flag_names_counts(self, night, capsys):
        sigma = night.parent / "sigma.fits"
        fits.writeto(sigma, np.full((40, 48), 5, np.float32))
        asked = ("-f", night / "a.fits", "--error", sigma)
        assert clean(*asked) == 0
        assert clean(*asked) == 0
        fits.writeto(sigma, np.full((40, 48), 6, np.float32), overwrite=True)
        assert clean(*asked) == 5
        assert "--error" in capsys.readouterr().err

    def test_other_weights_are_another_result(self, night, monkeypatch, capsys):
        from bgrem_core import finished

        request = {"version": "1", "method": "bgrem", "model": "optical (sha256 0)"}
        monkeypatch.setattr(finished, "asked", lambda _request: request)
        monkeypatch.setattr("bgrem_core.batch.asked", lambda _request: dict(request))
        assert clean("-f", night / "a.fits") == 0
        request["model"] = "optical (sha256 1)"
        assert clean("-f", night / "a.fits") == 5
        told = "--model optical (sha256 0), now optical (sha256 1)"
        assert told in capsys.readouterr().err

    def test_a_file_of_somebody_else_is_refused_as_ever(self, night, capsys):
        (night / "BGRem_a.fits").write_bytes(b"precious")
        assert clean("-f", night / "a.fits") == 5
        assert "BGRem_a.fits exists already. use" in capsys.readouterr().err
        assert (night / "BGRem_a.fits").read_bytes() == b"precious"

    def test_a_catalogue_that_is_missing_is_made_and_the_image_stays(self, night):
        asked = ("-f", night / "a.fits", *self.FLAGS)
        assert clean(*asked) == 0
        first = written(night)
        (night / "BGRem_a.csv").unlink()
        assert clean(*asked) == 0
        again = written(night)
        assert again["BGRem_a.fits"] == first["BGRem_a.fits"]
        assert again["BGRem_a.csv"][0] == first["BGRem_a.csv"][0]

    def test_a_tiff_knows_how_it_was_made(self, night, capsys):
        import tifffile

        data = fits.getdata(night / "a.fits").astype(np.float32)
        tifffile.imwrite(night / "t.tif", data)
        for _ in range(2):
            assert clean("-f", night / "*.tif") == 0
        said = capsys.readouterr().out
        assert "2 files: 0 done, 2 skipped, 0 failed" in said

    def test_fits_catalogues_that_a_pattern_catches_are_skipped(self, night):
        everything = ("-f", night / "*.fits", "--catalog", ".fits")
        assert clean(*everything) == 0
        assert clean(*everything) == 0
