"""A stored notebook without a kernel: a page with a picture and a table."""

import base64
import re
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from bgrem_core import samples

sys.path.insert(0, str(Path(__file__).parent))
from jupyter import chromium
from jupyter import notebook as as_text

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
nbconvert = pytest.importorskip("nbconvert")
pytestmark = pytest.mark.slow

HOSTILE = "<script>window.hurt=1</script><img src=x onerror='window.hurt=2'>"
NAME = "a&<b onclick=x>.fits"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Give a notebook that was run, as it is stored; frames in it are hostile."""
    folder = tmp_path_factory.mktemp("static")
    data = np.array(fits.getdata(samples.path("decam_i")))
    header = fits.Header({"OBJECT": HOSTILE[:60], "BUNIT": "<b>adu</b>"})
    header["EXTNAME"] = "<i>name</i>"
    fits.PrimaryHDU(data, header).writeto(folder / NAME)
    text = as_text(
        f"%load_ext bgrem_notebook\nw = %bgrem '{NAME}' --find\nw",
        "from bgrem_core import samples\ns = samples.path('simulated')\n"
        "t = %bgrem s --find\nt",
    )
    made = nbformat.reads(text, as_version=4)
    client = nbclient.NotebookClient(
        made, timeout=300, store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    client.execute()
    return made


@pytest.fixture(scope="module")
def page(stored):
    """Give that notebook as HTML."""
    exporter = nbconvert.HTMLExporter()
    return exporter.from_notebook_node(stored)[0]


def picture(stored, cell):
    data = stored.cells[cell].outputs[0].data
    with Image.open(BytesIO(base64.b64decode(data["image/png"]))) as opened:
        return np.asarray(opened.convert("RGB")).astype(int), opened.size


def test_the_stored_notebook_holds_no_state_and_is_small(stored):
    assert "widgets" not in stored.metadata
    assert len(nbformat.writes(stored)) < 2 * 600_000


def test_the_picture_keeps_its_shape_and_its_colours(stored):
    pixels, (width, height) = picture(stored, 1)
    assert width <= 1000
    assert 0.3 < height / width < 0.7
    green = pixels[..., 1] - pixels[..., [0, 2]].max(axis=-1)
    yellow = pixels[..., :2].min(axis=-1) - pixels[..., 2]
    # Rings: real ones are green, missed ones yellow; far more of them are found.
    assert (green > 80).sum() > 3 * (yellow > 120).sum() > 0
    # A grey image stays grey: no rings in colours where there are none.
    left = pixels[height // 3 : 2 * height // 3, width // 20 : width // 4]
    assert np.ptp(left, axis=-1).max() <= 12


def test_a_page_shows_picture_and_table_without_a_kernel(page):
    assert len(re.findall(r'<img[^>]* src="data:image/png;base64,', page)) == 2
    assert page.count("<th>Flags</th>") == 2
    assert "20 of" in page
    assert "application/vnd.jupyter.widget-state" not in page


def test_names_and_headers_are_text_in_the_page(page, stored):
    for cell in stored.cells:
        html = cell.outputs[0].data["text/html"]
        tags = set(re.findall(r"<(\w+)", html))
        assert tags <= {
            *("figure", "img", "figcaption", "table", "thead", "tbody"),
            *("tr", "th", "td", "p"),
        }
    assert "a&amp;&lt;b onclick=x&gt;.fits" in page
    assert "Flux (&lt;b&gt;adu&lt;/b&gt;)" in page
    assert "window.hurt" not in page


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium")
def test_a_browser_without_a_network_shows_it(page, tmp_path):
    api = pytest.importorskip("playwright.sync_api")
    (tmp_path / "page.html").write_text(page, "utf-8")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"]
        )
        context = browser.new_context(viewport={"width": 1100, "height": 1400})
        context.set_offline(True)
        opened = context.new_page()
        opened.goto((tmp_path / "page.html").as_uri())
        wide = opened.evaluate(
            "[...document.querySelectorAll('figure img')].map((i) => i.naturalWidth)"
        )
        assert len(wide) == 2
        assert min(wide) > 800
        assert opened.locator("table").count() == 2
        assert opened.evaluate("window.hurt === undefined")
        opened.screenshot(path=tmp_path / "static.png", full_page=True)
        browser.close()
