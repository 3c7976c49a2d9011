"""Offer: a button that makes our reader the one for FITS files, once it is pressed."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_bgrem.image_of import is_turned
from napari_bgrem.preferences import OURS, fits_reader, read_fits_by_default

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["ReaderOffer"]

UNDO = "To undo: File > Preferences > Plugins."


class ReaderOffer(QPushButton):
    """Shown where napari asks for a reader, or has used its own on the image."""

    def __init__(self) -> None:
        super().__init__("Always &use BGRem for FITS files")
        self.setToolTip(
            "Else napari asks which reader to use, or takes its own, which turns "
            f"images upside down. {UNDO}"
        )

    def look(self, source: "Layer | None") -> None:
        """Show the button if there is reason to; never to who has chosen another.

        Parameters
        ----------
        source : napari.layers.Layer or None
            What is worked on.
        """
        chosen = fits_reader()
        turned = source is not None and is_turned(source)
        wanted = chosen not in (None, OURS) if turned else chosen == "" and not source
        self.setVisible(wanted)

    def accept(self) -> str:
        """Make our reader the one for FITS files; return what to say of it."""
        read_fits_by_default()
        return f"FITS files open with BGRem. {UNDO}"
