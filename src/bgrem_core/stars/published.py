"""The published diffusions on linear images: grey levels in, starless and stars out."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ImageError
from bgrem_core.fill import fill_masked
from bgrem_core.progress import Progress
from bgrem_core.stars.chao_tsai import iter_chao_tsai
from bgrem_core.stars.cohen import iter_cohen2021
from bgrem_core.stars.diffusion import DiffusionSettings
from bgrem_core.stars.grey import grey_map
from bgrem_core.stars.perona_malik import iter_perona_malik
from bgrem_core.stars.result import StarRemoval, StarTable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from bgrem_core.stars.settings import StarsSettings

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["ITERATIONS", "iter_diffusion"]

ITERATIONS = {"cohen2021": 200, "perona-malik": 50, "chao-tsai": 10}
"""Of the papers."""
_SPREADS = (
    "{} spreads the light of stars over their surroundings, which the part 'stars' "
    "shows as negative light; it has no list of stars"
)


def iter_diffusion(
    planes: "Float", bad: "Bools", settings: "StarsSettings"
) -> "Generator[Progress, Any, StarRemoval]":
    """Diffuse each plane as a publication does; what it changes is called stars.

    Parameters
    ----------
    planes : ndarray of float32, shape (n, ny, nx)
        Any linear unit.
    bad : ndarray of bool, shape (ny, nx)
        True = filled before and left as it is.
    settings : StarsSettings
        Which one, and how often.

    Returns
    -------
    StarRemoval
        Without a list of stars: these methods have none. A plane that is flat, or in
        which the method finds no signal, is left as it is, with a notice.

    Yields
    ------
    Progress
        Stage "diffusion", after each step.
    """
    number = settings.iterations or ITERATIONS[settings.way]
    starless, stars = planes.copy(), np.zeros_like(planes)
    left: list[str] = []
    for k, plane in enumerate(planes):
        level = np.float32(np.median(plane[~bad])) if not bad.all() else np.float32(0)
        known = level + fill_masked(np.where(bad, 0, plane - level), bad)
        try:
            grey = grey_map(known)
            begun = last = grey.to_grey(known)
            steps = _steps(begun, grey.background, number, settings)
            for done, image in enumerate(steps, start=k * number + 1):
                last = image
                yield Progress(stage="diffusion", done=done, total=len(planes) * number)
        except ImageError as error:
            which = f"plane {k}" if len(planes) > 1 else "the image"
            left.append(f"{settings.way} leaves {which} as it is: {error.sentence}")
            continue
        # Light above the grey levels was in none of them: it is a star's.
        change = grey.to_linear(last) - grey.to_linear(begun)
        beyond = known - grey.to_linear(begun)
        taken = np.where(bad, 0, np.maximum(beyond, 0) - change).astype(np.float32)
        stars[k] = taken
        starless[k] = np.where(taken == 0, plane, plane - taken)
    notices = tuple(left)
    if len(left) < len(planes):
        notices = (_SPREADS.format(settings.way), *notices)
    none = np.zeros(0)
    return StarRemoval(
        starless=starless,
        stars=stars,
        filled=np.zeros(bad.shape, bool),
        support=(stars != 0).any(axis=0),
        table=StarTable(
            x=none, y=none, flux=np.zeros((len(planes), 0)), snr=none, spread=none,
            saturated=none.astype(bool), left=none.astype(bool),
        ),
        fwhm=float("nan"),
        psf=np.zeros((len(planes), 0, 0)),
        sigma=np.full(len(planes), np.nan),
        method=settings.way if len(left) < len(planes) else "none",
        notices=notices,
    )  # fmt: skip


def _steps(
    grey: "Floats", background: float, number: int, settings: "StarsSettings"
) -> "Iterator[Floats]":
    if settings.way == "perona-malik":
        return iter_perona_malik(grey, iterations=number)
    if settings.way == "chao-tsai":
        return iter_chao_tsai(grey, iterations=number)
    how: Any = settings.variant
    chosen = DiffusionSettings(variant=how, iterations=number, background=background)
    return (step.image for step in iter_cohen2021(grey, chosen))
