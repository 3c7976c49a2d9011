"""Packages: versions of what is needed, and of what is there besides."""

import importlib.metadata
import re
from collections.abc import Iterator

from bgrem_core.doctor.facts import Fact

NEEDED = (
    "numpy", "scipy", "astropy", "photutils", "sep", "torch", "pillow", "tifffile",
    "psygnal", "tqdm",
)  # fmt: skip
WINDOWS = {
    "napari": "napari", "magicgui": "napari", "npe2": "napari", "qtpy": "napari",
    "superqt": "napari", "ipywidgets": "notebook", "anywidget": "notebook",
    "itables": "notebook", "pandas": "notebook", "voila": "app",
    "dask": "distributed", "distributed": "distributed", "zarr": "distributed",
    "dask-image": "distributed", "galsim": "train", "onnx": "export",
    "onnxscript": "export",
}  # fmt: skip
"""Packages that only some need, with the extra that brings them."""
QT = ("PyQt6", "PySide6", "PyQt5", "PySide2")
PART, BESIDES = "Packages", "For napari, notebooks, clusters"


def needed() -> Iterator[Fact]:
    """Yield the packages without which little works."""
    least = _least()
    for name in NEEDED:
        found = version(name)
        if found is None:
            yield Fact(
                part=PART, name=name, value="missing",
                problem=f"{name} is not installed", hint=f"pip install {name}",
            )  # fmt: skip
        elif name in least and _numbers(found) < _numbers(least[name]):
            yield Fact(
                part=PART, name=name, value=found,
                problem=f"{name} {found} is older than {least[name]}",
                hint=f"pip install --upgrade '{name}>={least[name]}'",
            )  # fmt: skip
        else:
            yield Fact(part=PART, name=name, value=found)


def besides() -> Iterator[Fact]:
    """Yield the packages of the extras; that one is missing is no problem."""
    for name in WINDOWS:
        yield Fact(part=BESIDES, name=name, value=version(name) or "-")
    bindings = [f"{name} {found}" for name in QT if (found := version(name))]
    fact = Fact(part=BESIDES, name="Qt", value=", ".join(bindings) or "-")
    if version("napari") and not bindings:
        fact = Fact(
            part=BESIDES, name="Qt", value="missing",
            problem="napari is installed, but no Qt for its window",
            hint="pip install 'napari[all]'",
        )  # fmt: skip
    yield fact


def lacking(facts: list[Fact]) -> list[str]:
    """Return the extras of which something is missing, in their order."""
    missing = [WINDOWS[f.name] for f in facts if f.name in WINDOWS and f.value == "-"]
    return list(dict.fromkeys(missing))


def version(name: str) -> str | None:
    """Return the version of a package, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _least() -> dict[str, str]:
    """Return the oldest versions that will do, as our own metadata say."""
    try:
        lines = importlib.metadata.requires("napari-bgrem") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)>=([\d.]+)\s*$", line) for line in lines)
    return {m[1].lower(): m[2] for m in found if m}


def _numbers(text: str) -> tuple[int, ...]:
    head = re.match(r"[\d.]*", text)
    return tuple(int(n) for n in (head[0] if head else "").split(".") if n)
