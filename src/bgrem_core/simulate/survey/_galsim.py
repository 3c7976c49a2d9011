"""The one door to GalSim, which is not among the needs of the package."""

from importlib import import_module
from typing import Any

from bgrem_core.errors import UsageError

__all__ = ["galsim"]


def galsim() -> Any:
    """Return the module ``galsim``.

    Returns
    -------
    module
        Imported at the first call.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        return import_module("galsim")
    except ImportError as error:
        raise UsageError(
            "the full optical simulator needs galsim, which is not installed",
            hint="install napari-bgrem[train], or use bgrem_core.simulate.draw_scene",
        ) from error
