"""A real JupyterLab in a real browser: the main path, from the magic to a catalogue."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from photutils.aperture import CircularAperture, aperture_photometry

from bgrem_core import samples
from bgrem_core.growth import Profile

sys.path.insert(0, str(Path(__file__).parent))
from jupyter import LAB, LONG, NOTEBOOK, TOKEN, chromium, notebook, served

pytest.importorskip("playwright")
pytest.importorskip("jupyterlab")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium"),
]

CELLS = (
    "%load_ext bgrem_notebook\nw = %bgrem frame.fits\nw",
    "w.result is None",
)
#: Known not to be ours.
HARMLESS = ("RUNTIME-012", "reading 'schema'", "favicon", "Failed to load resource")


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with a real frame, as a user has it."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(samples.path("decam_i"), folder / "frame.fits")
    return folder


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["lab", "notebook"])
def place(request, desk):
    """The address of a running server, and how a notebook is opened there."""
    folder = desk / request.param
    folder.mkdir()
    shutil.copy(desk / "frame.fits", folder)
    words, path = {"lab": (LAB, "lab/tree"), "notebook": (NOTEBOOK, "notebooks")}[
        request.param
    ]
    with served(folder, *words) as url:
        yield Place(request.param, url, path, folder)


class Place:
    def __init__(self, name, url, path, folder):
        self.name, self.url, self.path, self.folder = name, url, path, folder
        self._made = 0

    def open(self, browser, cells=CELLS):
        self._made += 1
        name = f"test{self._made}.ipynb"
        (self.folder / name).write_text(notebook(*cells))
        page = browser.new_page(viewport={"width": 1360, "height": 1400})
        return Cell(page, f"{self.url}/{self.path}/{name}?token={TOKEN}", self.url)


class Cell:
    """A widget in a page, and the kernel behind it."""

    def __init__(self, page, address, server):
        self.page = page
        self.errors, self.strangers = [], []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda r: self._request(r.url, server))
        page.goto(f"{address}&reset", timeout=LONG)
        page.wait_for_function(IDLE, timeout=LONG)
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(f"[data-ready='1'], {STDERR}, {ERROR}", timeout=LONG)
        self.root = page.locator("[data-ready]").first

    def _console(self, message):
        if message.type == "error":
            self._note(message.text)

    def _note(self, text):
        if not any(word in text for word in HARMLESS):
            self.errors.append(text)

    def _request(self, url, server):
        if not url.startswith((server, "data:", "blob:", server.replace("http", "ws"))):
            self.strangers.append(url)

    def wait(self, condition):
        """Wait for a condition on the root's data, as JavaScript of ``d``."""
        self.page.wait_for_function(
            f"(() => {{ const d = document.querySelector('[data-ready]').dataset;"
            f" return {condition}; }})()",
            timeout=LONG,
        )

    def says(self, text):
        """Wait until the widget shows a text."""
        self.page.wait_for_function(
            "(t) => document.querySelector('[data-ready]').innerText.includes(t)",
            arg=text,
            timeout=LONG,
        )

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def run(self):
        before = self.root.get_attribute("data-rev")
        self.press("Run")
        self.wait(f"d.busy === '' && d.rev !== '{before}' && d.ready === '1'")

    def at(self, x, y, panel=0):
        """Return the place of a data pixel on the page."""
        cx, cy, scale = map(float, self.root.get_attribute("data-view").split(","))
        box = self.page.locator("[data-ready] canvas").nth(panel).bounding_box()
        return (
            box["x"] + box["width"] / 2 + (x - cx) * scale,
            box["y"] + box["height"] / 2 - (y - cy) * scale,
        )

    def click(self, x, y, panel=0):
        self.page.mouse.click(*self.at(x, y, panel))

    def until(self, condition):
        """Wait for a condition in the kernel: what a page says takes its time."""
        for _ in range(LONG // 100):
            if self.ask(f"print({condition})") == "True":
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never came true: {condition}")

    def ask(self, code):
        """Run code in the kernel; return what it printed."""
        got = self.page.evaluate(ASK, code)
        assert not got["error"], got["error"]
        return got["text"].strip()


ERROR = "[data-mime-type='application/vnd.jupyter.error']"
STDERR = "[data-mime-type='application/vnd.jupyter.stderr']"
IDLE = """() => {
  const s = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  return s?.session?.kernel?.status === 'idle';
}"""
ASK = """async (code) => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code, store_history: false });
  let text = '', error = '';
  future.onIOPub = (m) => {
    if (m.header.msg_type === 'stream') text += m.content.text;
    if (m.header.msg_type === 'error') error += m.content.traceback.join('\\n');
  };
  await future.done;
  return { text, error };
}"""


def test_from_the_magic_to_a_catalogue(place, browser, shots):
    cell = place.open(browser)
    page = cell.page
    cell.run()
    page.screenshot(path=shots / f"{place.name}-1-run.png")

    # A source that another program measures too.
    data = fits.getdata(place.folder / "frame.fits").astype(np.float64)
    x, y = (float(v) for v in cell.ask(BRIGHT).split())
    cell.click(x, y, panel=1)
    cell.says("Sky ring")
    seen = json.loads(cell.ask(SEEN))
    assert np.hypot(seen["x"] - x, seen["y"] - y) < 1
    assert seen["text"] in page.locator("[data-ready]").inner_text()
    # photutils on the same aperture, brought to the total by the PSF's own growth.
    aperture = CircularAperture((seen["x"], seen["y"]), seen["radius"])
    total = aperture_photometry(data - seen["sky"], aperture)["aperture_sum"][0]
    psf = Profile(fwhm=float(cell.ask("print(w.result.scale.fwhm)")))
    peer = float(total) / psf.enclosed(seen["radius"])
    assert seen["flux"] == pytest.approx(peer, rel=2e-3)
    page.screenshot(path=shots / f"{place.name}-2-source.png")

    # Strength: live, and the same in the kernel.
    slider = page.locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("Home")
    cell.until("w.strength == 0")
    page.keyboard.press("End")
    cell.until("w.strength == 1")

    cell.press("Find sources")
    page.wait_for_selector("table tbody tr td", timeout=LONG)
    page.screenshot(path=shots / f"{place.name}-3-sources.png", full_page=True)
    cell.until("w.n_sources == len(w.sources) > 5")

    # A row of the table shows its source.
    page.locator("table tbody tr").nth(2).locator("td").first.click()
    cell.says("Sky ring")
    assert int(cell.ask("print(w.selected)")) >= 0

    # Nothing was fetched from elsewhere, and nothing went wrong on the way.
    assert cell.strangers == []
    assert cell.errors == []
    page.close()


BRIGHT = """
import numpy as np
_t = w.result.cleaned
_k = np.unravel_index(np.nanargmax(_t[40:-40, 40:-40]), _t[40:-40, 40:-40].shape)
print(_k[1] + 40, _k[0] + 40)
"""
SEEN = """
import json
_s = w.inspected
_rows = dict(_s.rows())
print(json.dumps({k: float(getattr(_s, k)) for k in
    ("x", "y", "flux", "flux_err", "radius", "sky")} | {"ring": list(_s.ring),
    "text": _rows["Flux"]}))
"""


def test_keys_work_and_change_no_cell(place, browser):
    cell = place.open(browser)
    cell.run()
    cells = "jupyterapp.shell.currentWidget.content.widgets.length"
    before = cell.page.evaluate(cells)
    cell.click(100, 100)
    view = cell.root.get_attribute("data-view")
    for key in ("b", "b", "i", "i", "+", "ArrowLeft", "x", "d", "d", "1"):
        cell.page.keyboard.press(key)
    cell.wait(f"d.view !== '{view}'")
    assert cell.page.evaluate(cells) == before
    assert cell.errors == []
    cell.page.close()


def test_another_cell_runs_during_a_run_and_cancel_keeps_what_was_done(place, browser):
    big = (
        "import bgrem_notebook\nimport numpy as np\n"
        "big = np.random.default_rng(0).normal(100, 5, (2000, 2000))\n"
        "w = bgrem_notebook.view(big, tile=256)\nw"
    )
    cell = place.open(browser, (big,))
    cell.press("Run")
    cell.wait("d.busy === 'run'")
    assert cell.ask("print(6 * 7)") == "42"
    cell.says("Removing the noise · 2 of")
    cell.press("Cancel")
    cell.wait("d.busy === ''")
    cell.says("only a part")
    assert cell.ask("print(w.result)") == "None"
    assert cell.errors == []
    cell.page.close()


def test_a_page_that_is_loaded_again_shows_the_same(place, browser):
    cell = place.open(browser)
    cell.run()
    said = cell.root.inner_text()
    assert "optical" in said
    page = cell.page
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_timeout(500)
    page.reload()
    page.wait_for_selector("[data-ready='1']", timeout=LONG)
    assert "noise" in page.locator("[data-ready]").first.inner_text()
    assert cell.errors == []
    page.close()


def test_steps_are_opened_and_moved_through(place, browser, shots):
    if place.name != "lab":
        pytest.skip("once is enough")
    cell = place.open(browser)
    page = cell.page
    page.get_by_role("tab", name="Steps").click()
    page.get_by_role("button", name="Record").first.click()
    cell.says("After step 8 of 8")
    slider = page.get_by_role("slider", name="Step", exact=True)
    slider.focus()
    page.keyboard.press("Home")
    cell.says("As observed")
    page.keyboard.press("ArrowRight")
    cell.says("After step 1 of 8")
    page.screenshot(path=shots / "lab-4-steps.png", full_page=True)
    assert cell.errors == []
    page.close()


def test_a_missing_file_is_said_in_one_line(place, browser):
    cell = place.open(browser, ("%load_ext bgrem_notebook\n%bgrem nowhere.fits",))
    said = cell.page.locator(STDERR).inner_text()
    assert "nowhere.fits" in said
    assert "Traceback" not in said
    cell.page.close()
