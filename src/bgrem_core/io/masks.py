"""Masks: which pixels are not to be trusted, by `MaskBit`."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.gain import number
from bgrem_core.planes import bands

Flags = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LEVELS = ("SATURATE", "SATLEVEL")
# A header's level that would mask more than this is in another unit.
_MOST_SATURATED = 0.3
_LARGEST = float(np.finfo(np.float32).max)
_WORDS = {
    MaskBit.NON_FINITE: "not finite",
    MaskBit.DQ: "flagged in the data-quality mask",
    MaskBit.SATURATED: "saturated",
    MaskBit.USER: "masked by the user",
    MaskBit.NO_COVERAGE: "not covered: plateaus of one value, or no weight",
}


def flag_non_finite(data: Floats, flags: Flags) -> None:
    """Set NON_FINITE where the data are NaN or infinite."""
    for rows in bands(data.shape):
        finite = np.isfinite(data[rows])
        if not finite.all():
            flags[rows] |= np.uint8(MaskBit.NON_FINITE) * ~finite


def flag_user(mask: AnyArray, flags: Flags) -> None:
    """Set USER where `mask`, of the shape of the image, is true."""
    for rows in bands(flags.shape):
        flags[rows] |= np.uint8(MaskBit.USER) * (np.asarray(mask[rows]) != 0)


def flag_quality(
    pieces: Iterable[tuple[slice, AnyArray]], flags: Flags, bits: str | None
) -> None:
    """Set DQ where a data-quality mask has one of the chosen bits.

    Parameters
    ----------
    pieces : iterable of (slice, ndarray of int)
        Rows of the data-quality mask.
    flags : ndarray of uint8
        Changed in place.
    bits : str or None
        As ``--dq-bits``; None = any bit.
    """
    chosen = parse_bits(bits)
    for rows, quality in pieces:
        bad = (quality.astype(np.int64) & chosen) != 0
        flags[rows] |= np.uint8(MaskBit.DQ) * bad


def parse_bits(text: str | None) -> np.int64:
    """Read a choice of DQ bits.

    Parameters
    ----------
    text : str or None
        Values of bits, such as "1,64" or "1+64"; with "~" in front all but those.
        None = all.

    Returns
    -------
    int64
        The bits that mask.

    Raises
    ------
    UsageError
        Not numbers.
    """
    if text is None:
        return np.int64(-1)
    words = text.strip().removeprefix("~").replace("+", ",").split(",")
    total = 0
    for word in words:
        if not word.strip().isdecimal() or int(word) >= 2**63:
            raise UsageError(
                f"dq_bits={text!r} is not a list of bit values",
                hint="use numbers such as '1,64', or '~4096,8' for all but those",
            )
        total |= int(word)
    return np.int64(~total if text.strip().startswith("~") else total)


def saturation_level(
    chosen: float | None, values: Mapping[str, object]
) -> tuple[float | None, str]:
    """Return the level at which pixels are saturated, and where it comes from.

    One that no pixel of 32 bits can reach is none.
    """
    if chosen is not None:
        return (chosen, "--saturation") if chosen <= _LARGEST else (None, "")
    for key in _LEVELS:
        value = number(values, key)
        if value is not None and 0 < value <= _LARGEST:
            return value, key
    return None, ""


def flag_saturated(
    data: Floats, flags: Flags, level: float, *, stated: bool
) -> tuple[int, bool]:
    """Set SATURATED at and above a level.

    Parameters
    ----------
    data, flags : ndarray
        Image and its flags.
    level : float
        In the unit of the image.
    stated : bool
        The user stated it; a header's level that would mask a good part of the frame
        is in another unit and left alone.

    Returns
    -------
    count : int
        Pixels at or above the level.
    used : bool
        Whether they were masked.
    """
    count = sum(int((data[rows] >= level).sum()) for rows in bands(data.shape))
    if not stated and count > _MOST_SATURATED * data.size:
        return count, False
    if count:
        for rows in bands(data.shape):
            flags[rows] |= np.uint8(MaskBit.SATURATED) * (data[rows] >= level)
    return count, True


def unite(flags: list[Flags]) -> Flags:
    """Return one mask for all planes of a colour image, in the first array."""
    for rows in bands(flags[0].shape):
        for other in flags[1:]:
            flags[0][rows] |= other[rows]
    return flags[0]


def describe(flags: Flags) -> tuple[str, ...]:
    """Count the masked pixels, one line for each reason.

    Raises
    ------
    ImageError
        No pixel is left.
    """
    counts = _count(flags)
    if counts[0] == 0:
        reasons = ", ".join(w for b, w in _WORDS.items() if _sum(counts, b))
        raise ImageError(f"no pixel of the image can be used: all are {reasons}")
    lines = []
    for bit, words in _WORDS.items():
        number = _sum(counts, bit)
        if number:
            share = 100 * number / flags.size
            lines.append(f"{number} pixels ({share:.2g} %) are {words}")
    return tuple(lines)


def _count(flags: Flags) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for rows in bands(flags.shape):
        # Mostly nothing is masked, which is seen sooner than counted.
        band = flags[rows]
        some = band.any(axis=1)
        counts[0] += np.count_nonzero(~some) * band.shape[1]
        counts += np.bincount(band[some].ravel(), minlength=256)
    return counts


def _sum(counts: NDArray[np.int64], bit: int) -> int:
    return int(counts[(np.arange(256) & bit) != 0].sum())
