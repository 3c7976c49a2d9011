"""Development frames and what all arms share: flattening, detection, scoring."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sep
from scipy import ndimage
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from bgrem_core.matched import gaussian_kernel
from bgrem_core.models import load_model
from bgrem_core.sampler import sample
from bgrem_core.schedule import levels
from bgrem_core.simulate import SceneSettings, Truth, draw_noise, draw_scene, draw_sky

RESULTS = Path(__file__).parent / "results"
FRAME_SEED = 27182  # never used in training, whose fields have the seed 314159
EDGE = 24
MATCH = 0.6  # of the FWHM
FLOOR, NEUTRAL = 2.0, 0.5  # true S/N
FLUX_FACTOR = 3.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    fwhm: float
    beta: float
    density: float
    slope: float
    galaxies: float
    sigma_e: float
    level: float  # of the sky, sigma
    rho: float = 0.0


KINDS = {
    "dark": Kind(
        fwhm=4.3, beta=3.0, density=180, slope=0.7, galaxies=0.6, sigma_e=16, level=10
    ),
    "bright sky": Kind(
        fwhm=5.9, beta=3.0, density=120, slope=0.7, galaxies=0.6, sigma_e=20, level=16
    ),
    "deep": Kind(
        fwhm=4.3,
        beta=2.6,
        density=500,
        slope=0.75,
        galaxies=0.75,
        sigma_e=60,
        level=20,
        rho=0.3,
    ),
    "crowded": Kind(
        fwhm=5.1, beta=3.0, density=800, slope=0.7, galaxies=0.15, sigma_e=16, level=10
    ),
    # Sparse stars in white noise: nothing should beat the matched filter here.
    "control": Kind(
        fwhm=4.3, beta=4.5, density=100, slope=0.7, galaxies=0.0, sigma_e=100, level=10
    ),
}


@dataclass(frozen=True, kw_only=True)
class Frame:
    kind: Kind
    image: np.ndarray
    source: np.ndarray
    sky: np.ndarray
    truth: Truth


def make_frame(name: str, *, side: int = 2048) -> Frame:
    kind = KINDS[name]
    rng = np.random.default_rng([FRAME_SEED, list(KINDS).index(name)])
    scene = draw_scene(
        rng,
        shape=(side, side),
        settings=SceneSettings(
            fwhm=(kind.fwhm, kind.fwhm),
            beta=(kind.beta, kind.beta),
            ellipticity=(0.05, 0.05),
            density=(kind.density, kind.density),
            slope=(kind.slope, kind.slope),
            galaxies=(kind.galaxies, kind.galaxies),
            discs=0.5 if kind.galaxies else 0.0,
        ),
    )
    noise = draw_noise(rng, scene.source, sigma_e=kind.sigma_e, rho=kind.rho)
    sky = draw_sky(rng, shape=(side, side), level=kind.level)
    image = scene.source + sky + noise
    return Frame(
        kind=kind, image=image, source=scene.source, sky=sky, truth=scene.truth
    )


class Denoiser:
    """The model under test, with the digest of its numbers."""

    def __init__(self, name: str = "optical") -> None:
        self.model = load_model(name, device="cpu")
        self.digest = self.model.card.training["tensors"]

    def __call__(
        self, image: np.ndarray, *, rho: float, sigma_e: float | None, steps: int = 1
    ) -> np.ndarray:
        offset = sep.Background(np.ascontiguousarray(image), bw=256, bh=256).back()
        z = (image - offset).astype(np.float32)
        clean = sample(
            lambda x, level: self.model.denoise(x, level, rho=rho, sigma_e=sigma_e),
            z,
            levels(steps),
        )
        return (clean + offset).astype(np.float32)


def flatten(
    image: np.ndarray, *, blur: float, least: float, mesh: int = 64
) -> np.ndarray:
    """Take off a mesh; pixels that look like sources are masked in a second pass."""
    image = np.ascontiguousarray(image, np.float32)
    first = image - sep.Background(image, bw=mesh, bh=mesh).back()
    bright = (ndimage.gaussian_filter(first, blur) if blur else first) > least
    bright = ndimage.binary_dilation(bright, iterations=3)
    return image - sep.Background(image, mask=bright, bw=mesh, bh=mesh).back()


def filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve; white noise of sigma 1 keeps sigma 1."""
    kernel = kernel / np.sqrt(np.sum(kernel**2))
    out = ndimage.convolve(image, kernel.astype(np.float32), mode="constant")
    return np.ascontiguousarray(out, np.float32)


def psf_filtered(image: np.ndarray, fwhm: float) -> np.ndarray:
    return filtered(image, gaussian_kernel(fwhm))


