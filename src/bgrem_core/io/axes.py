"""Axes: which planes of a stored array are meant, and what they are."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bgrem_core.errors import ImageError, UsageError

#: Least side of an image in pixels.
LEAST = 16
_FLAT = 2
_COLOURS = (3, 4)
# First letters of CTYPE for axes along which planes are not colours.
_NOT_COLOUR = [
    "FREQ", "ENER", "WAVN", "VRAD", "WAVE", "VOPT", "ZOPT", "AWAV", "VELO", "BETA",
    "FELO", "LAMBDA", "WAVELENGTH", "SPEC", "TIME", "UTC", "TAI", "TT", "MJD", "JD",
    "STOKES", "DATE",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """The planes to be read.

    Attributes
    ----------
    indices : tuple of tuple of int
        Position of each along the leading axes.
    kind : {"single", "rgb", "cube"}
        What they are together.
    axis_name : str
        What the axis is.
    """

    indices: tuple[tuple[int, ...], ...]
    kind: Literal["single", "rgb", "cube"]
    axis_name: str = ""


def choose_planes(
    shape: tuple[int, ...],
    wanted: str | None,
    *,
    values: Mapping[str, object] | None = None,
    rgb: bool = False,
) -> Planes:
    """Choose the planes of a stored array.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array, the image's rows and columns last.
    wanted : str or None
        Index of a plane ("3", or "0,3" for two axes), "all", or None to choose.
    values : mapping, optional
        Keywords of the header, for CTYPE.
    rgb : bool, optional
        The leading axis is known to be colour.

    Returns
    -------
    Planes
        Axes of length 1 need no choice.

    Raises
    ------
    UsageError
        A cube of which no plane was chosen, or a plane that does not exist.
    ImageError
        The planes are smaller than 16 pixels a side.
    """
    check_size(shape)
    leading = shape[:-2]
    every = tuple(itertools.product(*(range(n) for n in leading)))
    if len(every) == 1:
        if wanted not in {None, "all", "0"}:
            raise UsageError(
                f"plane={wanted} does not exist: the image has one plane",
                hint="leave out --plane",
            )
        return Planes(indices=every, kind="single")
    name = _axis_name(shape, values or {})
    colour = rgb or _is_colour(leading, name)
    kind: Literal["rgb", "cube"] = "rgb" if colour else "cube"
    if wanted is None and not colour:
        raise UsageError(
            f"the image is a cube: axis {name} has {math.prod(leading)} planes",
            hint="choose one with --plane K, from 0, or --plane all",
        )
    if wanted in {None, "all"}:
        return Planes(indices=every, kind=kind, axis_name="rgb" if colour else name)
    return Planes(indices=(_index(str(wanted), leading, name),), kind="single")


def check_size(shape: tuple[int, ...]) -> None:
    """Check that an image is neither flat nor too small.

    Raises
    ------
    ImageError
        Less than two axes, or a side below 16 pixels.
    """
    if len(shape) < _FLAT:
        raise ImageError(f"an array of shape {shape} is not an image")
    ny, nx = shape[-2:]
    if min(ny, nx) < LEAST:
        raise ImageError(
            f"the image is too small: {nx} x {ny} pixels, at least {LEAST} a side "
            "are needed"
        )
    if not all(shape):
        raise ImageError(f"an array of shape {shape} holds no pixels")


def _axis_name(shape: tuple[int, ...], values: Mapping[str, object]) -> str:
    long = [k for k, n in enumerate(shape[:-2]) if n > 1]
    names = []
    for k in long:
        number = len(shape) - k
        ctype = values.get(f"CTYPE{number}")
        said = ctype if isinstance(ctype, str) and ctype.strip() else f"NAXIS{number}"
        names.append(said.strip())
    return " x ".join(names)


def _is_colour(leading: tuple[int, ...], name: str) -> bool:
    long = [n for n in leading if n > 1]
    other = any(name.upper().startswith(word) for word in _NOT_COLOUR)
    return len(long) == 1 and long[0] in _COLOURS and not other


def _index(wanted: str, leading: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Read "3" or "0,3"; a single number counts along the one axis that is long."""
    parts = [p.strip() for p in wanted.split(",")]
    long = [n for n in leading if n > 1]
    lengths = long if len(parts) == len(long) else list(leading)
    good = len(parts) == len(lengths) and all(
        p.isdecimal() and int(p) < n for p, n in zip(parts, lengths, strict=False)
    )
    if not good:
        raise UsageError(
            f"plane={wanted} does not exist: axis {name} has "
            f"{' x '.join(map(str, long))} planes",
            hint=f"use --plane 0 to {long[-1] - 1}, or all",
        )
    numbers = iter(int(p) for p in parts)
    if len(parts) == len(leading) and lengths is not long:
        return tuple(numbers)
    return tuple(next(numbers) if n > 1 else 0 for n in leading)
