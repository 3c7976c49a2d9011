"""Widget: what a notebook's cells do with it, and what is left without a kernel."""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
from astropy.io import fits

import bgrem_core
from bgrem_core import samples
from bgrem_core.cli import main
from bgrem_core.errors import BGRemError
from bgrem_notebook.still import ROWS
from bgrem_notebook.table import frame_of
from bgrem_notebook.widget import BGRemWidget

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import fields


@pytest.fixture(scope="module")
def widget():
    widget = BGRemWidget(samples.path("decam_i"))
    widget.run(wait=True)
    widget.find()
    return widget


@pytest.fixture
def stars():
    widget = BGRemWidget(fields.result(side=200).image, method="mesh", sky_scale=64)
    widget.run(wait=True)
    return widget


def test_result_and_sources_are_at_hand(widget):
    assert isinstance(widget.result, bgrem_core.separation.Separation)
    assert len(widget.sources) == widget.n_sources > 5
    assert widget.sources["flux"].unit is not None or "flux" in widget.sources.colnames


def test_command_line_function_and_widget_give_the_same_bits(widget, tmp_path):
    path = samples.path("decam_i")
    direct = bgrem_core.clean(path)
    assert main(["-f", str(path), "-o", str(tmp_path)]) == 0
    (written,) = tmp_path.glob("BGRem_*.fits")
    stored = fits.getdata(written)
    np.testing.assert_array_equal(widget.result.cleaned, direct.cleaned)
    np.testing.assert_array_equal(stored, direct.cleaned)


def test_the_table_shows_what_was_found_in_the_order_of_the_rows(widget):
    frame, table = frame_of(widget.viewer.desk.collected), widget.sources
    assert list(frame["id"]) == list(table["id"])
    np.testing.assert_allclose(frame["x"], table["x"].value, atol=0.006)
    flux = next(c for c in frame if c.startswith("Flux"))
    np.testing.assert_allclose(frame[flux], np.asarray(table["flux"]), rtol=1e-3)
    assert frame["RA"].str.match(r"\d\d:\d\d:\d\d").all()


def test_table_and_image_select_each_other(widget):
    widget.table.selected_rows = [2]
    assert widget.selected == 2
    table = widget.sources
    widget.inspect(float(table["x"][4].value), float(table["y"][4].value))
    assert widget.table.selected_rows == [4]
    assert widget.selected == 4


def test_a_click_beside_what_was_found_adds_a_row(stars):
    assert stars.sources is None
    assert stars._bg_box.layout.display == "none"
    stars.inspect(20, 30)
    assert stars.n_sources == 1
    assert stars._bg_box.layout.display is None
    frame = frame_of(stars.viewer.desk.collected)
    assert list(frame["id"]) == [-1]
    stars.find()
    # A search begins anew.
    assert (np.asarray(stars.sources["id"]) > 0).all()


def test_strength_is_one_trait_of_widget_viewer_and_result(widget):
    slider = ipywidgets.FloatSlider(min=0, max=1, step=0.1, value=1)
    link = ipywidgets.link((slider, "value"), (widget, "strength"))
    try:
        slider.value = 0.3
        assert widget.viewer.strength == 0.3
        expected = bgrem_core.clean(samples.path("decam_i"), strength=0.3)
        np.testing.assert_array_equal(widget.result.cleaned, expected.cleaned)
        widget.viewer.strength = 1.0
        assert slider.value == 1.0
    finally:
        link.unlink()
        widget.strength = 1.0


def test_strength_said_at_the_door_is_the_strength_that_is_shown(frame):
    widget = BGRemWidget(frame, strength=0.5)
    widget.run(wait=True)
    direct = bgrem_core.clean(frame, strength=0.5)
    np.testing.assert_array_equal(widget.result.cleaned, direct.cleaned)


