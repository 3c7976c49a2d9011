"""Hostile words in a cell: what headers, names and catalogues say is shown as text."""

import json
import sys
from pathlib import Path

import itables
import numpy as np
import pytest
from astropy.io import fits

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import fields

import bgrem_notebook
from bgrem_notebook.still import still_of
from bgrem_notebook.table import make_table, update_table
from bgrem_notebook.widget import BGRemWidget

TAG = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def widget(tmp_path_factory):
    """Give a widget of a frame in which every text is hostile."""
    image = fields.result(side=200).image
    header = fits.Header({"OBJECT": TAG, "FILTER": TAG, "BUNIT": TAG, "ORIGIN": TAG})
    header.add_history(TAG)
    header.add_comment(TAG)
    path = tmp_path_factory.mktemp("hostile") / f"{TAG}.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.asarray(image.data), header, name=TAG)]
    fits.HDUList(hdus).writeto(path)
    made = BGRemWidget(path, method="mesh", sky_scale=64)
    made.run(wait=True)
    made.find()
    assert len(made.sources) > 3
    return made


def test_the_stored_page_holds_no_tag_of_theirs(widget):
    html = still_of(widget.viewer.desk)["text/html"]
    assert "&lt;img" in html
    assert "onerror=alert(1)>" not in html
    assert html.count("<img") == 1  # our picture


@pytest.mark.parametrize("everywhere", [False, True])
def test_heads_and_cells_of_the_table_are_text(widget, monkeypatch, everywhere):
    # Who allows HTML in tables of his own has not allowed it to headers of FITS.
    monkeypatch.setattr(itables.options, "allow_html", everywhere)
    table = make_table()
    update_table(table, widget.viewer.desk.collected)
    sent = json.dumps({k: v for k, v in table.get_state().items() if k[:2] != "_e"},
                      default=str)  # fmt: skip
    assert "Flux" in sent
    assert "&lt;img" in sent
    assert "<img" not in sent


def test_the_pages_script_never_makes_html_of_texts():
    folder = Path(bgrem_notebook.__file__).parent / "static"
    for path in folder.glob("*.mjs"):
        text = path.read_text("utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                     "eval(", "new Function", "createContextualFragment"):  # fmt: skip
            assert word not in text, path.name


def test_no_widget_of_ours_takes_html():
    folder = Path(bgrem_notebook.__file__).parent
    for path in folder.rglob("*.py"):
        text = path.read_text("utf-8")
        assert "ipywidgets.HTML" not in text
        assert "allow_html=True" not in text
