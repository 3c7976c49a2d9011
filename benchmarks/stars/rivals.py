"""What is compared: the published diffusions, and filters that anybody has at hand."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from bgrem_core.stars.chao_tsai import chao_tsai
from bgrem_core.stars.cohen import cohen2021
from bgrem_core.stars.perona_malik import perona_malik

Rival = Callable[[np.ndarray], np.ndarray]


def _opened(image: np.ndarray) -> np.ndarray:
    return ndimage.grey_opening(ndimage.median_filter(image, 3), 5)


DIFFUSIONS: dict[str, tuple[str, Rival]] = {
    "Perona-Malik, n = 50, k = 8": ("Perona-Malik", perona_malik),
    "Chao-Tsai, n = 10, k = 0.05": ("Chao-Tsai", chao_tsai),
    "Cohen & Lu, their program, n = 200": ("Cohen & Lu", lambda i: cohen2021(i).image),
    "Cohen & Lu, their equations, n = 200": (
        "",
        lambda i: cohen2021(i, variant="paper").image,
    ),
    "Cohen & Lu, their equations, n = 50": (
        "",
        lambda i: cohen2021(i, variant="paper", iterations=50).image,
    ),
}
"""Name: the row of Table 2 that it should give, and the method."""
FILTERS: dict[str, Rival] = {
    "median 7 x 7": lambda i: ndimage.median_filter(i, 7),
    "median 9 x 9": lambda i: ndimage.median_filter(i, 9),
    "median 3 x 3, then opening 5 x 5": _opened,
}
