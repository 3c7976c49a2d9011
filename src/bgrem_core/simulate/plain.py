"""Settings as plain JSON types, equal to what they were before they had more fields."""

import dataclasses
import json
from typing import Any

__all__ = ["later", "plain"]

_MARK = "later"


def later(default: Any, *, group: str = "") -> Any:
    """Declare a field that came after recipes were written.

    Parameters
    ----------
    default : Any
        Immutable; with it everything is as it was without the field.
    group : str, optional
        Fields that came together, and are written out together.

    Returns
    -------
    Any
        What stands behind the field's name.
    """
    return dataclasses.field(default=default, metadata={_MARK: group})


def plain(settings: Any) -> dict[str, Any]:
    """Return settings as plain JSON types.

    Parameters
    ----------
    settings : Any
        A dataclass.

    Returns
    -------
    dict
        Its fields, nested; those that came later are left out while their group is at
        its defaults, so that what was written without them keeps its hash.
    """
    out: dict[str, Any] = json.loads(json.dumps(_fields(settings)))
    return out


def _fields(value: Any) -> Any:
    if not dataclasses.is_dataclass(value):
        return value
    fields = dataclasses.fields(value)
    used = {
        f.metadata[_MARK]
        for f in fields
        if _MARK in f.metadata and getattr(value, f.name) != f.default
    }
    return {
        f.name: _fields(getattr(value, f.name))
        for f in fields
        if f.metadata.get(_MARK) in used or _MARK not in f.metadata
    }
