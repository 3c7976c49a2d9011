"""SExtractor's defaults, by sep: mesh 64, median of 3, default.conv, 5 pixels.

Thresholds are in units of the rms that is measured on the image itself.
"""

import numpy as np
import sep

DEFAULT = 1.5
CONV = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)
THRESHOLDS = tuple(
    sorted({DEFAULT, *np.round(np.geomspace(40, 0.6, 43), 3).tolist()}, reverse=True)
)
"""Of the sweep, the default among them."""
TINY = 1e-9


class Image:
    """An image without its mesh, and its rms."""

    def __init__(self, image: np.ndarray) -> None:
        image = np.ascontiguousarray(image, np.float32)
        background = sep.Background(image, bw=64, bh=64, fw=3, fh=3)
        self.flat = image - background.back()
        self.rms = max(float(background.globalrms), TINY)

    def find(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Return places, those of the highest peaks first."""
        found = sep.extract(
            self.flat, threshold * self.rms, minarea=5, filter_kernel=CONV,
            filter_type="conv", deblend_nthresh=32, deblend_cont=0.005, clean=True,
            clean_param=1.0,
        )  # fmt: skip
        order = np.argsort(-found["cpeak"], kind="stable")
        return found["x"][order], found["y"][order]
