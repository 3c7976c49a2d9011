"""JSON into frozen dataclasses, refusing every field and type that was not declared."""

import dataclasses
import re
import sys
from collections.abc import Mapping
from types import GenericAlias
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from bgrem_core.errors import BGRemError, UsageError

__all__ = ["strict"]

T = TypeVar("T")
_LARGEST = sys.float_info.max


def strict(kind: type[T], data: Any, *, where: str) -> T:
    """Build a dataclass from parsed JSON.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are int, float, str, bool, tuples of these, dict, Any
        or dataclasses.
    data : Any
        What the file says: an object with exactly such fields; those with defaults
        may be left out.
    where : str
        Name of the object, for errors.

    Returns
    -------
    T
        Instance of `kind`.

    Raises
    ------
    UsageError
        A field is unknown, missing, of another type, or not a finite number.
    """
    if not isinstance(data, Mapping):
        raise UsageError(f"{where} is not a JSON object", "correct the recipe")
    hints = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(map(str, data)) - set(fields)):
        raise UsageError(
            f"{where} has the unknown field {unknown[0][:80]!r}",
            f"known: {', '.join(sorted(fields))}",
        )
    for name, f in fields.items():
        needed = f.default is f.default_factory is dataclasses.MISSING
        if needed and name not in data:
            raise UsageError(f"{where} lacks the field {name!r}", "add the field")
    values = {k: _value(hints[k], v, f"{where}.{k}") for k, v in data.items()}
    try:
        return kind(**values)
    except BGRemError as error:
        # Settings name their field, and do not know what they are a part of.
        first = re.split(r"\W", error.sentence, maxsplit=1)[0]
        joint = "." if first in fields else ": "
        raise UsageError(f"{where}{joint}{error.sentence}", error.hint) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}", "correct the recipe") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        # An object that is ready made comes from Python, not from a file.
        whole = isinstance(value, hint)  # type: ignore[arg-type]
        return value if whole else strict(hint, value, where=where)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        return _sequence(hint, value, where)
    if get_origin(hint) is dict and isinstance(value, Mapping):
        return dict(value)
    if hint is float and type(value) in (int, float) and abs(value) <= _LARGEST:
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    word = "object" if get_origin(hint) is dict else getattr(hint, "__name__", hint)
    raise UsageError(
        f"{where} is {str(value)[:80]!r}, which is no {_WORDS.get(word, word)}",
        "correct the recipe",
    )


def _sequence(hint: GenericAlias, value: Any, where: str) -> tuple[Any, ...]:
    kinds = get_args(hint)
    if not isinstance(value, list | tuple):
        raise UsageError(f"{where} is no list", "correct the recipe")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise UsageError(
            f"{where} has {len(value)} entries, not {len(kinds)}", "correct the recipe"
        )
    return tuple(
        _value(kind, v, f"{where}[{k}]")
        for k, (kind, v) in enumerate(zip(kinds, value, strict=True))
    )


_WORDS = {"int": "whole number", "float": "finite number", "str": "text"}
