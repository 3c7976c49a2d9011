"""Screenshots for people: where BGREM_SCREENSHOTS names a folder."""

import os
from pathlib import Path


def shot(what, name):
    """Save a picture of a widget or of a viewer's window as a PNG."""
    folder = os.environ.get("BGREM_SCREENSHOTS")
    if not folder:
        return
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    if hasattr(what, "screenshot"):
        what.screenshot(str(path), canvas_only=False, flash=False)
    else:
        assert what.grab().save(str(path))
