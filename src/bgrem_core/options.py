"""Options: fields of settings objects that know their help, unit, range and flags."""

import dataclasses
import math
import types
import typing
from dataclasses import field
from typing import Any

from bgrem_core.errors import UsageError


def option(
    *,
    default: Any,
    help: str,  # noqa: A002 - the word that argparse uses too
    unit: str = "",
    range: tuple[float, float] | None = None,  # noqa: A002
    choices: tuple[str, ...] = (),
    advanced: bool = False,
    flags: tuple[str, ...] = (),
    empty: str = "auto",
    label: str = "",
    steers: bool = False,
) -> Any:
    """Declare one option of a settings dataclass.

    Parameters
    ----------
    default : object
        Value where nothing is said. None = decided from the image or the model card.
    help : str
        One sentence, shown by the command line and as a tooltip.
    unit : str, optional
        Unit, such as "pix".
    range : tuple of float, optional
        Smallest and largest allowed number.
    choices : tuple of str, optional
        Allowed words. With a number in the annotation, words or numbers are allowed.
    advanced : bool, optional
        Hidden in the forms until asked for.
    flags : tuple of str, optional
        Flags of the command line; by default made from the field's name.
    empty : str, optional
        What a form shows in place of None.
    label : str, optional
        What a form calls it; by default made from the field's name.
    steers : bool, optional
        Says where or how the work is done, not what comes out: results that differ in
        it alone count as equal.

    Returns
    -------
    dataclasses.Field
        To be assigned in the class body.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "range": range,
        "choices": choices,
        "advanced": advanced,
        "flags": flags,
        "empty": empty,
        "label": label,
        "steers": steers,
    }
    return field(default=default, metadata=metadata)


def validate(settings: Any) -> None:
    """Check every field of a settings object against its declaration.

    Parameters
    ----------
    settings : dataclass instance
        Fields declared with `option`.

    Raises
    ------
    UsageError
        A value has the wrong type or lies outside its range or choices.
    """
    hints = typing.get_type_hints(type(settings))
    for item in dataclasses.fields(settings):
        _check(item, hints[item.name], getattr(settings, item.name))


def annotated_types(hint: Any) -> tuple[type, ...]:
    """Return the plain types of an annotation such as ``int | None``."""
    is_union = (
        isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    )
    return typing.get_args(hint) if is_union else (hint,)


def _check(item: dataclasses.Field[Any], hint: Any, value: Any) -> None:
    allowed = annotated_types(hint)
    meta = item.metadata
    said = f"{item.name}={value!r}"
    if value is None and type(None) in allowed:
        return
    if bool in allowed:
        if not isinstance(value, bool):
            raise UsageError(f"{said} is not True or False")
        return
    if isinstance(value, str) and str in allowed:
        if meta.get("choices") and value not in meta["choices"]:
            raise UsageError(
                f"{said} is not known", hint=f"use {_expected(item, allowed)}"
            )
        return
    _check_number(item, allowed, value)


def _check_number(
    item: dataclasses.Field[Any], allowed: tuple[type, ...], value: Any
) -> None:
    said, hint = f"{item.name}={value!r}", f"use {_expected(item, allowed)}"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not (int in allowed or float in allowed):
        raise UsageError(f"{said} is of the wrong kind", hint=hint)
    if not math.isfinite(value):
        raise UsageError(f"{said} is not a finite number", hint=hint)
    if float not in allowed and value != int(value):
        raise UsageError(f"{said} is not a whole number", hint=hint)
    limits = item.metadata.get("range")
    if limits and not limits[0] <= value <= limits[1]:
        raise UsageError(f"{said} is out of range", hint=hint)


def _expected(item: dataclasses.Field[Any], allowed: tuple[type, ...]) -> str:
    words = list(item.metadata.get("choices") or ())
    limits = item.metadata.get("range")
    if int in allowed or float in allowed:
        kind = "a number" if float in allowed else "a whole number"
        words.append(f"{kind} from {limits[0]:g} to {limits[1]:g}" if limits else kind)
    return " or ".join(words) or "text"
