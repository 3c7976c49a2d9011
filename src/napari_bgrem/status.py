"""Status: what the status bar says of the pixel under the cursor.

napari asks each layer, from a thread of its own, for a dictionary of texts. Ours
answer with the pixel, its place on the sky, and the values of original, cleaned and
residual at once, in the words of the method. Only the full level is read: what is on
the screen may be a mean of many pixels.
"""

import threading
from types import MethodType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from bgrem_core.sexagesimal import sexagesimal
from napari_bgrem.called import ROLES, layer_words, role_name
from napari_bgrem.mark import mark_of
from napari_bgrem.unmarked import unmarked

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_bgrem.mark import Mark

__all__ = ["follow", "unwatch", "values_at", "watch"]

_SAID = {"sources": "id", "fates": "fate", "truth": "id"}
"""Features of points that are said, by role."""

_lock = threading.Lock()
_watched: "list[ref[Layer]]" = []
_wcs: "WeakKeyDictionary[Any, WCS | None]" = WeakKeyDictionary()


def watch(layer: "Layer") -> None:
    """Let the status bar say more about a layer of ours; twice is once.

    Parameters
    ----------
    layer : napari.layers.Layer
        An image or points with a `Mark`; others are left alone.
    """
    if mark_of(layer) is None or not (_is_image(layer) or hasattr(layer, "symbol")):
        return
    unwatch(layer)
    layer.get_status = MethodType(_get_status, layer)
    with _lock:
        _watched.append(ref(layer))


def unwatch(layer: "Layer") -> None:
    """Give a layer its own status back."""
    layer.__dict__.pop("get_status", None)
    with _lock:
        _watched[:] = [known for known in _watched if known() not in (None, layer)]


def follow(viewer: "ViewerModel") -> None:
    """Watch the layers of a viewer, now and as they come and go.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Following it twice is following it once.
    """
    for layer in viewer.layers:
        watch(layer)
    viewer.layers.events.inserted.connect(_on_inserted)
    viewer.layers.events.removed.connect(_on_removed)


def _on_inserted(event: Any) -> None:
    watch(event.value)


def _on_removed(event: Any) -> None:
    unwatch(event.value)


def values_at(layer: "Layer", index: tuple[int, ...]) -> dict[str, float]:
    """Return what is at a pixel in a layer and in those that belong to it.

    Parameters
    ----------
    layer : napari.layers.Layer
        One that is watched.
    index : tuple of int
        Pixel, in the order of the axes.

    Returns
    -------
    dict of str to float
        By role: original, cleaned and residual as far as they are watched, and the
        layer's own. Empty outside the image.
    """
    own = mark_of(layer)
    if own is None:
        return {}
    found = {role: _full(of) for role, of in _family(layer, own).items()}
    if own.image is not None and own.separation is not None:
        # What was separated may be the layer of a stranger.
        found = {"original": own.image.data, **found}
    values = {role: _pixel(data, index) for role, data in found.items()}
    return {role: value for role, value in values.items() if value is not None}


def _get_status(
    layer: "Layer", position: Any = None, *, world: bool = False, **_: Any
) -> dict[str, str]:
    """Stand for ``layer.get_status``; called from a thread: nothing may raise."""
    try:
        # Without a position napari reads no pixel.
        status: dict[str, str] = type(layer).get_status(layer)
    except Exception:  # noqa: BLE001 - the layer may be changing at this moment
        status = {"layer_name": "", "layer_base": "", "source_type": "", "plugin": ""}
    where = value = rest = ""
    try:
        if position is not None:
            where, value, rest = _describe(layer, position, world=world)
    except Exception:  # noqa: BLE001 - as above
        where = value = rest = ""
    where, value, rest = (unmarked(text) for text in (where, value, rest))
    status["coords"], status["value"] = where, value
    status["coordinates"] = "   ".join(text for text in (where, rest or value) if text)
    return status