def test_it_sits_in_a_box_and_tells_what_it_does(frame):
    widget = BGRemWidget(frame, method="mesh")
    box = ipywidgets.HBox([widget, ipywidgets.Label("beside it")])
    assert widget in box.children
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "busy")
    widget.run(wait=True)
    assert seen[0] == "run"
    assert seen[-1] == widget.busy == ""


def test_the_script_gives_the_same_result(widget):
    names = {}
    exec(widget.as_python(), names)  # noqa: S102 - our own script
    np.testing.assert_array_equal(names["result"].cleaned, widget.result.cleaned)
    assert len(names["sources"]) == len(widget.sources)


def test_save_and_export_never_replace_unasked(stars, tmp_path):
    path = stars.save(tmp_path / "a.fits")
    assert path.exists()
    with pytest.raises(BGRemError, match="exists"):
        stars.save(path)
    stars.save(path, overwrite=True)
    with pytest.raises(BGRemError, match="no sources"):
        stars.export(tmp_path / "s.ecsv")
    stars.find()
    n = stars.export(tmp_path / "s.ecsv")
    assert n == len(stars.sources)
    with pytest.raises(BGRemError, match="exists"):
        stars.export(tmp_path / "s.ecsv")


def test_what_goes_wrong_in_a_run_is_raised_where_one_waits(frame):
    widget = BGRemWidget(frame, model="no-such-model")
    with pytest.raises(BGRemError, match="no-such-model"):
        widget.run(wait=True)
    with pytest.raises(BGRemError, match="no result"):
        widget.find()


def test_a_kernel_interrupted_while_it_waits_loses_no_run(toy_method, frame):
    reached, opened = threading.Event(), threading.Event()

    def hold(done):
        if done == 3:
            reached.set()
            assert opened.wait(60)

    def interrupt():
        assert reached.wait(60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    toy_method.hook["before_tile"] = hold
    widget = BGRemWidget(frame, method="toy", level=2.0)
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        widget.run(wait=True)
    assert widget.busy == "run"
    opened.set()
    assert widget.wait(60)
    np.testing.assert_array_equal(widget.result.cleaned, frame - np.float32(2))


def test_a_widget_closed_during_a_run_ends_it(frame):
    widget = BGRemWidget(np.tile(frame, (4, 4)), tile=64)
    widget.run()
    widget.close()
    assert widget.wait(60)


def test_without_a_kernel_a_picture_and_a_table_stand_there(widget):
    bundle = _bundle(widget)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["image/png"].startswith("iVBOR")
    assert bundle["text/html"].count("<tr") == min(ROWS, len(widget.sources)) + 1
    # Nothing of the pixels is kept with the notebook's state.
    state = widget.viewer.get_state()
    rest = {k: v for k, v in state.items() if k not in ("_esm", "_css")}
    assert len(str(rest)) < 3000


def test_before_a_result_nothing_stands_there_but_the_widget(frame):
    assert "image/png" not in _bundle(BGRemWidget(frame))


def test_hostile_names_and_headers_are_text(tmp_path, frame):
    bad = "<img src=x onerror=alert(1)>"
    path = tmp_path / "a<b onload=x>&.fits"
    header = fits.Header({"OBJECT": bad, "BUNIT": "<b>adu</b>"})
    fits.PrimaryHDU(frame, header=header).writeto(path)
    widget = BGRemWidget(path, method="mesh")
    widget.run(wait=True)
    html = _bundle(widget)["text/html"]
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {"figure", "img", "figcaption", "table", "thead", "tbody", "tr",
                    "th", "td", "p"}  # fmt: skip
    assert "onerror" not in html
    assert "&lt;b onload" in html


def _bundle(widget):
    made = widget._repr_mimebundle_()
    return made[0] if isinstance(made, tuple) else made


def test_the_door_loads_neither_torch_nor_widgets():
    code = (
        "import sys, bgrem_notebook\n"
        "heavy = {'torch', 'ipywidgets', 'anywidget', 'pandas', 'itables'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "import bgrem_notebook.widget\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
