"""The app: a real Voila in a real browser, as a visitor meets it."""

import os
import sys
import urllib.request
from pathlib import Path

import pytest

from bgrem_core import samples

sys.path.insert(0, str(Path(__file__).parent))
from jupyter import LONG, chromium, served
from page import Page

pytest.importorskip("playwright")
pytest.importorskip("voila")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium"),
]

FOLDER = Path(__file__).parents[2] / "examples" / "voila"
APP = FOLDER / "bgrem_app.ipynb"
SERVER = (
    "voila", str(APP), "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}",
    "--template=bgrem",
)  # fmt: skip
STAR = 118.2, 224.7  # beside the galaxy of the sample that is shown first


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # As `make voila` has it.
        patch.setitem(os.environ, "JUPYTER_PATH", str(FOLDER / "jupyter"))
        with served(tmp_path_factory.mktemp("voila"), *SERVER) as url:
            yield url


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def app(browser, server):
    made = Page(browser.new_page(viewport={"width": 1360, "height": 1300}), server)
    made.page.goto(server, timeout=LONG)
    made.wait("d.ready === '1'")
    yield made
    made.page.close()
    # Nothing was fetched from elsewhere, and nothing went wrong on the way.
    assert made.strangers == []
    assert made.errors == []


def test_a_visitor_sees_runs_clicks_and_moves_the_strength(app, shots):
    page = app.page
    assert page.get_by_role("heading", name="The sky without its noise").is_visible()
    text = page.locator("body").inner_text()
    for word in ("import ", "ipywidgets", "samples.path", "Traceback"):
        assert word not in text
    assert (
        page.locator(".jp-CodeCell .jp-InputArea, .highlight, .cm-editor").count() == 0
    )
    page.screenshot(path=shots / "voila-1-open.png", full_page=True)

    app.run()
    app.click(*STAR, panel=1)
    app.says("Sky ring")
    page.screenshot(path=shots / "voila-2-source.png", full_page=True)

    drawn = float(app.root.get_attribute("data-drawn-at"))
    page.get_by_role("slider", name="Strength").focus()
    page.keyboard.press("Home")
    app.says("strength 0 %")
    app.wait(f"Number(d.drawnAt) > {drawn} && d.ready === '1'")

    app.press("Find sources")
    app.wait("d.busy === ''")
    page.wait_for_selector("table tbody tr:nth-child(5) td", timeout=LONG)
    page.screenshot(path=shots / "voila-3-sources.png", full_page=True)


def test_another_sample_takes_the_place_of_the_one_that_is_shown(app, shots):
    page = app.page
    app.press("Run")
    app.wait("d.busy === 'run'")
    choice = page.get_by_label("Picture")
    choice.select_option(label="A simulated field: what is right is known")
    app.says("simulated.fits.fz")
    app.wait("d.ready === '1' && d.busy === ''")
    assert page.locator("[data-ready]").count() == 1
    app.run()
    app.press("Find sources")
    app.says("found, not real")
    page.wait_for_selector("table tbody tr:nth-child(5) td", timeout=LONG)
    page.screenshot(path=shots / "voila-4-simulated.png", full_page=True)


def test_every_sample_has_a_name_that_a_visitor_understands():
    text = APP.read_text("utf-8")
    assert all(f'\\"{name}\\":' in text for name in samples.names())


def test_without_the_word_nobody_comes_in(tmp_path):
    """Other users of the machine reach the port, too."""
    for page in (
        FOLDER.parents[1] / "Makefile",
        FOLDER.parents[1] / "docs/notebook.md",
    ):
        told = page.read_text("utf-8").replace("\\\n", " ")
        (line,) = [x for x in told.splitlines() if "--template=bgrem" in x]
        assert {"--token", "--Voila.ip=127.0.0.1"} <= set(line.split())
    with served(tmp_path, *SERVER, "--token=word") as url:
        for asked, inside in ((url, False), (f"{url}/?token=word", True)):
            with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
                assert ("/login" not in answer.url) == inside
