"""Bare: the viewer itself, from the wrapper that napari hands to plugins."""

from typing import TypeVar

__all__ = ["bare"]

T = TypeVar("T")


def bare(viewer: T) -> T:
    """Return what a wrapper holds, or the thing itself.

    napari's wrapper guards private names, which nothing here uses. But it wraps each
    layer anew whenever it is asked for, so that no layer is itself any more.

    Parameters
    ----------
    viewer : napari.Viewer or wrapper of one
        As napari gives it to a widget or a command.

    Returns
    -------
    napari.Viewer
        The viewer.
    """
    inner: T = getattr(viewer, "__wrapped__", viewer)
    return inner
