"""Make src/bgrem_core/simulate/data/cosmos.npz from public HST/ACS stamps.

Each stamp keeps the one object in its middle: pixels that belong to its footprint in
the smoothed image, with a soft edge. Where a pixel is noisy the smoothed image takes
its place, so that the noise of the stamp does not show when it is made brighter. Stamps
with a second object on the footprint, with a footprint that leaves the stamp, or with
too little light are left out.

python scripts/make_cosmos_stamps.py DATA [--out src/bgrem_core/simulate/data]
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import ndimage

CATALOGUE = "real_galaxy_catalog_26_extension_example.fits"
IMAGES = "real_galaxy_images_extension.fits"
SMOOTH = (0.8, 1.5, 3.0)  # pixels, from the bright middle to the faint edge
DETECT = 6.0  # sigma of white noise, smoothed; the stamps have correlated noise
LEAST = 30.0  # S/N of the footprint
FEWEST = 110  # pixels of a footprint


def main() -> None:
    """Read the catalogue, write the stamps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the catalogue")
    parser.add_argument(
        "--out", type=Path, default=Path("src/bgrem_core/simulate/data")
    )
    args = parser.parse_args()
    kept: list[np.ndarray] = []
    with (
        fits.open(args.data / CATALOGUE) as catalogue,
        fits.open(args.data / IMAGES) as images,
    ):
        for row in catalogue[1].data:
            sky, sigma = row["NOISE_MEAN"], np.sqrt(row["NOISE_VARIANCE"])
            stamp = images[row["GAL_HDU"]].data.astype(float) - sky
            clean = cleaned(stamp, sigma)
            if clean is not None:
                kept.append(clean)
    scaled = [np.round(65535 * k / k.max()).astype(np.uint16) for k in kept]
    path = args.out / "cosmos.npz"
    np.savez_compressed(
        path,
        shape=np.array([k.shape for k in scaled], np.uint16),
        pixels=np.concatenate([k.ravel() for k in scaled]),
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{len(kept)} stamps, {path.stat().st_size / 1000:.0f} kB, {digest}")


def cleaned(stamp: np.ndarray, sigma: float) -> np.ndarray | None:
    """Return the middle object alone, cut to its footprint, or None."""
    levels = [ndimage.gaussian_filter(stamp, s) for s in SMOOTH]
    # White noise of sigma 1 has this much left after a Gaussian.
    left = [sigma / (2 * np.sqrt(np.pi) * s) for s in SMOOTH]
    found = ndimage.binary_opening(levels[1] > DETECT * left[1], disc(2))
    found, _ = ndimage.label(found)
    middle = found[tuple(n // 2 for n in stamp.shape)]
    mask = ndimage.binary_fill_holes(found == middle) if middle else None
    if mask is None or mask.sum() < FEWEST:
        return None
    edge = np.r_[mask[0], mask[-1], mask[:, 0], mask[:, -1]]
    signal = stamp[mask].sum() / (sigma * np.sqrt(mask.sum()))
    if edge.any() or signal < LEAST or crowded(levels[1], mask):
        return None
    out = levels[2]
    for finer, noise in ((levels[1], left[1]), (levels[0], left[0]), (stamp, sigma)):
        trust = np.clip((levels[1] / noise - 5) / 10, 0, 1)
        out = trust * finer + (1 - trust) * out
    wide = ndimage.binary_dilation(mask, disc(3))
    soft = ndimage.gaussian_filter(wide.astype(float), 2.0)
    out = np.maximum(out, 0) * np.clip(1.6 * soft - 0.3, 0, 1)
    rows, columns = ndimage.find_objects((out > 0).astype(int))[0]
    return odd(out[rows, columns])


def disc(radius: int) -> np.ndarray:
    """Return a disc as a structuring element."""
    way = np.arange(-radius, radius + 1)
    return np.hypot(way[:, None], way) <= radius + 0.3


def crowded(image: np.ndarray, mask: np.ndarray) -> bool:
    """Tell whether a second peak far from the first is half as high."""
    top = (image == ndimage.maximum_filter(image, 9)) & mask
    y, x = np.nonzero(top)
    value = image[y, x]
    first = np.argmax(value)
    far = np.hypot(y - y[first], x - x[first]) > 0.35 * np.sqrt(mask.sum())
    return bool(np.any(value[far] > 0.5 * value[first]))


def odd(image: np.ndarray) -> np.ndarray:
    """Return the image with odd sides."""
    ny, nx = image.shape
    return np.pad(image, ((0, 1 - ny % 2), (0, 1 - nx % 2)))


if __name__ == "__main__":
    main()
