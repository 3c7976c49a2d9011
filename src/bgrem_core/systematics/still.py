"""Still: what stands on the same pixels over many frames of a sensor.

A map of several frames knows hot pixels and columns better than one frame does; and it
knows a target that stands still as well, which is why it is off unless asked for.
"""

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.image import Image
from bgrem_core.systematics.classical import classical
from bgrem_core.systematics.mid_time import header_of, mid_time

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from bgrem_core.systematics.mid_time import MidTime

    Float = NDArray[np.float32]

__all__ = ["FEWEST", "Still", "read_still"]

FEWEST = 3
"""Frames without which there is no map of several."""
_MOST, _PIXELS = 25, 2e8
"""Most frames, and most pixels of all of them."""
_SURE = 5.0
"""Significance from which a pixel is taken to stand out in all frames."""
_DAY = 86400.0
_NORMAL = 1.4826
_OF_MEDIAN = 1.2533
_KINDS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".fit.gz", ".fits.bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """What stands on the same pixels.

    Attributes
    ----------
    pattern : ndarray
        (ny, nx) float32, in the unit of the frame; 0 where nothing stands out.
    frames : int
        From which it was made.
    left_out : mapping of str to int
        Why others were not used, and how many.
    notice : str
        What the user should know.
    """

    pattern: "Float"
    frames: int
    left_out: dict[str, int]
    notice: str


def read_still(
    image: Image, pattern: str, *, dwell: float, angle: float | None
) -> "Generator[tuple[int, int], None, Still]":
    """Read further frames of a sensor and take the median of what they leave.

    Parameters
    ----------
    image : Image
        The frame that is worked on.
    pattern : str
        Folder of the others, or a pattern of their names.
    dwell : float
        Time during which a target may stand still, seconds: frames taken within it
        of this one are left out, as are those without a time.
    angle : float or None
        Of the trails, degrees; the others have the same.

    Returns
    -------
    Still
        At least from three frames.

    Yields
    ------
    tuple of int
        Frames read, and frames in all.

    Raises
    ------
    UsageError
        This frame has no time, or fewer than three others can be used.
    """
    now = mid_time(header_of(image))
    if not now.known:
        raise UsageError(
            f"the time of this frame is not known ({now.source}), so that those in "
            "which a target stands still cannot be left out",
            hint="leave --systematics-frames out",
        )
    paths = _paths(pattern, image.origin.path)
    most = max(FEWEST, min(_MOST, int(_PIXELS // image.data.size)))
    rests: list[Float] = []
    left_out: dict[str, int] = {}
    for done, path in enumerate(paths, start=1):
        found = _rest(path, image, now, dwell, angle)
        if isinstance(found, str):
            left_out[found] = left_out.get(found, 0) + 1
        else:
            rests.append(found)
        yield done, len(paths)
        if len(rests) == most:
            break
    said = ", ".join(f"{n} {why}" for why, n in left_out.items()) or "none left out"
    if len(rests) < FEWEST:
        raise UsageError(
            f"{len(rests)} frames of {pattern} can be used ({said}), {FEWEST} are "
            "needed",
            hint="give more frames, or a shorter --systematics-dwell",
        )
    return Still(
        pattern=_median(rests), frames=len(rests), left_out=left_out,
        notice=f"the map holds what stands on the same pixels of {len(rests)} other "
        f"frames ({said}): a target that stands still for longer than {dwell:g} s is "
        "taken off with it, and hot pixels cannot be told from fixed targets without "
        "a dark or dithering",
    )  # fmt: skip


def _paths(pattern: str, own: Path | None) -> list[Path]:
    folder = Path(pattern)
    found = (
        [p for p in folder.iterdir() if p.name.lower().endswith(_KINDS)]
        if folder.is_dir()
        else [Path(p) for p in glob.glob(pattern)]  # noqa: PTH207 - it may be absolute
    )
    mine = own.resolve() if own is not None else None
    return sorted(p for p in found if p.resolve() != mine)


def _rest(
    path: Path, image: Image, now: "MidTime", dwell: float, angle: float | None
) -> "Float | str":
    """Return what a frame leaves without its own map, or why it is not used."""
    from bgrem_core.io import is_product, open_image

    try:
        other = open_image(path)
    except BGRemError:
        return "cannot be read"
    if not isinstance(other, Image) or is_product(other.header):
        return "of another kind"
    if other.shape != image.shape:
        return "of another size"
    then = mid_time(header_of(other))
    if not then.known:
        return "without a time"
    if abs(then.mjd - now.mjd) * _DAY <= dwell:
        return f"within {dwell:g} s"
    if _exposure(other) != _exposure(image):
        return "of another exposure time"
    bad = other.flags != 0
    data = np.where(bad, 0, other.data).astype(np.float32)
    rest = data - classical(data, angle, bad)
    return np.where(bad, np.nan, rest).astype(np.float32)


def _exposure(image: Image) -> object:
    values = header_of(image)
    return next(
        (values[k] for k in ("XPOSURE", "EXPTIME", "EXPOSURE") if k in values), None
    )


def _median(rests: "list[Float]") -> "Float":
    import warnings

    stack = np.stack(rests)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # bad in all frames
        middle = np.nan_to_num(np.nanmedian(stack, axis=0))
    spread = _NORMAL * np.nanmedian(np.abs(stack - middle))
    least = _SURE * _OF_MEDIAN * spread / np.sqrt(len(rests))
    return np.where(np.abs(middle) > least, middle, 0).astype(np.float32)
