"""The report of a run: true at every moment, whole, and of use to a program."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import cli
from bgrem_core.ledger import Entry
from bgrem_core.summary import LONG, table, total


@pytest.fixture
def night(tmp_path, monkeypatch):
    """Three small frames, of which the second is none, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in "ac":
        data = np.random.default_rng(5).normal(100, 5, (40, 48)).astype(np.float32)
        fits.writeto(tmp_path / f"{name}.fits", data)
    (tmp_path / "b.fits").write_text("no image")
    return tmp_path


def clean(*words):
    return cli.main(["--method", "mesh", *words])


def read(path="report.json"):
    return json.loads(Path(path).read_text("utf-8"))


REPORT = ("-f", "a.fits", "b.fits", "c.fits", "--report", "report.json")


def test_the_report_tells_of_each_file_what_became_of_it(night):
    assert clean(*REPORT, "--catalog", ".csv") == 1
    told = read()
    assert (told["bgrem_report"], told["state"], told["exit_code"]) == (
        1,
        "finished",
        1,
    )
    assert told["counts"] == {"ok": 2, "skipped": 0, "failed": 1, "waiting": 0}
    assert told["asked"]["catalog"] is True
    first, second, _ = told["files"]
    assert first["seconds"] > 0
    assert {**first, "seconds": 0} == {
        "file": "a.fits",
        "status": "ok",
        "output": "BGRem_a.fits",
        "catalog": "BGRem_a.csv",
        "sources": 0,
        "seconds": 0,
        "why": "",
        "hint": "",
        "code": 0,
    }
    assert (second["status"], second["code"], second["output"]) == ("failed", 3, None)
    assert second["why"]
    assert clean(*REPORT, "--catalog", ".csv") == 1
    again = [(f["status"], f["output"]) for f in read()["files"]]
    kept = [("skipped", "BGRem_a.fits"), ("failed", None), ("skipped", "BGRem_c.fits")]
    assert again == kept


