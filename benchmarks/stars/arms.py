"""Ways to remove stars: nothing, filters, published diffusions, masks, the method.

Each is given an image and nothing else, as somebody runs it who has only a file: no
width of the PSF, no level of saturation, no noise.
"""

import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sep
from fingerprint import digest
from scipy import ndimage
from skimage.restoration import inpaint_biharmonic

from bgrem_core.stars.chao_tsai import chao_tsai
from bgrem_core.stars.cohen import cohen2021
from bgrem_core.stars.grey import grey_map
from bgrem_core.stars.perona_malik import perona_malik

STEPS = 200
"""Of Cohen & Lu, as for their synthetic image."""
MESH, LEAST, WIDER = 16, 5.0, 3
"""Of the mask of sep: pixels of its mesh, sigmas, pixels by which it is dilated. Of
meshes from 12 to 64 and 3 or 5 sigma about the best for it on development scenes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Removed:
    """What a method gives; what it does not tell is None.

    Attributes
    ----------
    starless : ndarray
        (ny, nx), unit of the image.
    stars, support, filled : ndarray or None
        Light that was taken away; pixels that were changed, and those of them that come
        from their surroundings alone.
    x, y : ndarray or None
        Of the stars that it says it removed.
    words : str
        What it says about what it did.
    """

    starless: np.ndarray
    stars: np.ndarray | None = None
    support: np.ndarray | None = None
    filled: np.ndarray | None = None
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    words: str = ""


Way = Callable[..., Removed]


def nothing(image: np.ndarray) -> Removed:
    return Removed(starless=image.copy())


def median(image: np.ndarray) -> Removed:
    return Removed(starless=ndimage.median_filter(image, 9))


def opening(image: np.ndarray) -> Removed:
    return Removed(starless=ndimage.grey_opening(ndimage.median_filter(image, 3), 7))


def diffused_pm(image: np.ndarray) -> Removed:
    levels = grey_map(image)
    return Removed(starless=levels.to_linear(perona_malik(levels.to_grey(image))))


def diffused_ct(image: np.ndarray) -> Removed:
    levels = grey_map(image)
    return Removed(starless=levels.to_linear(chao_tsai(levels.to_grey(image))))


def diffused_cohen(image: np.ndarray) -> Removed:
    levels = grey_map(image)
    grey = levels.to_grey(image)
    made = cohen2021(grey, iterations=STEPS, background=levels.background)
    return Removed(starless=levels.to_linear(made.image))


def sep_mask(image: np.ndarray) -> Removed:
    data = np.ascontiguousarray(image, np.float32)
    sky = sep.Background(data, bw=MESH, bh=MESH)
    sep.set_extract_pixstack(2_000_000)
    _, segments = sep.extract(
        data - sky.back(), LEAST, err=sky.globalrms, segmentation_map=True
    )
    mask = ndimage.binary_dilation(segments > 0, iterations=WIDER)
    out = image.copy()
    if mask.any() and not mask.all():
        made = inpaint_biharmonic(image.astype(np.float64), mask)
        out[mask] = made[mask]
    return Removed(starless=out, support=mask, filled=mask)


def own(image: np.ndarray, **options: Any) -> Removed:
    """Run the method of this package. This is the one place that knows how."""
    from bgrem_core.stars.options import StarOptions
    from bgrem_core.stars.remove import remove

    bad = np.zeros(image.shape, bool)
    done = remove(image[None], bad, StarOptions(**options))
    gone = ~done.table.left
    said = (f"ran as {done.method}",) if done.method != options["method"] else ()
    return Removed(
        starless=done.starless[0], stars=done.stars[0], support=done.support,
        filled=done.filled, x=done.table.x[gone], y=done.table.y[gone],
        words="; ".join((*said, *done.notices)),
    )  # fmt: skip


_OWN = ("bgrem_core.stars.remove", "bgrem_core.stars.options")
_GREY = "bgrem_core.stars.grey"
WAYS: dict[str, tuple[Way, tuple[str, ...]]] = {
    "nothing": (nothing, ()),
    "median": (median, ()),
    "opening": (opening, ()),
    "perona-malik": (diffused_pm, (_GREY, "bgrem_core.stars.perona_malik")),
    "chao-tsai": (diffused_ct, (_GREY, "bgrem_core.stars.chao_tsai")),
    "cohen2021": (diffused_cohen, (_GREY, "bgrem_core.stars.cohen")),
    "sep": (sep_mask, ()),
    "own": (own, _OWN),
}
"""Functions, and the modules that decide what they do."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to remove stars.

    Attributes
    ----------
    name : str
        In tables.
    way : str
        Key of `WAYS`.
    options : dict
        Of the way.
    """

    name: str
    way: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def absent(self) -> str:
        """Say what is not here yet, if something is not."""
        for module in WAYS[self.way][1]:
            if importlib.util.find_spec(module) is None:
                return f"{self.name}: no {module} here"
        return ""

    @cached_property
    def key(self) -> list[Any]:
        """Name and options, and what the code does."""
        way, modules = WAYS[self.way]
        lines = inspect.getsource(way)
        return [self.name, self.way, self.options, lines, digest(*modules), *_SHARED]

    def run(self, image: np.ndarray) -> Removed:
        return WAYS[self.way][0](image, **self.options)

    def told(self, words: str, **options: Any) -> "Arm":
        """Return the same with further options, and their words in the name."""
        return Arm(
            name=f"{self.name}, {words}", way=self.way, options=self.options | options
        )


_SHARED = (STEPS, MESH, LEAST, WIDER)
NOTHING = Arm(name="nothing", way="nothing")
COHEN = Arm(name=f"Cohen & Lu 2021, n = {STEPS}", way="cohen2021")
PSF = Arm(name="psf (ours)", way="own", options={"method": "psf"})
MASK = Arm(name="mask (ours)", way="own", options={"method": "mask"})
ARMS = (
    NOTHING,
    Arm(name="median 9 x 9", way="median"),
    Arm(name="median 3 x 3, opening 7 x 7", way="opening"),
    Arm(name="Perona-Malik", way="perona-malik"),
    Arm(name="Chao-Tsai", way="chao-tsai"),
    COHEN,
    Arm(name="sep mask, biharmonic", way="sep"),
    MASK,
    PSF,
)


def present() -> tuple[list[Arm], list[str]]:
    """Return the arms that can run here, and words about the others."""
    return [a for a in ARMS if not a.absent], [a.absent for a in ARMS if a.absent]
