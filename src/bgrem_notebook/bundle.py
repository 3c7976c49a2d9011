"""Bundle: the modules of the viewer joined into one, without any build tool.

A notebook loads one ES module and one style sheet from strings. The parts stay small
files that a browser and node can load by themselves; here their imports are taken away
and the rest is put together, in an order in which nothing is used before it is there.
"""

import re
from functools import cache
from importlib.resources import files

from bgrem_core.errors import UsageError

__all__ = ["MODULES", "css", "esm", "join"]

MODULES = (
    "numbers",
    "geometry",
    "colour",
    "pixels",
    "tiles",
    "sky",
    "scope",
    "wants",
    "painter",
    "store",
    "dom",
    "marks",
    "panel",
    "stage",
    "pointer",
    "keys",
    "form",
    "plots",
    "source_tab",
    "checks_tab",
    "steps_tab",
    "readout",
    "dialogs",
    "toolbar",
    "viewbar",
    "main",
)
"""Modules in the order in which they are joined, without their suffix."""

_IMPORT = re.compile(r"^import .*;?$\n?", re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async function|function|class|const|let) )", re.MULTILINE
)
_TOP = re.compile(
    r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var) (\w+)", re.MULTILINE
)


@cache
def esm() -> str:
    """Return the viewer as one ES module.

    Returns
    -------
    str
        With nothing but a default export.

    Raises
    ------
    UsageError
        Two modules declare one name.
    """
    return join({name: _read(f"{name}.mjs") for name in MODULES})


@cache
def css() -> str:
    """Return the style sheet of the viewer.

    Returns
    -------
    str
        All of its rules start with the class of the viewer's root.
    """
    return _read("viewer.css")


def join(modules: dict[str, str]) -> str:
    """Join ES modules into one.

    Parameters
    ----------
    modules : dict of str to str
        Sources by name, each after those that it imports from. Imports stand on one
        line, rename nothing, and only declarations are exported.

    Returns
    -------
    str
        The declarations of all modules, and the default export of the last.

    Raises
    ------
    UsageError
        Two modules declare one name at their top level.
    """
    home: dict[str, str] = {}
    parts = []
    for module, source in modules.items():
        for name in _TOP.findall(source):
            if name in home:
                twin = f"{module}.mjs declares {name}, which {home[name]}.mjs has too"
                raise UsageError(twin, hint="give one of them another name")
            home[name] = module
        parts.append(_EXPORT.sub("", _IMPORT.sub("", source)).strip())
    return "\n\n".join(parts) + "\n"


def _read(name: str) -> str:
    return (files("bgrem_notebook") / "static" / name).read_text("utf-8")
