"""Scene: what a view has to know of an image and its result, all but the pixels."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.catalog import EXTENSIONS
from bgrem_core.display import directions, pixel_scale
from bgrem_core.image import Stack
from bgrem_core.methods import METHODS
from bgrem_core.models import list_models
from bgrem_core.settings import FindSettings
from bgrem_core.strength import has_strength, slider_of
from bgrem_core.words import method_words, words_of
from bgrem_notebook.messages import form_of
from bgrem_notebook.shown import residual_reach
from bgrem_notebook.tiles import SIDE, count_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.normalize import Scale
    from bgrem_core.separation import Separation
    from bgrem_core.words import Words
    from bgrem_notebook.desk import Desk

    Message = dict[str, Any]

__all__ = ["FIND_SHOWN", "scene_of"]

OWN_ROWS = ("model", "strength")
"""Fields with a place of their own in the view."""
FIND_SHOWN = ("threshold", "deep")
"""Fields of the search that the view has."""
HINT = "Press Run, or Preview for what is in view"
"""In the panels of what is not there yet."""


def scene_of(desk: "Desk") -> "tuple[Message, list[NDArray[Any]]]":
    """Return the whole state of a desk as a message, and the sky grid, if any."""
    image, shown = desk.image, desk.shown
    separation = desk.beside
    scale = separation.scale if separation is not None else desk.scale
    sigma = scale.median_sigma if scale is not None else 0.0
    grid = desk.sky_grid()
    message: Message = {
        "type": "scene",
        "name": desk.name,
        "title": desk.name,
        "ny": shown.shape[0],
        "nx": shown.shape[1],
        "unit": "" if image is None else image.unit,
        "tile": SIDE,
        "levels": count_levels(shown.shape),
        "planes": shown.tiles.revisions,
        "has_strength": separation is not None and has_strength(separation),
        "slider": _slider(desk, separation),
        "words": _words(desk, separation),
        "hint": HINT,
        "limits": shown.limits,
        "residual": residual_reach(separation, sigma),
        "sigma": sigma if sigma > 0 else None,
        "sky": None if grid is None else {"n": grid.shape[0], "m": grid.shape[1]},
        "compass": None if image is None else _compass(image),
        "stack": _stack(desk),
        "result": _result(desk, separation),
        "notices": [] if separation is None else separation.notices,
        "busy": desk.busy,
        "scale_text": "" if scale is None or image is None else said_of(image, scale),
        **_forms(desk),
        **_names(image),
    }
    return message, [] if grid is None else [grid]


def said_of(image: "Image", scale: "Scale") -> str:
    """Return what was measured of the noise, for a person."""
    text = f"noise {scale.median_sigma:.4g} {image.unit}".rstrip() + " per pixel"
    return f"{text}, FWHM {scale.fwhm:.2f} pix" if np.isfinite(scale.fwhm) else text


def _forms(desk: "Desk") -> "Message":
    session = desk.session
    method = METHODS[session.method]
    values = _fields(session.settings)
    rows = form_of(method.settings, values, without=OWN_ROWS)
    find = form_of(FindSettings, _fields(session.find_settings))
    return {
        "methods": [{"name": m.name, "label": m.label} for m in METHODS.values()],
        "method": method.name,
        "can_record": method.record is not None,
        "models": _models(method.name, values.get("model")),
        "model": values.get("model"),
        "form": rows,
        "find_form": [row for row in find if row["name"] in FIND_SHOWN],
    }


def _words(desk: "Desk", separation: "Separation | None") -> "Words":
    """Return the words of what is shown, else of the method that is chosen."""
    if separation is None:
        return method_words(desk.session.method)
    return words_of(separation)


def _slider(desk: "Desk", separation: "Separation | None") -> "Message":
    if separation is None:
        return dataclasses.asdict(METHODS[desk.session.method].slider)
    return dataclasses.asdict(slider_of(separation))


def _models(method: str, chosen: str | None) -> "list[Message]":
    """Return the models to choose from, the chosen one among them."""
    if chosen is None:
        return []
    cards = [card for card in list_models() if card.method == method]
    rows = [{"name": card.name, "summary": card.summary()} for card in cards]
    if chosen not in [card.name for card in cards]:
        rows.insert(0, {"name": chosen, "summary": "from a file"})
    return rows


def _compass(image: "Image") -> "Message | None":
    scale = pixel_scale(image.wcs, image.shape)
    towards = directions(image.wcs, image.shape)
    if scale is None or towards is None:
        return None
    return {"north": towards[0], "east": towards[1], "pixel_scale": scale}


def _stack(desk: "Desk") -> "Message | None":
    opened = desk.session.image
    if not isinstance(opened, Stack):
        return None
    names = [f"{opened.axis_name} {k}" for k in range(len(opened))]
    return {"names": names, "index": desk.index}


def _result(desk: "Desk", separation: "Separation | None") -> "Message | None":
    kind = desk.shown.kind
    if kind == "partial":
        return {"kind": kind, "text": "Cancelled: only a part of the frame was done"}
    if not kind or separation is None:
        return None
    made = separation.provenance
    method = METHODS.get(made.method)
    facts = [method.label if method else made.method]
    if made.model:
        facts.append(f"{made.model}, {made.steps} step{'s' * (made.steps != 1)}")
    facts += [said_of(separation.image, separation.scale), f"sky {made.sky}"]
    return {"kind": kind, "text": " · ".join(facts)}


def _names(image: "Image | None") -> "Message":
    path = None if image is None else image.origin.path
    stem = path.name.partition(".")[0] if path else "image"
    return {
        "folder": "",
        "formats": EXTENSIONS,
        "save_name": f"BGRem_{stem}.fits",
        "export_name": f"BGRem_{stem}.ecsv",
    }


def _fields(settings: Any) -> "Message":
    return {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
