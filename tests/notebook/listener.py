"""What a browser would hear, for tests without one."""

import json

import numpy as np

from bgrem_notebook.desk import Desk
from bgrem_notebook.hearing import hear

LONG = 120.0


class Listener:
    """A desk, and all that it says."""

    def __init__(self, image=None, **door):
        self.said = []
        self.desk = Desk(self.take)
        if image is not None:
            self.desk.open(image, **door)

    def take(self, message, buffers):
        # As strict as a browser: no NaN, and nothing that JSON does not know.
        json.dumps(message, allow_nan=False)
        self.said.append((message, [np.array(b) for b in buffers]))

    def ask(self, kind, **message):
        """Send a message and wait; return what was said since."""
        start = len(self.said)
        hear(self.desk, {"type": kind, **message})
        assert self.desk.session.wait(LONG), "the worker did not end"
        return [m for m, _ in self.said[start:]]

    def last(self, kind):
        """Return the last message of a type, None if there was none."""
        found = self.last_with_buffers(kind)
        return None if found is None else found[0]

    def last_with_buffers(self, kind):
        return next((x for x in reversed(self.said) if x[0]["type"] == kind), None)

    def plane(self, name, level=0):
        """Return a whole level of a plane by asking for its tiles."""
        scene = self.last("scene")
        fresh = [m["rev"] for m, _ in self.said if m.get("plane") == name]
        revision = max([scene["planes"][name], *fresh])
        ny, nx = (-(-scene[n] // 2**level) for n in ("ny", "nx"))
        side = scene["tile"]
        wanted = [
            [name, revision, level, i, j]
            for i in range(-(-ny // side))
            for j in range(-(-nx // side))
        ]
        # Not waited for: a run may be at work.
        hear(self.desk, {"type": "want", "tiles": wanted})
        message, buffers = self.last_with_buffers("tiles")
        assert len(message["tiles"]) == len(wanted), "some tiles were stale"
        out = np.full((ny, nx), np.nan, np.float32)
        for tile, pixels in zip(message["tiles"], buffers, strict=True):
            i, j = tile["i"] * side, tile["j"] * side
            assert pixels.shape == (tile["ny"], tile["nx"])
            out[i : i + tile["ny"], j : j + tile["nx"]] = pixels
        return out
