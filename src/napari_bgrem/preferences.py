"""Preferences: what napari's own preferences say about running."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from bgrem_core.errors import BGRemError
from bgrem_core.methods import get_method
from bgrem_core.models import find_card

__all__ = ["preferred"]

_PLUGIN = "napari-bgrem"
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


def _serves(model: str, method: str) -> bool:
    return find_card(model).method == method


def _stored() -> dict[str, Any]:
    """Return what is stored; nothing where napari is missing or cannot read it."""
    try:
        from napari.settings import get_plugin_settings

        run = get_plugin_settings(_PLUGIN).run
        return {name: getattr(run, name) for name in _NAMES}
    except Exception:  # noqa: BLE001 - a broken file of settings stops nobody
        return {}
