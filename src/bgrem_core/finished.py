"""Finished: whether a result is there already, made of this input as is asked now."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bgrem_core.api import Result
from bgrem_core.errors import BGRemError, ReadError, WriteError
from bgrem_core.flags import DOOR, FIND, OUTPUT, RUN, Flag, Request, method_flags
from bgrem_core.io.made import read_made
from bgrem_core.methods.common import package_version
from bgrem_core.separation import Separation
from bgrem_core.stack import StackSeparation

_HINT = "use --overwrite to replace it"
_SHORT = 16


def fingerprint(path: str | Path) -> str:
    """Return the SHA-256 of a file as it lies on disk.

    Raises
    ------
    ReadError
        It cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReadError(
            f"{path} cannot be read ({error.strerror})", hint="look at the file"
        ) from error


def asked(request: Request) -> dict[str, Any]:
    """Return what decides a result, apart from its input, as plain values.

    Parameters
    ----------
    request : Request
        All settings.

    Returns
    -------
    dict
        Version, method, the hash of the weights, and each flag that is not at its
        default and changes the result, by its name without dashes. Of a flag that
        names a file the hash of that file belongs to the value.
    """
    made: dict[str, Any] = {"version": package_version(), "method": request.method.name}
    model = getattr(request.run, "model", None)
    if isinstance(model, str):
        made["model"] = _weights(model)
    made.update(_said(DOOR, request.door))
    made.update(_said([*method_flags(request.method), *RUN], request.run))
    if request.output.catalog is not None:
        made["catalog"] = True
        made.update(_said(FIND, request.find))
    made.update(_said(OUTPUT, request.output))
    return made


def is_finished(target: Path, digest: str, order: Mapping[str, Any]) -> bool:
    """Whether a target was made of an input as is asked now.

    Parameters
    ----------
    target : Path
        May exist or not.
    digest : str
        `fingerprint` of the input.
    order : mapping
        What `asked` gave.

    Returns
    -------
    bool
        False if there is no such file, or nothing that says how it was made.

    Raises
    ------
    WriteError
        It was made otherwise, or of another input; the sentence tells the difference.
    """
    made = read_made(target) if target.is_file() else None
    if made is None or not made.input_sha256:
        return False
    name = target.name
    otherwise = "; ".join(_differences(made.asked, order))
    if otherwise:
        raise WriteError(
            f"{name} exists already and was made otherwise: {otherwise}", hint=_HINT
        )
    if made.input_sha256 != digest:
        raise WriteError(
            f"{name} exists already and was made of another input, or the input has "
            "changed since",
            hint=_HINT,
        )
    return True


def signed(result: Result, digest: str, order: Mapping[str, Any]) -> Result:
    """Return a result that says which file it was made of, and what was asked for."""

    def sign(plane: Separation) -> Separation:
        made = replace(plane.provenance, input_sha256=digest, asked=order)
        return replace(plane, provenance=made)

    if isinstance(result, StackSeparation):
        return replace(result, planes=tuple(map(sign, result.planes)))
    return sign(result)


def _said(flags: list[Flag], settings: Any) -> Iterator[tuple[str, Any]]:
    for flag in flags:
        value = getattr(settings, flag.item.name)
        known = flag.item.name == "model" or flag.item.metadata.get("steers")
        if not known and value != flag.item.default:
            yield flag.names[-1].lstrip("-"), _with_hash(value)


def _with_hash(value: Any) -> Any:
    """Add to the name of a file what is in it."""
    if isinstance(value, str) and _is_file(value):
        return f"{value} (sha256 {_known(Path(value))[:_SHORT]})"
    return value


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    # A text that is no name at all.
    except (OSError, ValueError):
        return False


def _weights(model: str) -> str:
    """Return name and hash of a model's weights; what is wrong with it comes later."""
    from bgrem_core.models import find_file

    try:
        path = find_file(model)
        digest = _known(path)
    except (BGRemError, OSError):
        return model
    return f"{path.stem} (sha256 {digest[:_SHORT]})"


def _known(path: Path) -> str:
    """Return the hash of a file that belongs to many; read again if it has changed."""
    about = path.stat()
    return _digest(path.absolute(), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _digest(path: Path, _changed: int, _size: int) -> str:
    return fingerprint(path)


def _differences(made: Mapping[str, Any], order: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*made, *order]):
        before, now = made.get(name), order.get(name)
        if before != now:
            word = name if name == "version" else f"--{name}"
            switch = isinstance(before, bool) or isinstance(now, bool)
            default = "off" if switch else "default"
            told = (default if v is None else _told(v) for v in (before, now))
            yield f"{word} {', now '.join(told)}"


def _told(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
