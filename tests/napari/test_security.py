"""Hostile words of headers and names in the window: shown as words, never drawn."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QTextBrowser, QWidget

sys.path.insert(0, str(Path(__file__).parent))
import scenes

import napari_bgrem
from bgrem_core.errors import ReadError
from bgrem_core.models import find_file
from napari_bgrem._qt import card, dock, rows
from napari_bgrem._qt.dock import RemoveBackground
from napari_bgrem._qt.inspector import Inspector
from napari_bgrem.reader import read_fits
from napari_bgrem.status import unwatch, watch
from napari_bgrem.unmarked import unmarked

TAG = "<img src=x.png onerror=alert(1)>"
HOSTILE = f"{TAG}<b>M 31</b> \x1b[2J\u202e"


def rich(text):
    return Qt.mightBeRichText(text)


def test_qt_would_take_it_for_markup():
    assert rich(TAG)


def test_words_stay_and_tags_do_not():
    assert unmarked("a < b, 3<4, x <y") == "a < b, 3<4, x \u2039y"
    assert not rich(unmarked(HOSTILE))
    assert "M 31" in unmarked(HOSTILE)
    assert unmarked("one\ntwo") == "one\ntwo"
    assert unmarked(HOSTILE).isprintable()


def test_only_labels_that_know_no_markup_are_made():
    folder = Path(napari_bgrem.__file__).parent
    made = {
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"\bQLabel\b(?! \{)", path.read_text("utf-8"))
    }
    assert made == {"label.py"}  # which extends it


@pytest.mark.parametrize("kind", [RemoveBackground, Inspector])
def test_every_label_of_the_docks_is_plain(qtbot, kind):
    widget = kind(scenes.viewer_with())
    qtbot.addWidget(widget)
    # Labels within a foldable part of superqt hold only our title of it.
    labels = [w for w in widget.findChildren(QLabel) if type(w).__name__ == "Label"]
    assert len(labels) > 3
    for label in labels:
        assert label.textFormat() == Qt.TextFormat.PlainText
    for one in widget.findChildren(QWidget):
        assert not rich(one.toolTip())


def test_rows_of_headers_are_words(qtbot):
    shown = rows.Rows({"OBJECT": HOSTILE})
    qtbot.addWidget(shown)
    shown.show_rows([("OBJECT", HOSTILE)])
    for label in shown.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText
        assert not rich(label.toolTip())


def test_notices_of_a_run_are_words(qtbot):
    widget = RemoveBackground(scenes.viewer_with())
    qtbot.addWidget(widget)
    widget.notes.setText(HOSTILE)
    assert widget.notes.textFormat() == Qt.TextFormat.PlainText
    assert widget.notes.text() == HOSTILE


def test_errors_in_notifications_are_words(told):
    dock._say(ReadError(f"EXTNAME is {HOSTILE}", hint=TAG))
    (text,) = told("error")
    assert "M 31" in text
    assert not rich(text)


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
def test_names_of_layers_and_notices_of_the_reader_are_words(tmp_path, told):
    data = np.random.default_rng(0).normal(100, 5, (40, 48)).astype(np.float32)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, name="<b>SCI</b>")]
    hdus += [fits.BinTableHDU(name="<i>CAT</i>")]
    path = tmp_path / "<img src=x>\x1b[2J.fits"
    fits.HDUList(hdus).writeto(path)
    layers = read_fits(str(path))
    names = [keywords["name"] for _, keywords, _ in layers]
    assert names
    for text in (*names, *told()):
        assert not rich(text)
        assert text.isprintable()
    assert any("CAT" in text for text in told())


def test_the_status_bar_is_words():
    separation = scenes.result(unit="<b>adu</b>")
    layers = scenes.layers_of(separation)
    for layer in layers:
        watch(layer)
    try:
        said = layers[0].get_status((30, 30), world=True)
    finally:
        for layer in layers:
            unwatch(layer)
    assert "adu" in said["coordinates"]
    for key in ("coords", "value", "coordinates"):
        assert not rich(said[key])


def test_the_card_of_a_stranger_shows_neither_pictures_nor_links(
    qtbot, tmp_path, monkeypatch
):
    (tmp_path / "m.md").write_text(f"[here](file:///etc/passwd) {TAG}", "utf-8")
    weights = tmp_path / "m.safetensors"
    for model, links in ((str(weights), False), ("optical", True)):
        shown = card.show_card(model)
        qtbot.addWidget(shown)
        html = shown.findChild(QTextBrowser).toHtml()
        assert ("<a href" in html or "<h1" in html) == links
        assert "<img" not in html
    assert find_file("optical").with_suffix(".md").is_file()