def maxima(image: np.ndarray) -> np.ndarray:
    """Return x, y, value of the maxima of 5 x 5 pixels, sub-pixel by a parabola."""
    top = image == ndimage.maximum_filter(image, 5)
    top[:2], top[-2:], top[:, :2], top[:, -2:] = False, False, False, False
    y, x = np.nonzero(top & (image > 0))
    value = image[y, x]

    def vertex(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        bend = before - 2 * value + after
        return np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-9), 0)

    dx = np.clip(vertex(image[y, x - 1], image[y, x + 1]), -0.5, 0.5)
    dy = np.clip(vertex(image[y - 1, x], image[y + 1, x]), -0.5, 0.5)
    return np.stack([x + dx, y + dy, value])


def segments(
    image: np.ndarray, threshold: float, *, levels: int, contrast: float, minarea: int
) -> np.ndarray:
    found = sep.extract(
        image,
        threshold,
        minarea=minarea,
        filter_kernel=None,
        deblend_nthresh=levels,
        deblend_cont=contrast,
    )
    return np.stack([found["x"], found["y"], found["peak"]])


COUNTS = ("true", "false", "double", "shred", "neutral")


class Scorer:
    """Compares lists of positions with the truth of one frame, by sub-tiles."""

    def __init__(self, frame: Frame, *, tiles: int = 8) -> None:
        self.frame, self.tiles = frame, tiles
        self.side = frame.image.shape[0]
        t = frame.truth
        self.radius = MATCH * frame.kind.fwhm
        # One and the same yardstick for truth and detections: the PSF-weighted S/N.
        flat = flatten(frame.image, blur=frame.kind.fwhm / 2.35, least=1.0)
        self.seen = psf_filtered(flat, frame.kind.fwhm)
        pure = psf_filtered(frame.source, frame.kind.fwhm)
        self.truth_flux = self._at(pure, t.x, t.y)
        self.order = np.argsort(-t.snr)
        self.points = np.stack([t.x, t.y], 1)
        self.usable = t.snr >= NEUTRAL
        self.tree = cKDTree(self.points[self.usable])
        self.index = np.flatnonzero(self.usable)
        inner = self._inside(t.x, t.y)
        self.total = int(np.sum(inner & (t.snr >= FLOOR)))

    def _at(self, image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(image, [y, x], order=1, mode="nearest")

    def _inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        last = self.side - 1 - EDGE
        return (x >= EDGE) & (x <= last) & (y >= EDGE) & (y <= last)

    @property
    def area(self) -> float:
        """Return the area that counts, Mpix."""
        return (self.side - 2 * EDGE) ** 2 / 1e6

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return counts (5, tiles^2) in the order of `COUNTS`."""
        t = self.frame.truth
        flux = self._at(self.seen, x, y)
        fate = np.full(len(x), -1)
        tree = cKDTree(np.stack([x, y], 1)) if len(x) else None
        if tree is not None:
            wanted = self.order[t.snr[self.order] >= FLOOR]
            near = tree.query_ball_point(self.points[wanted], self.radius)
            for k, hits in zip(wanted, near, strict=True):
                free = [h for h in hits if fate[h] < 0 and self._alike(k, flux[h])]
                if free:
                    d = [(x[h] - t.x[k]) ** 2 + (y[h] - t.y[k]) ** 2 for h in free]
                    fate[free[int(np.argmin(d))]] = 0
        for h in np.flatnonzero(fate < 0):
            fate[h] = self._fate(x[h], y[h], flux[h])
        inner = self._inside(x, y)
        tile = (y * self.tiles // self.side).astype(int) * self.tiles + (
            x * self.tiles // self.side
        ).astype(int)
        tile = np.clip(tile, 0, self.tiles**2 - 1)
        return np.stack(
            [
                np.bincount(tile[inner & (fate == k)], minlength=self.tiles**2)
                for k in range(len(COUNTS))
            ]
        )

    def _alike(self, k: int, flux: float) -> bool:
        true = max(self.truth_flux[k], 1e-3)
        return true / FLUX_FACTOR <= flux <= true * FLUX_FACTOR

    def _fate(self, x: float, y: float, flux: float) -> int:
        t = self.frame.truth
        near = self.index[self.tree.query_ball_point([x, y], self.radius)]
        if np.any(t.snr[near] >= FLOOR):
            return 2
        # A neutral source excuses a detection only if it is as bright: in a crowd
        # there is some faint source near every place.
        if any(self._alike(k, flux) for k in near):
            return 4
        big = np.flatnonzero((t.size > 0) & (t.snr > 20))
        reach = 1.5 * np.hypot(t.size[big], self.frame.kind.fwhm / 2)
        if np.any(np.hypot(t.x[big] - x, t.y[big] - y) < reach):
            return 3
        return 1


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
