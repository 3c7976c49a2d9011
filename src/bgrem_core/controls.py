"""Controls: what a window needs to build a form from a settings dataclass.

One control for each field; both windows show the same ones in the same order, and turn
what a person typed into values by the same rules.
"""

import dataclasses
import inspect
import math
import typing
from dataclasses import dataclass
from typing import Any, Literal

from bgrem_core.errors import UsageError
from bgrem_core.options import annotated_types

__all__ = ["Control", "Kind", "controls", "parse", "text_of"]

Kind = Literal["flag", "choice", "whole", "number", "text"]

_WORDS = {"hdu": "HDU", "dq": "DQ", "snr": "S/N", "fwhm": "FWHM"}
_YES = ("yes", "true", "on", "1")
_NO = ("no", "false", "off", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One line of a form.

    Attributes
    ----------
    name : str
        Field of the settings.
    label : str
        What a person reads, such as "Sky scale".
    kind : {"flag", "choice", "whole", "number", "text"}
        A switch, words to choose from, a whole number, a number, or any text.
    default : object
        Value where nothing is said.
    optional : bool
        None is allowed: decided from the image or the model card.
    low, high : float or None
        Least and greatest number; None = no limit, or no number.
    choices : tuple of str
        Words that are allowed.
    free : bool
        Numbers are allowed beside the words.
    whole : bool
        Numbers are whole ones.
    unit : str
        Unit of the number, such as "pix".
    help : str
        One sentence.
    advanced : bool
        Hidden until asked for.
    empty : str
        What is shown in place of None.
    """

    name: str
    label: str
    kind: Kind
    default: Any
    optional: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    free: bool = False
    whole: bool = False
    unit: str = ""
    help: str = ""
    advanced: bool = False
    empty: str = "auto"

    @property
    def expected(self) -> str:
        """What may be typed, as words."""
        if self.kind == "flag":
            return "yes or no"
        if self.kind == "text":
            return "any text"
        words = list(self.choices)
        if self.free or not words:
            words.append(self._number())
        return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)

    def _number(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.low is None or self.high is None:
            return kind
        low, high = (_plain_number(v) for v in (self.low, self.high))
        return f"{kind} from {low} to {high}"


def controls(kind: type) -> tuple[Control, ...]:
    """Return the controls of a form, in the order in which a window shows them.

    Parameters
    ----------
    kind : type
        A settings dataclass whose fields were declared with `option`.

    Returns
    -------
    tuple of Control
        A class's own fields before those that it inherits, as they were declared; the
        advanced ones after all others.
    """
    hints = typing.get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}
    order: dict[str, None] = {}
    for owner in kind.__mro__:
        own = inspect.get_annotations(owner)
        order.update(dict.fromkeys(name for name in own if name in fields))
    made = [_control(fields[name], hints[name]) for name in order]
    return tuple(sorted(made, key=lambda control: control.advanced))


def parse(control: Control, text: str) -> Any:
    """Turn what a person typed into a value.

    Parameters
    ----------
    control : Control
        What it was typed into.
    text : str
        Blanks around it do not matter. Nothing = None if that is allowed, else the
        default.

    Returns
    -------
    bool, int, float, str or None
        As the settings take it.

    Raises
    ------
    UsageError
        The text is no such thing, or a number is out of range.
    """
    said = text.strip()
    if not said:
        return None if control.optional else control.default
    if control.kind == "text":
        return said
    word = said.lower()
    if control.kind == "flag" and word in _YES + _NO:
        return word in _YES
    for choice in control.choices:
        if word == choice.lower():
            return choice
    if control.optional and word == "none":
        return None
    if control.kind == "flag":
        raise _refused(control, said, "is not yes or no")
    if control.kind == "choice" and not control.free:
        raise _refused(control, said, "is not known")
    return _number(control, said)


def text_of(value: object) -> str:
    """Return a value as a person would type it, so that `parse` gives it back.

    Parameters
    ----------
    value : bool, int, float, str or None
        Value of a field.

    Returns
    -------
    str
        "" for None.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _control(item: "dataclasses.Field[Any]", hint: Any) -> Control:
    types, meta = annotated_types(hint), item.metadata
    words = tuple(meta.get("choices") or ())
    # Where any text will do, numbers are typed as such.
    number = (int in types or float in types) and bool(words or str not in types)
    whole = number and float not in types
    kind: Kind = "text"
    if bool in types:
        kind, number, whole = "flag", False, False
    elif words:
        kind = "choice"
    elif number:
        kind = "whole" if whole else "number"
    low, high = meta.get("range") or (None, None)
    missing = item.default is dataclasses.MISSING
    return Control(
        name=item.name,
        label=meta.get("label") or _label(item.name),
        kind=kind,
        default=None if missing else item.default,
        optional=type(None) in types,
        low=low,
        high=high,
        choices=words,
        free=bool(words) and number,
        whole=whole,
        unit=meta.get("unit", ""),
        help=meta.get("help", ""),
        advanced=meta.get("advanced", False),
        empty=meta.get("empty", "auto"),
    )


def _label(name: str) -> str:
    text = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return text[:1].upper() + text[1:]


def _number(control: Control, said: str) -> int | float:
    try:
        value: int | float = int(said)
    except ValueError:
        try:
            value = float(said)
        except ValueError:
            what = "is not understood" if control.choices else "is not a number"
            raise _refused(control, said, what) from None
    if not math.isfinite(value):
        raise _refused(control, said, "is not a finite number")
    if control.whole and value != int(value):
        raise _refused(control, said, "is not a whole number")
    low = -math.inf if control.low is None else control.low
    high = math.inf if control.high is None else control.high
    if not low <= value <= high:
        raise _refused(control, said, "is out of range")
    return int(value) if control.whole else float(value)


def _refused(control: Control, said: str, why: str) -> UsageError:
    shown = said if len(said) <= 40 else f"{said[:37]}..."
    expected = control.expected
    hint = f"use {expected}" + (", or leave it empty" if control.optional else "")
    return UsageError(f"{control.label} {shown!r} {why}", hint=hint)


def _plain_number(value: float) -> str:
    """Return a limit without an exponent where it is a short whole number."""
    whole = float(value).is_integer() and abs(value) < 1e7
    return str(int(value)) if whole else f"{value:g}"
