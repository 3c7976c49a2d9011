"""Pixels: stored numbers to native float32, band by band."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ImageError, ReadError
from bgrem_core.io.arrays import AnyArray
from bgrem_core.planes import allocate

#: Bytes that are converted at once.
BAND = 8 * 2**20
_LARGEST = float(np.finfo(np.float32).max)
# Below this float32 has fewer digits than an image needs.
_SMALLEST = 1e3 * float(np.finfo(np.float32).tiny)
_EXACT = 2**24


@dataclass(frozen=True, slots=True)
class Scaling:
    """How stored numbers become values: zero + scale x stored; `blank` is no value."""

    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None

    @property
    def trivial(self) -> bool:
        """Whether stored numbers are the values."""
        return self.scale == 1 and self.zero == 0 and self.blank is None


def scaling_of(values: Mapping[str, object], *, integer: bool) -> Scaling:
    """Read BSCALE, BZERO and BLANK.

    Parameters
    ----------
    values : mapping
        Keywords of the header.
    integer : bool
        The stored numbers are integers; BLANK means nothing for others.

    Raises
    ------
    ReadError
        BSCALE or BZERO is not a number.
    ImageError
        BSCALE is 0.
    """
    scale, zero = (_factor(values, k, d) for k, d in (("BSCALE", 1.0), ("BZERO", 0.0)))
    if scale == 0:
        raise ImageError(
            "the scaled data are constant (BSCALE=0)", hint="correct BSCALE"
        )
    blank = values.get("BLANK", values.get("ZBLANK")) if integer else None
    return Scaling(scale, zero, blank if type(blank) is int else None)


def _factor(values: Mapping[str, object], key: str, default: float) -> float:
    if key not in values:
        return default
    value = values[key]
    if isinstance(value, str):
        raise ReadError(f"{key} is text ({value!r})", hint=f"write {key} as a number")
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise ReadError(f"{key} is not a number", hint=f"write {key} as a number")
    return float(value)  # type: ignore[arg-type]


class Filler:
    """Fills a float32 stack from stored pixels and watches what float32 can hold.

    Parameters
    ----------
    shape : tuple of int
        Shape of `out`.
    scaling : Scaling, optional
        How stored numbers become values.

    Attributes
    ----------
    out : ndarray of float32
        The values so far.
    lost : int
        How many could not be read.
    """

    def __init__(self, shape: tuple[int, ...], scaling: Scaling | None = None) -> None:
        self.out: NDArray[np.float32] = allocate(shape)
        self._scaling = scaling or Scaling()
        self.lost = 0
        self._largest = 0.0
        self._finite = False
        self._rounded = False

    def put(
        self,
        key: tuple[int | slice, ...],
        stored: AnyArray,
        lost: NDArray[np.bool_] | None = None,
    ) -> None:
        """Convert stored numbers of any real type and byte order into ``out[key]``.

        Where they are `lost`, the value is NaN.
        """
        target = self.out[key]
        if lost is None:
            self._fill(target, stored)
            return
        rest = np.empty(int(lost.size - lost.sum()), np.float32)
        self._fill(rest, stored[~lost])
        target[~lost], target[lost] = rest, np.nan
        self.lost += int(lost.sum())

    def _fill(self, target: NDArray[np.float32], stored: AnyArray) -> None:
        values = stored
        with np.errstate(over="ignore", invalid="ignore"):
            if not self._scaling.trivial:
                values = stored * np.float64(self._scaling.scale)
                values += self._scaling.zero
                if self._scaling.blank is not None:
                    values[stored == self._scaling.blank] = np.nan
            np.copyto(target, values, casting="unsafe")
            self._watch(values, target)
        self._rounded |= stored.dtype.kind in "iu" and self._largest > _EXACT

    def _watch(self, values: AnyArray, target: NDArray[np.float32]) -> None:
        """Remember the largest value; few passes, as most types cannot go wrong."""
        # NaN and infinities go through the extremes: without them there is no mask.
        largest = float(max(target.max(initial=0), -target.min(initial=0)))
        if np.isfinite(largest) and target.size:
            finite = np.broadcast_to(np.True_, target.shape)
        else:
            finite = np.isfinite(target)
            largest = float(np.max(np.abs(target), initial=0, where=finite))
        if values.dtype.itemsize > target.dtype.itemsize and values.dtype.kind == "f":
            if np.any(~finite & np.isfinite(values)):
                largest = math.inf
            elif largest == 0 and np.any(values[finite]):
                largest = float(np.finfo(np.float64).tiny)
        self._finite = self._finite or bool(finite.any())
        self._largest = max(self._largest, largest)

    def finish(self) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """Return the values and notices.

        Raises
        ------
        ImageError
            No value is finite, or float32 cannot hold them.
        """
        if self._largest > _LARGEST or 0 < self._largest < _SMALLEST:
            side = "large" if self._largest > 1 else "small"
            raise ImageError(
                f"the values are too {side} for 32-bit floating point",
                hint="multiply the image by a constant first",
            )
        if not self._finite:
            raise ImageError("no pixel of the image is finite")
        if self._rounded:
            step = float(np.spacing(np.float32(self._largest)))
            said = f"whole numbers up to {self._largest:.3g} are rounded to {step:g}"
            return self.out, (said,)
        return self.out, ()


def rows_at_once(width: int, itemsize: int = 8) -> int:
    """Return how many rows make a band of `BAND` bytes."""
    return max(1, BAND // max(1, width * itemsize))