def test_the_report_is_true_after_each_file(night, monkeypatch):
    from bgrem_core.report import Reporter

    seen = []

    def look(*_):
        told = read()
        seen.append((told["state"], [f["status"] for f in told["files"]]))

    monkeypatch.setattr(Reporter, "done", look)
    monkeypatch.setattr(Reporter, "failed", look)
    assert clean(*REPORT) == 1
    assert seen == [
        ("running", ["ok", "waiting", "waiting"]),
        ("running", ["ok", "failed", "waiting"]),
        ("running", ["ok", "failed", "ok"]),
    ]


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_killed_run_leaves_a_true_report_and_the_next_one_goes_on(night):
    code = """
        import os, signal, sys
        from bgrem_core import batch, cli
        opened = batch._open

        def die(source, request):
            if source.name == "c.fits":
                os.kill(os.getpid(), signal.SIGKILL)
            return opened(source, request)

        batch._open = die
        sys.exit(cli.main(sys.argv[1:]))
    """
    run = [sys.executable, "-c", textwrap.dedent(code), "--method", "mesh", *REPORT]
    killed = subprocess.run(run, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    told = read()
    assert (told["state"], told["exit_code"]) == ("running", None)
    assert [f["status"] for f in told["files"]] == ["ok", "failed", "waiting"]
    assert clean(*REPORT) == 1
    assert [f["status"] for f in read()["files"]] == ["skipped", "failed", "ok"]
    assert not list(night.glob(".bgrem-*"))


def test_ctrl_c_is_in_the_report_and_in_the_table(night, toy_method, capsys):
    begun = []

    def interrupt(_done):
        begun.append(1)
        if len(begun) == 2:
            raise KeyboardInterrupt

    toy_method.hook["before_tile"] = interrupt
    assert cli.main(["--method", "toy", *REPORT]) == 130
    told = read()
    assert (told["state"], told["exit_code"]) == ("cancelled", 130)
    assert [f["status"] for f in told["files"]] == ["ok", "failed", "waiting"]
    said = capsys.readouterr()
    assert "3 files: 1 done, 1 failed, 1 not done" in said.out
    assert "cancelled; what is finished stays" in said.err


@pytest.mark.parametrize("old", ["precious", "[]", '{"a": 1}', ""])
def test_no_file_but_a_report_is_replaced(night, old, capsys):
    (night / "report.json").write_text(old)
    assert clean(*REPORT, "--overwrite") == 5
    assert "exists already and is no report of bgrem" in capsys.readouterr().err
    assert (night / "report.json").read_text() == old
    assert not (night / "BGRem_a.fits").exists()


def test_files_that_are_passed_over_are_not_each_worth_a_report(night, monkeypatch):
    from bgrem_core import ledger

    assert clean("-f", "a.fits", "c.fits") == 0
    write, calls = ledger.atomic_write, []

    def counted(path, **options):
        calls.append(1)
        return write(path, **options)

    monkeypatch.setattr(ledger, "atomic_write", counted)
    monkeypatch.setattr(ledger, "_PAUSE", 1e9)
    assert clean("-f", "a.fits", "c.fits", "--report", "report.json") == 0
    assert len(calls) == 2
    assert read()["counts"]["skipped"] == 2


@pytest.mark.skipif(os.name == "nt", reason="no flock")
def test_of_two_runs_one_keeps_the_report(night, capsys):
    from bgrem_core.io import hold

    with hold("report.json"):
        assert clean(*REPORT) == 5
    assert "report.json is being written by process" in capsys.readouterr().err
    assert not (night / "BGRem_a.fits").exists()


def test_a_report_is_no_input_and_no_result(night, capsys):
    before = (night / "a.fits").read_bytes()
    assert clean("-f", "a.fits", "--report", "a.fits", "--overwrite") == 5
    assert (night / "a.fits").read_bytes() == before
    assert clean("-f", "a.fits", "--report", "BGRem_a.fits") == 2
    assert "is where the results of a.fits go" in capsys.readouterr().err
    assert clean("-f", "a.fits", "--report", "no/report.json") == 5
    assert "the folder no does not exist. create it first" in capsys.readouterr().err
    assert not (night / "BGRem_a.fits").exists()


def test_a_report_that_cannot_be_kept_up_stops_no_work_and_is_told(
    night, monkeypatch, capsys
):
    from bgrem_core import ledger
    from bgrem_core.errors import WriteError

    write = ledger.atomic_write
    calls = []

    def full(path, **options):
        calls.append(1)
        if len(calls) > 1:
            raise WriteError("No space left on device", hint="make room")
        return write(path, **options)

    monkeypatch.setattr(ledger, "atomic_write", full)
    assert clean("-f", "a.fits", "c.fits", "--report", "report.json") == 5
    assert "No space left on device. make room" in capsys.readouterr().err
    # The one before, whole, and true of its time.
    assert read()["counts"]["waiting"] == 2
    assert (night / "BGRem_c.fits").exists()


def test_the_table_tells_result_sources_seconds_and_why(night, capsys):
    assert clean("-f", "a.fits", "b.fits", "--catalog", ".csv") == 1
    lines = capsys.readouterr().out.splitlines()
    titles, a, b, line = lines[-4:]
    assert titles.split() == ["file", "result", "sources", "seconds", "why"]
    assert a.split()[:3] == ["a.fits", "done", "0"]
    assert b.split()[:2] == ["b.fits", "failed"]
    assert b[titles.index("why") :] == read_why("b.fits")
    assert line == "2 files: 1 done, 1 failed"


def read_why(name):
    from bgrem_core import open_image
    from bgrem_core.errors import ReadError

    with pytest.raises(ReadError) as caught:
        open_image(name)
    return caught.value.sentence


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_no_table_where_none_is_wanted(night, flag, capsys):
    clean(*REPORT, flag)
    assert "not done" not in capsys.readouterr().out
    assert read()["state"] == "finished"


def test_of_very_many_files_the_table_lists_those_that_need_a_look():
    entries = [Entry(file=f"{k}.fits", status="ok") for k in range(LONG)]
    assert len(table(entries)) == LONG + 1
    bad = "n" * 300 + "\n.fits"
    entries.append(Entry(file=bad, status="failed", why="it\nis none", seconds=2.0))
    _, row, left = table(entries)
    assert row.startswith("...nnn")
    assert row.split() == [row.split()[0], "failed", "2.0", "it?is", "none"]
    assert left == f"({LONG} that are done are not listed; --report lists all)"
    assert total(entries) == f"{LONG + 1} files: {LONG} done, 1 failed"


class TestNames:
    @pytest.fixture(autouse=True)
    def place(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "night" / "deep").mkdir(parents=True)
        for name in ("b.FITS", "a.fits", "c.fits.gz", "n.txt", ".h.fits", "d.tif"):
            (tmp_path / "night" / name).touch()
        (tmp_path / "night" / "deep" / "e.fits").touch()

    @pytest.mark.parametrize(
        ("names", "files"),
        [
            (["night"], "a.fits b.FITS c.fits.gz d.tif"),
            (["night/*.fits"], "a.fits"),
            (["night/**/*.fits"], "a.fits deep/e.fits"),
            (["night/c.fits.gz", "night", "./night/a.fits"],
             "c.fits.gz a.fits b.FITS d.tif"),
            (["night/none.fits", "night/n*.fits"], "none.fits n*.fits"),
        ],
        ids=["folder", "pattern", "deep", "once", "none"],
    )  # fmt: skip
    def test_names_stand_for_files(self, names, files):
        from bgrem_core.inputs import expand

        assert [p.as_posix() for p in expand(names)] == [
            f"night/{f}" for f in files.split(" ")
        ]

    def test_a_list_holds_a_name_a_line(self, tmp_path):
        from bgrem_core.inputs import expand

        lines = "\ufeff# my night\n\n  night/b.FITS \r\nnight/*.tif\nnight/deep\n"
        (tmp_path / "list.txt").write_text(lines, encoding="utf-8")
        files = [p.as_posix() for p in expand(["@list.txt"])]
        assert files == ["night/b.FITS", "night/d.tif", "night/deep/e.fits"]
        (tmp_path / "@list.txt").touch()
        assert [p.name for p in expand(["@list.txt"])] == ["@list.txt"]

    @pytest.mark.parametrize(
        ("name", "code", "message"),
        [
            ("@no.txt", 3, "the list no.txt cannot be read (No such file"),
            ("@night/a.fits", 2, "the list night/a.fits names no file"),
            ("@bytes", 3, "the list bytes cannot be read (it is no text)"),
            ("empty", 3, "empty: this is a folder"),
        ],
        ids=["missing", "empty-list", "bytes", "empty-folder"],
    )
    def test_what_stands_for_nothing_is_told(
        self, tmp_path, name, code, message, capsys
    ):
        (tmp_path / "empty").mkdir()
        (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00\xd8")
        assert clean("-f", name) == code
        assert message in capsys.readouterr().err
