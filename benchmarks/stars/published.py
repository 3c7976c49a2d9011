"""Pictures and figures published by Cohen & Lu (2021), and what is measured on them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

WHITE = 255
TRUTH, NEBULA, NOISY, OUTPUT = "2a", "2b", "2d", "7e"
"""Nebula; with noise; with noise and stars; what they made of that."""
TABLE_2 = {
    "Perona-Malik": {"mae": 233.4, "rmse": 19.72, "psnr": 22.231, "ssim": 0.729},
    "Chao-Tsai": {"mae": 222.5, "rmse": 19.52, "psnr": 22.32, "ssim": 0.476},
    "Cohen & Lu": {"psnr": 24.068, "ssim": 0.909},
}
"""Rows of their Table 2, as far as we have them."""


def path(folder: Path, name: str) -> Path:
    return folder / f"figure{name}.jpg"


def missing(folder: Path) -> list[str]:
    names = (TRUTH, NEBULA, NOISY, OUTPUT)
    return [path(folder, n).name for n in names if not path(folder, n).is_file()]


def grey(folder: Path, name: str) -> np.ndarray:
    """Return a picture in grey levels (luma of ITU-R 601, rounded, as Pillow's L)."""
    with Image.open(path(folder, name)) as opened:
        return np.asarray(opened.convert("L"), float)


def digest(folder: Path, name: str) -> str:
    return hashlib.sha256(path(folder, name).read_bytes()).hexdigest()[:16]


def measure(truth: np.ndarray, image: np.ndarray) -> dict[str, Any]:
    """Return errors and likeness, as they are and without the constant in them."""
    error = image - truth
    bias = float(error.mean())
    level = image - bias
    return {
        "rmse": _rms(error),
        "psnr": _psnr(error),
        "ssim": _ssim(truth, image),
        "bias": bias,
        "psnr_level": _psnr(error - bias),
        "ssim_level": _ssim(truth, level),
        "mae": float(np.abs(error).mean()),
        "mae_wrapped": wrapped(truth, image),
    }


def wrapped(truth: np.ndarray, image: np.ndarray) -> float:
    """Return the mean of differences taken in 8 bits, where -1 is 255."""
    one, other = (
        np.clip(np.rint(i), 0, WHITE).astype(np.uint8) for i in (truth, image)
    )
    return float((one - other).mean())


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


def _psnr(error: np.ndarray) -> float:
    return float(20 * np.log10(WHITE / _rms(error)))


def _ssim(truth: np.ndarray, image: np.ndarray) -> float:
    return float(structural_similarity(truth, image, data_range=WHITE))
