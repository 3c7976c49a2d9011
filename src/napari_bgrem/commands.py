"""Commands: what the command palette and the menus offer beside the widgets."""

from typing import TYPE_CHECKING

from bgrem_core.errors import UsageError
from napari_bgrem.bare import bare
from napari_bgrem.compared import comparison_of, newest_groups

if TYPE_CHECKING:
    import napari

__all__ = ["blink", "compare"]


def compare(viewer: "napari.Viewer") -> None:
    """Show original, cleaned and residual side by side, or leave that.

    Parameters
    ----------
    viewer : napari.Viewer
        With a result.

    Raises
    ------
    UsageError
        There is no result in it.
    """
    viewer = bare(viewer)
    comparison = comparison_of(viewer)
    if comparison.active:
        comparison.leave()
    else:
        comparison.enter(_groups(viewer))


def blink(viewer: "napari.Viewer") -> None:
    """Show original and cleaned in turn in one place.

    Parameters
    ----------
    viewer : napari.Viewer
        With a result.

    Raises
    ------
    UsageError
        There is no result in it.
    """
    viewer = bare(viewer)
    comparison_of(viewer).blink(_groups(viewer))


def _groups(viewer: "napari.Viewer") -> "list[list[napari.layers.Layer]]":
    groups = newest_groups(viewer)
    if len(groups) < 2:
        raise UsageError(
            "there is nothing to compare yet",
            hint="open Plugins > BGRem > Remove background, and press Run",
        )
    return groups
