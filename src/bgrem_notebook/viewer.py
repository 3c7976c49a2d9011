"""Viewer: the panels in the browser; carries messages, and knows nothing of the sky."""

from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from bgrem_notebook.bundle import css, esm
from bgrem_notebook.desk import Desk
from bgrem_notebook.hearing import hear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Viewer"]


class Viewer(anywidget.AnyWidget):
    """Original, cleaned and residual side by side, with all that is done to them.

    Pixels travel as messages with buffers when the browser asks for them, so that
    nothing of them is saved with a notebook; the traits below are small, and may be
    linked to other widgets.

    Attributes
    ----------
    strength : float
        Share of the noise that is taken away, 0 to 1.
    view : list of float
        Middle in data pixels, x and y, and screen pixels for each of them.
    stretch : str
        "linear", "asinh", "log" or "sqrt".
    limits_by : str
        "zscale", "percentile" or "minmax"; or two numbers, such as "90 250".
    colours : str
        Of original and cleaned: "grey", "viridis" or "cividis", with " inverted" behind
        it where dark is bright.
    mode : str
        "side by side", "blink" or "wipe".
    height : int
        Of the panels, screen pixels.
    desk : Desk
        What is seen here.
    """

    _esm = esm()
    _css = css()

    strength = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    view = traitlets.List(traitlets.Float()).tag(sync=True)
    stretch = traitlets.Unicode("linear").tag(sync=True)
    limits_by = traitlets.Unicode("zscale").tag(sync=True)
    colours = traitlets.Unicode("grey").tag(sync=True)
    mode = traitlets.Unicode("side by side").tag(sync=True)
    height = traitlets.Int(360, min=120, max=4000).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._bg_base64 = _in_colab()
        self.desk = Desk(self._bg_tell)
        self.on_msg(self._bg_heard)
        self.observe(self._bg_strength, "strength")

    def close(self) -> None:
        """Stop what is at work, and leave the page."""
        self.desk.close()
        super().close()

    def _bg_heard(self, _: Any, message: Any, buffers: Any) -> None:
        del buffers
        if isinstance(message, dict):
            hear(self.desk, message)

    def _bg_tell(
        self, message: dict[str, Any], buffers: "Sequence[NDArray[Any]]"
    ) -> None:
        if self._bg_base64 and len(buffers):
            import base64

            packed = [base64.b64encode(b.tobytes()).decode("ascii") for b in buffers]
            self.send({**message, "base64": packed})
            return
        # Bytes: a view of an array that changes later would be sent as it is then.
        self.send(message, [np.ascontiguousarray(b).tobytes() for b in buffers])

    def _bg_strength(self, change: Any) -> None:
        self.desk.strength = float(change["new"])
        self.desk.look_again()


def _in_colab() -> bool:
    """Return whether the front end drops binary buffers, as that of Colab does."""
    import sys

    return "google.colab" in sys.modules
