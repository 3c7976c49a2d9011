"""Straight lines: how much of a streak's light is left, and which lines are found."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import sep
from scipy import ndimage
from skimage.transform import hough_line, hough_line_peaks
from star_scenes import Scene, streak_lights

FLAT, SMOOTH, MESH, BRIGHT = 15, 1.0, 32, 2.5
"""Window of the median that is taken off, width of the Gaussian, mesh of the noise, all
in pixels, and level in sigmas above which pixels vote."""
STEP = 0.5
"""Between angles, degrees."""
CHORD, MOST, LEAST = 64, 60, 3.0
"""Shortest line through the frame, pixels; most lines; least score."""
ANGLE, APART = 3.0, 4.0
"""A line is that of a streak within so many degrees, and pixels at its middle."""
SHORT = 20.0
"""Length inside the frame from which a streak counts, pixels."""
FALSE, SPARE = -1, -2


@dataclass(frozen=True, kw_only=True)
class Streak:
    """The part of a streak inside the frame: its middle, angle in degrees, length."""

    x: float
    y: float
    angle: float
    length: float


def inside(scene: Scene) -> list[Streak | None]:
    """Return the streaks as far as they are in the frame; None for too little."""
    s, out = scene.streaks, []
    ny, nx = scene.image.shape
    for k in range(len(s)):
        along = np.linspace(-0.5, 0.5, 2001) * s.length[k]
        x = s.x[k] + along * np.cos(np.radians(s.angle[k]))
        y = s.y[k] + along * np.sin(np.radians(s.angle[k]))
        use = (x >= 0) & (x <= nx - 1) & (y >= 0) & (y <= ny - 1)
        length = float(s.length[k] * use.mean())
        out.append(
            Streak(x=float(x[use].mean()), y=float(y[use].mean()),
                   angle=float(s.angle[k]), length=length)
            if length >= SHORT else None
        )  # fmt: skip
    return out


def kept(scene: Scene, out: np.ndarray) -> dict[str, list[float]]:
    """Return the share of each streak's light that is kept.

    The difference to the starless truth, weighted with the streak's own light: where no
    star outshines the noise, and everywhere. The second counts star light that is left
    on a streak as its own.
    """
    error = np.asarray(out - scene.starless, np.float64)
    found: dict[str, list[float]] = {"off stars": [], "whole": []}
    for light, streak in zip(streak_lights(scene), inside(scene), strict=True):
        for name, where in (("off stars", ~scene.footprint), ("whole", None)):
            own = light.astype(np.float64)
            if where is not None:
                own *= where
            norm = float(np.sum(own**2))
            value = 1 + float(np.sum(error * own)) / norm if norm > 0 else np.nan
            found[name].append(value if streak else np.nan)
    return found


def lines(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find lines by a Hough transform: scores, angles in degrees, distances to (0, 0).

    Pixels above the noise vote once what is wide is off. Score: votes of a line less
    those that its length would have by chance, over their root. Angle: of its normal.
    """
    data = np.ascontiguousarray(image, np.float32)
    flat = data - ndimage.median_filter(data, FLAT)
    smooth = ndimage.gaussian_filter(flat, SMOOTH)
    sky = sep.Background(smooth, bw=MESH, bh=MESH)
    seen = smooth - sky.back() > BRIGHT * sky.rms()
    theta = np.radians(np.arange(-90, 90, STEP))
    votes, _, away = hough_line(seen, theta)
    length = _chords(seen.shape)
    expected = length * seen.mean()
    score = (votes - expected) / np.sqrt(expected + 1)
    score[length < CHORD] = 0
    found = hough_line_peaks(
        np.maximum(score, 0), theta, away, min_distance=8, min_angle=10,
        threshold=LEAST, num_peaks=MOST,
    )  # fmt: skip
    return np.asarray(found[0]), np.degrees(found[1]), np.asarray(found[2])


def fates(
    streaks: list[Streak | None], angle: np.ndarray, away: np.ndarray
) -> list[int]:
    """Return the streak of each line, best ones first, or what else it is."""
    free = [s is not None for s in streaks]
    out = []
    for t, rho in zip(angle, away, strict=True):
        near = [k for k, s in enumerate(streaks) if s and _is(s, t, rho)]
        fresh = [k for k in near if free[k]]
        out.append(fresh[0] if fresh else SPARE if near else FALSE)
        if fresh:
            free[fresh[0]] = False
    return out


def found_at(rows: list[dict], rate: float) -> float:
    """Return the share of streaks found with so many false lines in a scene.

    Rows have scores and fates of lines, and the number of streaks.
    """
    score = np.concatenate([r["score"] for r in rows])
    fate = np.concatenate([r["fate"] for r in rows])
    fate = fate[np.argsort(-score, kind="stable")]
    allowed = np.cumsum(fate == FALSE) <= rate * len(rows)
    wanted = sum(r["streaks"] for r in rows)
    return float(np.sum(allowed & (fate >= 0)) / wanted) if wanted else float("nan")


def _is(s: Streak, angle: float, away: float) -> bool:
    turn = abs((angle + 90 - s.angle + 90) % 180 - 90)
    t = np.radians(angle)
    miss = abs(s.x * np.cos(t) + s.y * np.sin(t) - away)
    return bool(turn <= ANGLE and miss <= APART)


@cache
def _chords(shape: tuple[int, int]) -> np.ndarray:
    """Return how many pixels each line has in the frame."""
    theta = np.radians(np.arange(-90, 90, STEP))
    return hough_line(np.ones(shape, bool), theta)[0].astype(float)
