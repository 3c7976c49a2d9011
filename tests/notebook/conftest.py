"""What the tests of the viewer share: a server for its files, and a browser."""

import contextlib
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

FILES = Path(__file__).parent / "js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Handler(SimpleHTTPRequestHandler):
    """The test files, and the viewer as a notebook gets it."""

    def do_GET(self):
        from bgrem_notebook import bundle

        self.extensions_map = {**self.extensions_map, ".mjs": "text/javascript"}
        self.extensions_map = {**self.extensions_map, ".mjs": "text/javascript"}
        made = {"/viewer.mjs": bundle.esm, "/viewer.css": bundle.css}
        make = made.get(self.path)
        if make is None:
            super().do_GET()
            return
        body = make().encode()
        kind = "text/css" if self.path.endswith("css") else "text/javascript"
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def viewer_address():
    """Serve the harness on a free port; gives its address."""
    handler = partial(Handler, directory=str(FILES))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/harness.html"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    """Start a browser; one at a time may be driven in a process."""
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    with (
        api.sync_playwright() as play,
        contextlib.closing(
            play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        ) as browser,
    ):
        yield browser
