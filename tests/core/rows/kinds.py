"""What a row of the contract is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The ways on which a user meets a bad file.
COMMAND, PYTHON, SESSION, NETWORK = "command", "python", "session", "network"
EVERY = (COMMAND, PYTHON, SESSION)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input of a row, and what becomes of it.

    Attributes
    ----------
    name : str
        Tells it from the other cases of its row.
    build : callable
        ``build(folder)`` makes the input; bad files are never stored.
    code : int
        Exit code; 0 = handled.
    words, hint : str
        Parts of the error's sentence and hint.
    check : callable
        ``check(folder, out)`` looks at the file that was written.
    notice : str
        Part of what the user is told where the input is handled.
    settings : mapping
        Settings by their names in Python; flags of the command are made from them.
    output : mapping
        prefix, output, overwrite, layers: where and how is written.
    method : str
        Of cleaning; the mesh needs no torch.
    file, out : str
        Names of the input and of what is written.
    ways : tuple of str
        On which ways it is tried. Sessions write nothing themselves, so rows about
        outputs do not concern them; `NETWORK` is the command with its default method.
    fault : callable
        ``fault(monkeypatch, folder)`` breaks the machine after the input was made.
    spoils : bool
        The fault changes the input.
    play : callable or None
        ``play(way, folder, monkeypatch, capsys)`` stands for everything else, where a
        row is not about one file that is cleaned.
    """

    name: str
    build: Callable[[Path], None] = lambda folder: None
    code: int = 0
    words: str = ""
    hint: str = ""
    check: Callable[[Path, Path], None] = lambda folder, out: None
    notice: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    method: str = "mesh"
    file: str = "in.fits"
    out: str = "BGRem_in.fits"
    ways: tuple[str, ...] = EVERY
    fault: Callable[[Any, Path], None] = lambda monkeypatch, folder: None
    spoils: bool = False
    play: Callable[..., None] | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the contract: a kind of bad input.

    Attributes
    ----------
    number : int
        1 to 50.
    title : str
        The input, as the page for users names it.
    happens : str
        What becomes of it, as that page says it.
    cases : tuple of Case
        At least one.
    because : str
        Why the row promises something else than was first asked for, or is tried in a
        small form.
    """

    number: int
    title: str
    happens: str
    cases: tuple[Case, ...]
    because: str = ""
