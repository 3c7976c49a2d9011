"""Preferences: what napari's own preferences say about running, and about FITS."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from bgrem_core.errors import BGRemError
from bgrem_core.methods import get_method
from bgrem_core.models import find_card
from napari_bgrem.reader import ENDINGS

__all__ = ["OURS", "fits_reader", "preferred", "read_fits_by_default"]

OURS = "napari-bgrem"
"""What napari calls this plugin."""
_NAMES = ("tile", "device", "model")


def preferred(method: str = "bgrem") -> dict[str, Any]:
    """Return the settings that a method starts with.

    Parameters
    ----------
    method : str, optional
        Key of METHODS.

    Returns
    -------
    dict
        Fields of its settings: tile, device, and the model where it has one; as in
        napari's preferences, else the default.
    """
    settings = get_method(method).settings()
    values = {n: getattr(settings, n) for n in _NAMES if hasattr(settings, n)}
    for name, value in _stored().items():
        # What is stored may be older than this version.
        with suppress(BGRemError):
            if name in values and (name != "model" or _serves(value, method)):
                replace(settings, **{name: value})
                values[name] = value
    return values


def fits_reader() -> str | None:
    """Return which plugin the user wants for FITS files.

    Returns
    -------
    str or None
        "" if napari asks each time; None if its settings cannot be read.
    """
    try:
        from napari.settings import get_settings

        return str(get_settings().plugins.extension2reader.get(f"*{ENDINGS[0]}", ""))
    except Exception:  # noqa: BLE001 - a broken file of settings stops nobody
        return None


def read_fits_by_default() -> None:
    """Store in napari's settings that our reader opens FITS files.

    Called when the user asks for it and at no other time; other endings keep theirs.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    ours = {f"*{ending}": OURS for ending in ENDINGS}
    plugins.extension2reader = {**plugins.extension2reader, **ours}


def _serves(model: str, method: str) -> bool:
    return find_card(model).method == method


def _stored() -> dict[str, Any]:
    """Return what is stored; nothing where napari is missing or cannot read it."""
    try:
        from napari.settings import get_plugin_settings

        run = get_plugin_settings(OURS).run
        return {name: getattr(run, name) for name in _NAMES}
    except Exception:  # noqa: BLE001 - a broken file of settings stops nobody
        return {}
