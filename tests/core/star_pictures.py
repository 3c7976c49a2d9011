"""Pictures published with the code of Cohen & Lu, and the measures of their Table 2."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "stars"
needs_pictures = pytest.mark.skipif(
    not FOLDER.exists(), reason="needs the pictures of Cohen & Lu, which do not ship"
)


def picture(name):
    """Return a figure in grey levels: "2a" nebula, "2d" with noise and stars."""
    with Image.open(FOLDER / f"figure{name}.jpg") as opened:
        return np.asarray(opened.convert("L"), float)


def psnr(truth, image):
    return 20 * np.log10(255 / np.sqrt(np.mean((image - truth) ** 2)))


def ssim(truth, image):
    return structural_similarity(truth, image, data_range=255)
