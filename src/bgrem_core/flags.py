"""Flags of the command line, made from the fields of settings objects."""

import argparse
import dataclasses
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bgrem_core.errors import UsageError
from bgrem_core.methods import Method
from bgrem_core.options import annotated_types
from bgrem_core.settings import (
    ClusterSettings,
    FindSettings,
    OpenSettings,
    OutputSettings,
    RunSettings,
)

Field = dataclasses.Field[Any]


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of the command line.

    Attributes
    ----------
    names : tuple of str
        As typed, such as ("-s", "--steps").
    item : dataclasses.Field
        The field that it sets.
    types : tuple of type
        Types of the field.
    """

    names: tuple[str, ...]
    item: Field
    types: tuple[type, ...]

    @property
    def dest(self) -> str:
        """Name under which argparse keeps the value."""
        return self.names[-1].lstrip("-").replace("-", "_")

    def add_to(self, parser: "argparse._ArgumentGroup") -> None:
        """Declare this flag to argparse; what is not said is left out."""
        shared: dict[str, Any] = {
            "dest": self.dest,
            "default": argparse.SUPPRESS,
            "help": _help(self.item),
        }
        if bool in self.types:
            action: Any = "store_true"
            if type(None) in self.types:
                action = argparse.BooleanOptionalAction
            parser.add_argument(*self.names, action=action, **shared)
        else:
            parser.add_argument(*self.names, metavar=self._metavar(), **shared)

    def _metavar(self) -> str:
        """Return what stands for the value in the help: words, a unit or a name."""
        number = int in self.types or float in self.types
        unit = self.item.metadata["unit"].replace(" ", "-").upper()
        value = (unit or "N") if number else self.item.name.upper()
        words = self.item.metadata["choices"]
        if words and not number:
            return "|".join(words)
        if number and str in self.types and not words:
            return f"FILE|{value}"
        return "|".join([value, *words])

    def parse(self, text: Any) -> Any:
        """Turn what was typed into the field's type.

        Raises
        ------
        UsageError
            The text is no such thing.
        """
        if not isinstance(text, str) or text in self.item.metadata.get("choices", ()):
            return text
        for kind in (int, float):
            if kind in self.types:
                try:
                    return kind(text)
                except ValueError:
                    continue
        if str in self.types and not self.item.metadata.get("choices"):
            return text
        numbers = [t.__name__ for t in self.types if t in (int, float)]
        wanted = " or ".join([*self.item.metadata["choices"], *numbers])
        raise UsageError(
            f"{self.names[-1]} {text!r} is not understood", hint=f"use {wanted}"
        )


def flags_of(
    settings: type, *, prefix: str = "", skip: Iterable[str] = ()
) -> list[Flag]:
    """Return the flags of a settings dataclass.

    Parameters
    ----------
    settings : type
        Frozen dataclass whose fields were declared with `option`.
    prefix : str, optional
        Put before a field's name where the field does not name its flags.
    skip : iterable of str, optional
        Fields left out.
    """
    hints = typing.get_type_hints(settings)
    flags = []
    for item in dataclasses.fields(settings):
        if item.name in skip:
            continue
        made = f"--{prefix}{item.name}".replace("_", "-")
        names = item.metadata.get("flags") or (made,)
        flags.append(Flag(names, item, annotated_types(hints[item.name])))
    return flags


def method_flags(method: Method) -> list[Flag]:
    """Return the flags of a method's own fields."""
    common = {f.name for f in dataclasses.fields(RunSettings)}
    return flags_of(method.settings, prefix=f"{method.name}-", skip=common)


DOOR = flags_of(OpenSettings)
FIND = flags_of(FindSettings, prefix="find-")
RUN = flags_of(RunSettings)
OUTPUT = flags_of(OutputSettings)
CLUSTER = flags_of(ClusterSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All settings of one call of the command line.

    Attributes
    ----------
    method : Method
        What is run.
    door : OpenSettings
        How files are read.
    run : RunSettings
        Settings of the method.
    find : FindSettings
        How sources are searched.
    output : OutputSettings
        What is written, and where.
    cluster : ClusterSettings
        Which processes work.
    """

    method: Method
    door: OpenSettings
    run: RunSettings
    find: FindSettings
    output: OutputSettings
    cluster: ClusterSettings = field(default_factory=ClusterSettings)


def declare(parser: argparse.ArgumentParser, methods: Mapping[str, Method]) -> None:
    """Declare the flags of the door, of all methods, of the search and the rest."""
    _group(parser, "input", DOOR)
    seen: set[str] = set()
    for method in methods.values():
        fresh = [f for f in method_flags(method) if f.names[-1] not in seen]
        seen |= {f.names[-1] for f in fresh}
        _group(parser, f"method {method.name}", fresh)
    _group(parser, "finding sources", FIND)
    _group(parser, "output", OUTPUT)
    _group(parser, "machine", RUN + CLUSTER)


def read(
    said: Mapping[str, Any], method: Method, methods: Mapping[str, Method]
) -> Request:
    """Build the settings objects from what was typed.

    Parameters
    ----------
    said : mapping
        What argparse kept.
    method : Method
        The chosen method.
    methods : mapping of str to Method
        All registered methods.

    Raises
    ------
    UsageError
        A flag of another method, or a value that is wrong.
    """
    own = method_flags(method)
    mine = {f.dest for f in own}
    for other in methods.values():
        for flag in method_flags(other):
            if flag.dest in said and flag.dest not in mine:
                raise UsageError(
                    f"{flag.names[-1]} belongs to --method {other.name}",
                    hint=f"leave it out, or use --method {other.name}",
                )
    return Request(
        method=method,
        door=OpenSettings(**_values(DOOR, said)),
        run=method.settings(**_values([*own, *RUN], said)),
        find=FindSettings(**_values(FIND, said)),
        output=OutputSettings(**_values(OUTPUT, said)),
        cluster=ClusterSettings(**_values(CLUSTER, said)),
    )


def _values(flags: Iterable[Flag], said: Mapping[str, Any]) -> dict[str, Any]:
    return {f.item.name: f.parse(said[f.dest]) for f in flags if f.dest in said}


def _group(parser: argparse.ArgumentParser, title: str, flags: list[Flag]) -> None:
    if flags:
        group = parser.add_argument_group(title)
        for flag in flags:
            flag.add_to(group)


def _help(item: Field) -> str:
    text: str = item.metadata["help"]
    unit, default = item.metadata["unit"], item.default
    if unit:
        text += f" [{unit}]"
    if default is not None and not isinstance(default, bool):
        text += f" (default: {default})"
    return text.replace("%", "%%")