def _describe(layer: "Layer", position: Any, *, world: bool) -> tuple[str, str, str]:
    """Return the place, the layer's own value, and all values by name."""
    at = layer.world_to_data(position) if world else position
    at = np.asarray(at, float)[-layer.ndim :]
    mark = mark_of(layer)
    y, x = at[-2:]
    where = f"x {x:.1f} y {y:.1f}"
    sky = None if mark is None else _sky(mark, x, y)
    if sky:
        where += f"   {sky}"
    if not _is_image(layer):
        return where, _point(layer, mark, position, world=world), ""
    index = tuple(int(k) for k in np.floor(at + 0.5))
    values = values_at(layer, index)
    unit = "" if mark is None or mark.image is None else mark.image.unit
    texts = {role: f"{value:.5g}" for role, value in values.items()}
    own = texts.get(mark.role, "") if mark else ""
    value = f"{own} {unit}".strip() if own else ""
    words = layer_words(() if mark is None else _family(layer, mark).values())
    pairs = ((role_name(role, words), text) for role, text in texts.items())
    named = "   ".join(f"{name} {text}" for name, text in pairs)
    said = [f"{named} {unit}".strip()] if named else []
    said += _points_on(mark, position, world=world)
    return where, value, "   ".join(said)


def _points_on(mark: "Mark | None", position: Any, *, world: bool) -> list[str]:
    """Return what points of an image are under the cursor, each with its role."""
    if mark is None or mark.image is None:
        return []
    with _lock:
        known = [found for found in (each() for each in _watched) if found is not None]
    said = []
    for layer in known:
        other = mark_of(layer)
        if other is None or other.image is not mark.image or not layer.visible:
            continue
        if text := _point(layer, other, position, world=world):
            said.append(f"{other.role.removesuffix('s')} {text}")
    return said


def _is_image(layer: "Layer") -> bool:
    return hasattr(layer, "contrast_limits")


def _point(layer: "Layer", mark: "Mark | None", position: Any, *, world: bool) -> str:
    """Return what the point under the cursor is; rings say nothing of themselves."""
    name = _SAID.get(mark.role) if mark and not _is_image(layer) else None
    points: Any = layer
    if name is None or name not in points.features:
        return ""
    row = points.get_value(position, world=world)
    return "" if row is None else str(points.features[name].iloc[int(row)])


def _family(layer: "Layer", own: "Mark") -> "dict[str, Layer]":
    """Return the layers that are read together, in the order of `ROLES`."""
    with _lock:
        known = [found for found in (each() for each in _watched) if found is not None]
    found = {}
    # The newest come last; they replace those of older runs.
    for other in known:
        mark = mark_of(other)
        if mark is None or mark.role not in ROLES or mark.image is not own.image:
            continue
        if own.run and mark.run and mark.run != own.run:
            continue
        found[mark.role] = other
    found[own.role] = layer
    ordered = [role for role in ROLES if role in found]
    return {role: found[role] for role in [*ordered, own.role]}


def _full(layer: "Layer") -> Any:
    data: Any = layer.data
    return data[0] if getattr(layer, "multiscale", False) else data


def _pixel(data: Any, index: tuple[int, ...]) -> float | None:
    # A colour layer has no single value.
    if len(data.shape) != len(index):
        return None
    if not all(0 <= k < n for k, n in zip(index, data.shape, strict=True)):
        return None
    return float(np.asarray(data[index]))


def _sky(mark: "Mark", x: float, y: float) -> str:
    image = mark.image
    if image is None:
        return ""
    if image not in _wcs:
        # A copy of its own: the main thread may use that of the image at this moment.
        _wcs[image] = None if image.wcs is None else image.wcs.celestial
    wcs = _wcs[image]
    if wcs is None:
        return ""
    both = wcs.all_pix2world(x, y, 0)
    lon, lat = (float(both[k]) for k in (wcs.wcs.lng, wcs.wcs.lat))
    if not (np.isfinite(lon) and np.isfinite(lat)):
        return ""
    if wcs.wcs.lngtyp.strip() != "RA":
        return f"{wcs.wcs.lngtyp} {lon:.5f} {wcs.wcs.lattyp} {lat:+.5f}"
    return sexagesimal(lon, lat, digits=_digits(wcs))


def _digits(wcs: "WCS") -> int:
    """Return decimals of arcseconds that tell a tenth of a pixel."""
    area = abs(float(np.linalg.det(wcs.pixel_scale_matrix)))
    tenth = 360 * area**0.5
    return int(np.clip(np.ceil(-np.log10(tenth)), 0, 3)) if tenth > 0 else 1
