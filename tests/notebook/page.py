"""A page with a widget in it: what is done there, and what goes wrong on the way."""

from jupyter import LONG

#: Errors of Voila's and Notebook's own: extensions that were built for another host.
HARMLESS = ("RUNTIME-012", "reading 'schema'", "favicon", "Failed to load resource")


class Page:
    """A browser's page that shows one widget.

    Attributes
    ----------
    errors : list of str
        What the console and the page's scripts complained of.
    strangers : list of str
        Addresses on other hosts that were asked for.
    """

    def __init__(self, page, server):
        self.page, self._server = page, server
        self.errors, self.strangers = [], []
        page.on("console", lambda m: m.type == "error" and self._note(m.text))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda request: self._request(request.url))

    @property
    def root(self):
        return self.page.locator("[data-ready]").first

    def _note(self, text):
        if not any(word in text for word in HARMLESS):
            self.errors.append(text)

    def _request(self, url):
        ours = (self._server, self._server.replace("http", "ws"), "data:", "blob:")
        if not url.startswith(ours):
            self.strangers.append(url)

    def wait(self, condition):
        """Wait for a condition on the root's data, as JavaScript of ``d``."""
        self.page.wait_for_function(
            "(() => { const d = document.querySelector('[data-ready]')?.dataset;"
            f" return d && ({condition}); }})()",
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
        """Press Run, and wait until what came of it is drawn."""
        before = self.root.get_attribute("data-rev")
        self.press("Run")
        self.wait(f"d.busy === '' && d.rev !== '{before}' && d.ready === '1'")

    def view(self):
        """Return the middle and the scale of what is shown."""
        return [float(v) for v in self.root.get_attribute("data-view").split(",")]

    def at(self, x, y, panel=0):
        """Return the place of a data pixel on the page."""
        cx, cy, scale = self.view()
        box = self.page.locator("canvas[data-panel]").nth(panel).bounding_box()
        return (
            box["x"] + box["width"] / 2 + (x - cx) * scale,
            box["y"] + box["height"] / 2 - (y - cy) * scale,
        )

    def click(self, x, y, panel=0):
        self.page.mouse.click(*self.at(x, y, panel))
