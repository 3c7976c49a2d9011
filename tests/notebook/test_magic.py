"""Magic: what can stand behind ``%bgrem``, and what comes of it."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from IPython.core.error import UsageError
from IPython.testing.globalipapp import start_ipython

import bgrem_notebook
from bgrem_core import samples
from bgrem_core.errors import BGRemError
from bgrem_notebook.magic import complete
from bgrem_notebook.source import find_source, variables
from bgrem_notebook.widget import BGRemWidget


@pytest.fixture(scope="module")
def shell():
    shell = start_ipython()
    shell.run_line_magic("load_ext", "bgrem_notebook")
    return shell


@pytest.fixture
def names(shell, frame):
    shell.user_ns.update(
        sky=frame, ccd=CCDData(frame, unit="adu"), hdu=fits.PrimaryHDU(frame),
        where=str(samples.path("decam_i")), number=3, text="no file",
    )  # fmt: skip
    return shell.user_ns


def test_a_path_opens_a_widget_with_the_settings_that_were_said(shell):
    path = samples.path("decam_i")
    widget = shell.run_line_magic("bgrem", f'"{path}" --model optical-paper --steps 3')
    assert isinstance(widget, BGRemWidget)
    session = widget.viewer.desk.session
    assert (session.settings.model, session.settings.steps) == ("optical-paper", 3)
    assert widget.image.origin.path == path
    assert "steps=3" in widget.as_python()


@pytest.mark.parametrize("name", ["sky", "ccd", "hdu"])
def test_a_variable_opens_what_it_holds(shell, names, frame, name):
    widget = shell.run_line_magic("bgrem", f"{name} --method mesh")
    np.testing.assert_array_equal(widget.image.data, frame)
    assert widget.viewer.desk.session.method == "mesh"


def test_a_variable_may_hold_a_path(shell, names):
    widget = shell.run_line_magic("bgrem", "where")
    assert widget.image.origin.path == samples.path("decam_i")


def test_run_and_find_leave_a_result_and_sources(shell):
    widget = shell.run_line_magic("bgrem", f'"{samples.path("decam_i")}" --find')
    assert widget.result is not None
    assert len(widget.sources) == widget.n_sources > 0


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("no-such-file.fits", "no variable and no file"),
        ("number", "a int, not an image"),
        ("text", "a str, not an image"),
        ("sky --model no-such-model --run", "no-such-model"),
        ("sky --method magic", "magic"),
        ("sky --steps many", "steps"),
        ("sky --wrong", "wrong"),
        ("", "image"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(shell, names, line, word, capsys):
    with pytest.raises(UsageError) as error:
        shell.run_line_magic("bgrem", line)
    assert word in str(error.value) + capsys.readouterr().err


def test_names_with_blanks_and_quotation_marks_are_files_too(shell, tmp_path, frame):
    path = tmp_path / "two words.fits"
    fits.PrimaryHDU(frame).writeto(path)
    assert shell.run_line_magic("bgrem", f'"{path}"').image.origin.path == path


def test_a_variable_that_is_no_image_does_not_hide_a_file(tmp_path, monkeypatch, frame):
    monkeypatch.chdir(tmp_path)
    fits.PrimaryHDU(frame).writeto("frame")
    assert find_source("frame", {"frame": 3}).name == "frame"
    with pytest.raises(BGRemError, match="a int"):
        find_source("other", {"other": 3})


def test_variables_that_hold_images_are_offered(names, frame):
    offered = variables({**names, "_hidden": frame, "kind": np.ndarray})
    assert {"sky", "ccd", "hdu", "where"} <= set(offered)
    assert not {"number", "text", "_hidden", "kind"} & set(offered)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_words_are_completed(shell, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night").mkdir()
    for name in ("a.fits", "a.fits.fz", "notes.txt", "b c.fit"):
        (tmp_path / name).touch()

    def offered(line):
        symbol = "" if line.endswith(" ") else line.split()[-1]
        return complete(shell, SimpleNamespace(line=line, symbol=symbol))

    assert {"a.fits", "a.fits.fz", "night/", "sky", "b\\ c.fit"} <= set(
        offered("%bgrem ")
    )
    assert "notes.txt" not in offered("%bgrem ")
    assert "--model" in offered("%bgrem a.fits --mo")
    assert set(offered("%bgrem a.fits --model ")) >= {"optical", "optical-paper"}
    assert "mesh" in offered("%bgrem a.fits --method ")
    if " " not in str(tmp_path):  # the shell parts words at blanks
        assert offered(f"%bgrem {tmp_path}{os.sep}a.") == [
            f"{tmp_path}/a.fits", f"{tmp_path}/a.fits.fz",
        ]  # fmt: skip
    found = shell.complete(None, "%bgrem a.fits --mod")[1]
    assert "--model" in found


def test_the_magic_can_be_taken_away_and_come_back(shell):
    shell.run_line_magic("unload_ext", "bgrem_notebook")
    assert "bgrem" not in shell.magics_manager.magics["line"]
    shell.run_line_magic("load_ext", "bgrem_notebook")
    assert "bgrem" in shell.magics_manager.magics["line"]


def test_view_and_the_class_are_the_same_door(frame):
    widget = bgrem_notebook.view(frame, method="mesh", sky_scale=64)
    assert isinstance(widget, bgrem_notebook.BGRemWidget)
    assert widget.viewer.desk.session.settings.sky_scale == 64
    with pytest.raises(BGRemError, match="depth"):
        bgrem_notebook.view(frame, depth=3)
    with pytest.raises(AttributeError):
        _ = bgrem_notebook.nothing
