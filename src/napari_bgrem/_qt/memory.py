"""Memory: what was chosen last time, for the next time."""

import json
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QSettings

__all__ = ["recall", "remember"]


def recall(name: str) -> dict[str, Any]:
    """Return what was remembered under a name, {} if nothing or nothing readable."""
    try:
        known = json.loads(str(_store().value(name, "{}")))
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def remember(name: str, values: Mapping[str, Any]) -> None:
    """Keep plain values under a name."""
    _store().setValue(name, json.dumps(dict(values)))


def _store() -> QSettings:
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-bgrem", "dock"
    )
