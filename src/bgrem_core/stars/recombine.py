"""A picture from starless and stars, by sum or by screening, and the way back.

Linear data add: image = starless + stars. Pictures that were stretched to [0, 1] are
better screened: 1 - image = (1 - starless) (1 - stars). Stars taken out by unscreening
keep their colour, and clip nowhere, when the starless picture is changed before they
are put back.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgrem_core.errors import UsageError

__all__ = ["MODES", "recombine", "screen", "unscreen"]

_Array = NDArray[Any]

MODES = ("add", "screen")
"""How starless and stars make a picture."""


def recombine(
    starless: ArrayLike,
    stars: ArrayLike,
    *,
    amount: float = 1.0,
    mode: str = "add",
) -> NDArray[Any]:
    """Return a picture with all of its stars, none of them, or fainter ones.

    Parameters
    ----------
    starless : array_like
        (ny, nx), or three axes such as (n, ny, nx) and (ny, nx, 3). In `mode` "screen"
        from 0 to 1.
    stars : array_like
        Of the same shape. In `mode` "screen" at most 1.
    amount : float, optional
        Share of the stars, 0 to 1. At 0 the starless image comes back bit for bit.
    mode : str, optional
        "add" for linear data, "screen" for pictures on [0, 1] and what `unscreen`
        gave.

    Returns
    -------
    ndarray of float
        Of the shape of `starless`, an array of its own, in the wider of both types
        (float64 for whole numbers); NaN where one of the two has it and counts.

    Raises
    ------
    UsageError
        Shapes that differ, an amount or values out of their range, another mode.
    """
    below, above = _pair(starless, stars, "starless", "stars")
    if mode not in MODES:
        raise UsageError(
            f"mode={mode!r} is not known", hint=f"use {' or '.join(MODES)}"
        )
    if not 0 <= amount <= 1:
        raise UsageError(f"amount={amount!r} is out of range", hint="use 0 to 1")
    if mode == "screen":
        _check_screened(below, above)
    if amount == 0:
        return below.copy()
    share = above if amount == 1 else float(amount) * above
    out: _Array = below + share if mode == "add" else _screen(below, share)
    return out


def screen(starless: ArrayLike, stars: ArrayLike) -> NDArray[Any]:
    """Return 1 - (1 - starless) (1 - stars).

    Parameters
    ----------
    starless : array_like
        Two or three axes, from 0 to 1.
    stars : array_like
        Of the same shape, at most 1; negative where they darken.

    Returns
    -------
    ndarray of float
        Of the same shape, in the wider of both types; NaN where one has it.

    Raises
    ------
    UsageError
        Shapes that differ, or values out of their range.
    """
    below, above = _pair(starless, stars, "starless", "stars")
    _check_screened(below, above)
    return _screen(below, above)


def unscreen(image: ArrayLike, starless: ArrayLike) -> NDArray[Any]:
    """Return the stars that, screened over the starless picture, give the image back.

    Parameters
    ----------
    image, starless : array_like
        Of one shape with two or three axes, from 0 to 1.

    Returns
    -------
    ndarray of float
        ``1 - (1 - image) / (1 - starless)``, at most 1, in the wider of both types;
        negative where the image is darker than the starless picture, 0 where both are
        1, NaN where one has it.

    Raises
    ------
    UsageError
        Shapes that differ, values out of [0, 1], or a starless picture of 1 where the
        image is darker: no stars lead back from there.
    """
    picture, below = _pair(image, starless, "image", "starless")
    _check_unit(picture, "image")
    _check_unit(below, "starless")
    full = below == 1
    lost = int((full & (picture < 1)).sum())
    if lost:
        raise UsageError(
            f"the starless picture is 1 in {lost} pixels where the image is darker",
            hint="scale both pictures to a little below 1",
        )
    room = np.where(full, below.dtype.type(1), 1 - below)
    out: _Array = 1 - np.where(full & (picture == 1), room, 1 - picture) / room
    return out


def _screen(below: _Array, above: _Array) -> _Array:
    # Not 1 - (1 - a)(1 - b): where one of them is 0, the other keeps its bits.
    out: _Array = below + above * (1 - below)
    return out


def _pair(
    first: ArrayLike, second: ArrayLike, name: str, other: str
) -> tuple[_Array, _Array]:
    """Return two arrays of one shape and one type of float, in native byte order."""
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape:
        raise UsageError(
            f"{name} has the shape {one.shape}, {other} {two.shape}",
            hint="give two arrays of one shape",
        )
    if one.ndim not in (2, 3):
        raise UsageError(
            f"arrays of shape {one.shape} are no pictures",
            hint="give (ny, nx), (n, ny, nx) or (ny, nx, 3)",
        )
    floats = [a.dtype if a.dtype.kind == "f" else np.dtype(float) for a in (one, two)]
    kind = np.result_type(*floats)
    return one.astype(kind, copy=False), two.astype(kind, copy=False)


def _check_screened(below: _Array, above: _Array) -> None:
    _check_unit(below, "starless")
    _check_unit(above, "stars", low=-np.inf)


def _check_unit(values: _Array, name: str, low: float = 0) -> None:
    """Complain of values out of range; NaN is in it."""
    out = (values < low) | (values > 1)
    if out.any():
        span = "at most 1" if low < 0 else "from 0 to 1"
        raise UsageError(
            f"{name} has {int(out.sum())} of {out.size} values that are not {span}, "
            f"the furthest {values[out][np.argmax(np.abs(values[out]))]:g}",
            hint="screen pictures that are stretched to [0, 1]; add linear data",
        )
