"""Hearing: what a view asks of a desk, message by message."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core.api import make_settings
from bgrem_core.controls import controls, parse
from bgrem_core.errors import BGRemError, UsageError, WriteError
from bgrem_core.methods import get_method
from bgrem_core.settings import FindSettings
from bgrem_notebook.check_plots import CHECKS, check_message
from bgrem_notebook.messages import steps_message

if TYPE_CHECKING:
    from bgrem_core.planes import Block
    from bgrem_notebook.desk import Desk

    Message = dict[str, Any]

__all__ = ["hear", "type_in"]


def hear(desk: "Desk", message: "Message") -> None:
    """Do what a view asks; what goes wrong is told to it, and never raised.

    Parameters
    ----------
    desk : Desk
        That of the view.
    message : dict
        With a key ``type``; what is unknown is left alone.
    """
    action = _ACTIONS.get(str(message.get("type")))
    if action is None:
        return
    try:
        action(desk, message)
    except BGRemError as error:
        desk.warn(error)
    except Exception as error:  # noqa: BLE001 - a message may hold anything
        kind = type(error).__name__
        desk.warn(BGRemError(f"{kind}: {error}", hint="this is a fault of bgrem"))


def type_in(desk: "Desk", texts: dict[str, str], find: dict[str, str]) -> None:
    """Take over what was typed into the forms.

    Parameters
    ----------
    desk : Desk
        Whose settings are set.
    texts, find : dict of str to str
        By field, for the run and for the search.

    Raises
    ------
    UsageError
        Something typed is no such thing, or out of range; then nothing is set.
    """
    session = desk.session
    kind = get_method(session.method).settings
    values = _values(kind, session.settings, texts)
    if "strength" in values:
        # The run is whole; how much of it is shown is chosen afterwards.
        values["strength"] = 1.0
    settings = make_settings(kind, values)
    search = _values(FindSettings, session.find_settings, find)
    session.find_settings = make_settings(FindSettings, search)
    session.settings = settings


def _values(kind: type, old: object, texts: dict[str, str]) -> dict[str, Any]:
    """Return all fields of settings, those that were typed in place of the old."""
    known = {control.name: control for control in controls(kind)}
    values = {name: getattr(old, name) for name in known}
    typed = {k: parse(known[k], str(v)) for k, v in texts.items() if k in known}
    return {**values, **typed}


def _type(desk: "Desk", message: "Message") -> None:
    type_in(desk, message.get("settings") or {}, message.get("find") or {})


def _hello(desk: "Desk", message: "Message") -> None:  # noqa: ARG001
    desk.greet()


def _want(desk: "Desk", message: "Message") -> None:
    view = message.get("view")
    if view:
        desk.session.view = _view(view, desk.shown.shape)
    said, buffers = [], []
    for plane, revision, level, i, j in message["tiles"]:
        tile = desk.shown.tiles.tile(plane, revision, level, i, j)
        if tile is None:
            continue
        ny, nx = tile.shape
        said.append(
            {
                "plane": plane, "rev": revision, "level": level, "i": i, "j": j,
                "ny": ny, "nx": nx,
            }
        )  # fmt: skip
        buffers.append(tile)
    desk.tell({"type": "tiles", "tiles": said}, buffers)


def _view(view: list[float], shape: tuple[int, int]) -> "Block":
    """Return what is looked at as rows and columns."""
    x0, y0, x1, y1 = view
    rows, cols = (
        slice(max(0, math.floor(low)), min(n, math.ceil(high) + 1))
        for low, high, n in ((y0, y1, shape[0]), (x0, x1, shape[1]))
    )
    return rows, cols


def _run(desk: "Desk", message: "Message") -> None:
    _type(desk, message)
    desk.run()


def _preview(desk: "Desk", message: "Message") -> None:
    _type(desk, message)
    y0, y1, x0, x1 = (int(v) for v in message["block"])
    desk.preview((slice(max(y0, 0), y1), slice(max(x0, 0), x1)))


def _estimate(desk: "Desk", message: "Message") -> None:
    _type(desk, message)
    desk.estimate()


def _cancel(desk: "Desk", message: "Message") -> None:  # noqa: ARG001
    desk.cancel()


def _find(desk: "Desk", message: "Message") -> None:
    _type(desk, message)
    desk.find()


def _click(desk: "Desk", message: "Message") -> None:
    desk.look(float(message["x"]), float(message["y"]))


def _goto(desk: "Desk", message: "Message") -> None:
    from bgrem_core.goto import find_place

    image = desk.image
    if image is None:
        raise UsageError("there is no image", hint="open one first")
    x, y = find_place(str(message["text"]), image)
    desk.tell({"type": "center", "x": x, "y": y})
    if desk.separation is not None:
        desk.look(x, y)


def _select(desk: "Desk", message: "Message") -> None:
    if message.get("row") is not None:
        desk.choose_row(int(message["row"]))


def _check(desk: "Desk", message: "Message") -> None:
    from bgrem_core import checks

    name = str(message["name"])
    if name not in CHECKS:
        raise UsageError(f"there is no check {name!r}", hint=f"use {', '.join(CHECKS)}")
    desk.need()
    now, search = desk.collected, desk.session.find_settings
    assert now is not None  # noqa: S101 - `need` says so
    fresh = name == "faint_flux" and now.table is None

    def action() -> Any:
        table = now.find(search) if fresh else now.table
        return table, getattr(checks, name)(now.separation, table)

    def then(made: Any) -> None:
        table, result = made
        if fresh:
            desk.take_sources(now, table)
        desk.tell(check_message(name, result))

    desk.call("check", action, then)


def _steps(desk: "Desk", message: "Message") -> None:
    from bgrem_core.steps import record_steps

    _type(desk, message)
    image, session = desk.image, desk.session
    if image is None:
        raise UsageError("there is no image", hint="open one first")
    x, y = float(message["x"]), float(message["y"])
    beside = desk.beside
    scale = desk.scale if beside is None else beside.scale
    if scale is not None and scale.sigma.shape != image.shape:
        scale = desk.scale
    method, settings = get_method(session.method), session.settings
    if method.record is None:
        record_steps(image, method, settings, x=x, y=y)
    desk.call(
        "steps",
        lambda: record_steps(image, method, settings, x=x, y=y, scale=scale),
        lambda made: desk.tell(*steps_message(made)),
    )


def _method(desk: "Desk", message: "Message") -> None:
    desk.session.choose(str(message["name"]))
    desk.show()


def _plane(desk: "Desk", message: "Message") -> None:
    desk.choose_plane(int(message["index"]))


def _card(desk: "Desk", message: "Message") -> None:
    from bgrem_core.models import find_file

    name = str(message["name"])
    page = find_file(name).with_suffix(".md")
    text = f"There is no card beside the weights of {name}."
    if page.is_file():
        text = page.read_text(encoding="utf-8")
    desk.tell({"type": "card", "title": f"Model {name}", "text": text})


def _save(desk: "Desk", message: "Message") -> None:
    from bgrem_core.io import write

    desk.need()
    result, path = desk.result, _path(message, ".fits")
    assert result is not None  # noqa: S101 - `need` says so
    _store(
        desk, message, path,
        lambda again: write(result, path, layers=_fits(path), overwrite=again),
        f"Wrote {path}",
    )  # fmt: skip


def _export(desk: "Desk", message: "Message") -> None:
    from bgrem_core.catalog import find_writer

    desk.need()
    now, path = desk.collected, _path(message, ".ecsv")
    assert now is not None  # noqa: S101 - `need` says so
    find_writer(path)
    n = len(now.positions)
    _store(
        desk, message, path,
        lambda again: now.export(path) if again else _new(path, now.export),
        f"Wrote {n} source{'s' * (n != 1)} to {path}",
    )  # fmt: skip


def _store(
    desk: "Desk",
    message: "Message",
    path: Path,
    action: Callable[[bool], object],
    done: str,
) -> None:
    """Write a file on the worker thread, or ask if one is there already."""
    again = bool(message.get("overwrite"))
    if path.exists() and not again:
        ask = {"type": "ask", "what": message["type"], "path": str(path)}
        desk.tell({**ask, "text": f"{path.name} exists. Replace it?"})
        return
    desk.call(
        "save",
        lambda: action(again),
        lambda made: desk.tell({"type": "said", "text": done}),  # noqa: ARG005
    )


def _new(path: Path, write: Callable[[Path], object]) -> object:
    if path.exists():
        raise WriteError(f"{path} exists", hint="choose another name, or replace it")
    return write(path)


def _path(message: "Message", suffix: str) -> Path:
    text = str(message.get("path") or "").strip()
    if not text:
        raise UsageError("no file was named", hint="type a file name")
    path = Path(text).expanduser()
    return path if path.suffix else path.with_suffix(suffix)


def _fits(path: Path) -> bool:
    return path.suffix.lower() in (".fits", ".fit", ".fts")


def _python(desk: "Desk", message: "Message") -> None:  # noqa: ARG001
    desk.tell({"type": "python", "text": desk.as_python()})


def _close_banner(desk: "Desk", message: "Message") -> None:  # noqa: ARG001
    desk.forget_notice()


_ACTIONS: "dict[str, Callable[[Desk, Message], None]]" = {
    "hello": _hello,
    "want": _want,
    "run": _run,
    "preview": _preview,
    "estimate": _estimate,
    "cancel": _cancel,
    "find": _find,
    "click": _click,
    "goto": _goto,
    "select": _select,
    "check": _check,
    "steps": _steps,
    "method": _method,
    "model": _card,
    "plane": _plane,
    "save": _save,
    "export": _export,
    "python": _python,
    "close_banner": _close_banner,
}
