"""Export: where a catalogue is to be written, and in which format."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_bgrem._qt.places import folder_for

if TYPE_CHECKING:
    from bgrem_core.image import Image

__all__ = ["ask_where"]

FORMATS = {
    "ECSV, with everything that is known (*.ecsv)": ".ecsv",
    "CSV (*.csv)": ".csv",
    "FITS (*.fits)": ".fits",
    "VOTable (*.vot)": ".vot",
    "DS9 regions (*.reg)": ".reg",
}


def ask_where(parent: QWidget, image: "Image") -> Path | None:
    """Ask for the file that the sources of an image are written to.

    Parameters
    ----------
    parent : QWidget
        The window that asks.
    image : Image
        Its file says where to begin.

    Returns
    -------
    Path or None
        With an extension; None if nothing was chosen.
    """
    path = image.origin.path
    stem = path.name.partition(".")[0] if path else "sources"
    start = folder_for(path) / f"BGRem_{stem}.ecsv"
    name, chosen = QFileDialog.getSaveFileName(
        parent, "Export sources", str(start), ";;".join(FORMATS)
    )
    if not name:
        return None
    target = Path(name)
    if target.suffix:
        return target
    return target.with_suffix(FORMATS.get(chosen, ".ecsv"))
