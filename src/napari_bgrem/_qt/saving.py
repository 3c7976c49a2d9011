"""Saving: where a result goes, and how it is written."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from bgrem_core.errors import UsageError
from bgrem_core.io.names import output_path
from bgrem_core.stack import planes_of
from napari_bgrem._qt.places import folder_for

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from bgrem_core.api import Result

__all__ = ["ask_path", "write_result"]


def ask_path(parent: "QWidget", result: "Result") -> str:
    """Ask for a file.

    Parameters
    ----------
    parent : QWidget
        Above which the dialog stands.
    result : Separation or StackSeparation
        Its input decides what is proposed.

    Returns
    -------
    str
        With an ending; "" if the user thought better of it.
    """
    source = planes_of(result)[0].image.origin.path
    start = output_path(source or "result.fits", folder=folder_for(source))
    path, _ = QFileDialog.getSaveFileName(
        parent, "Save the result", str(start.with_suffix(".fits")), "FITS (*.fits)"
    )
    return path if not path or Path(path).suffix else f"{path}.fits"


def write_result(result: "Result | None", path: str) -> None:
    """Write a result with all its layers.

    Parameters
    ----------
    result : Separation, StackSeparation or None
        With the strength that is shown.
    path : str
        A FITS file; replaced if it exists, for the dialog has asked.

    Raises
    ------
    UsageError
        There is no result.
    WriteError
        The path is the input itself, or the disk is full or read-only.
    """
    import bgrem_core

    if result is None:
        raise UsageError("there is no result yet", hint="press Run first")
    bgrem_core.write(result, path, layers=True, overwrite=True)
