"""Real pages with a widget in them, and the clocks that run in them."""

import contextlib
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "notebook"))
from jupyter import LAB, LONG, NOTEBOOK, TOKEN, chromium, notebook, served
from page import Page

VOILA = Path(__file__).parents[2] / "examples" / "voila"
WINDOW = {"width": 1360, "height": 1400}
SERVERS = {
    "lab": (LAB, "lab/tree"),
    "notebook": (NOTEBOOK, "notebooks"),
    "voila": (
        ("voila", str(VOILA / "bgrem_app.ipynb"), "--no-browser",
         "--Voila.ip=127.0.0.1", "--port={port}", "--template=bgrem"), "",
    ),
}  # fmt: skip
IDLE = """() => {
  const s = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  return s?.session?.kernel?.status === 'idle';
}"""
RUN_ALL = "jupyterapp.commands.execute('notebook:run-all-cells')"
KERNEL = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
ASK = f"""async (code) => {{
  const future = {KERNEL}.requestExecute({{ code, store_history: false }});
  let text = '', error = '';
  future.onIOPub = (m) => {{
    if (m.header.msg_type === 'stream') text += m.content.text;
    if (m.header.msg_type === 'error') error += m.content.traceback.join('\\n');
  }};
  await future.done;
  return {{ text, error }};
}}"""
# Known from the first moment of a page: when it was ready, and every frame since.
CLOCKS = """
window.readyAt = 0;
window.frames_ = [];
let last = '';
const look = () => {
  const root = document.querySelector('[data-ready]');
  if (root) {
    const { drawnAt, drawMs, ready } = root.dataset;
    if (ready === '1' && !window.readyAt) window.readyAt = Date.now();
    if (drawnAt && drawnAt !== last) {
      last = drawnAt;
      window.frames_.push([Number(drawnAt), Number(drawMs)]);
    }
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
CLICK = re.compile(rb'"content":\s*(\{"type":\s*"click"[^{}]*\})')


class Place(Page):
    """A page of one of the hosts; what it sends to its kernel is listened to.

    Attributes
    ----------
    sent : list of bytes
        Clicks as they left the page.
    received : int
        Bytes that came from the kernel, all messages together.
    """

    def __init__(self, browser, server):
        super().__init__(browser.new_page(viewport=WINDOW), server)
        self.sent, self.received = [], 0
        self.page.add_init_script(CLOCKS)
        self.page.on("websocket", self._listen)

    def _listen(self, socket):
        def left(payload):
            data = payload if isinstance(payload, bytes) else payload.encode()
            self.sent.extend(CLICK.findall(data))

        def came(payload):
            self.received += len(payload)

        socket.on("framesent", left)
        socket.on("framereceived", came)

    def ask(self, code):
        """Run code in the kernel; return what it printed."""
        got = self.page.evaluate(ASK, code)
        if got["error"]:
            raise RuntimeError(got["error"])
        return got["text"].strip()

    def since(self, action, condition):
        """Return the milliseconds from an action until the root says something."""
        start = self.page.evaluate("performance.now()")
        action()
        self.wait(condition)
        return self.page.evaluate("performance.now()") - start


@contextlib.contextmanager
def opened(browser, host, folder, *cells):
    """Open a host and run a notebook's cells there; the app has cells of its own."""
    words, path = SERVERS[host]
    os.environ["JUPYTER_PATH"] = str(VOILA / "jupyter")
    place = folder / host
    place.mkdir(exist_ok=True)
    with served(place, *words) as url:
        made = Place(browser, url)
        if host == "voila":
            made.page.goto(url, timeout=LONG)
        else:
            (place / "one.ipynb").write_text(notebook(*cells))
            made.page.goto(f"{url}/{path}/one.ipynb?token={TOKEN}&reset", timeout=LONG)
            made.page.wait_for_function(IDLE, timeout=LONG)
            made.page.evaluate(RUN_ALL)
        made.wait("d.ready === '1'")
        try:
            yield made
        finally:
            made.page.close()


@contextlib.contextmanager
def browsing():
    """Start the Chromium of this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()
