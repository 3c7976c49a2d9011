"""Figure 9: a real galaxy and its faint outskirts.

As in the paper (there M 31): before, and after the model that takes noise and sky away
at once. Fair: the model that takes away noise alone, and the profile of the surface
brightness, measured against a second exposure of the same galaxy, whose noise is its
own; the zero of all profiles is the same far ring.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import sep
from cleaned import is_joint
from denoiser import Denoiser
from given import Given
from picture import bar, colour, halves, new, nothing, show
from scipy import ndimage

import bgrem_core

FILES = ("aligned_eso085-030-004.fit", "aligned_eso085-030-005.fit")
NAME = "ESO 085-030"
RING = (110.0, 140.0)  # pixels along the major axis, where all profiles are zero
ZONES = {"inner (> 1 sigma)": (1.0, np.inf), "outer (0.1 to 1 sigma)": (0.1, 1.0)}
MIDDLE = 60.0  # pixels from the middle of the frame, within which it lies
SHOWN = 260  # pixels a side


def read(given: Given) -> list[np.ndarray] | None:
    """Return the exposures as float32; None where they are not here."""
    paths = [given.data / "eso085" / name for name in FILES]
    if not all(p.is_file() for p in paths):
        return None
    both = [np.asarray(bgrem_core.open_image(p).data, np.float32) for p in paths]
    if given.toy:  # the galaxy stays in the middle
        both = [np.ascontiguousarray(b[171:-171, 322:-322]) for b in both]
    return both


def ellipse(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the radius along the major axis of each pixel, and what others cover.

    The galaxy is the brightest object near the middle of the frame.
    """
    smooth = ndimage.gaussian_filter(image, 2)
    smooth = smooth - sep.Background(smooth, bw=256, bh=256).back()
    sep.set_sub_object_limit(8192)
    found, labels = sep.extract(
        np.ascontiguousarray(smooth), 0.4 * sigma, minarea=20, filter_kernel=None,
        deblend_cont=0.005, segmentation_map=True,
    )  # fmt: skip
    y, x = np.indices(image.shape)
    ny, nx = image.shape
    away = np.hypot(found["x"] - nx / 2, found["y"] - ny / 2)
    main = int(np.argmax(np.where(away < MIDDLE, found["flux"], 0)))
    g = found[main]
    dx, dy = x - g["x"], y - g["y"]
    along = dx * np.cos(g["theta"]) + dy * np.sin(g["theta"])
    across = -dx * np.sin(g["theta"]) + dy * np.cos(g["theta"])
    radius = np.hypot(along, across * g["a"] / g["b"])
    others = (labels > 0) & (labels != main + 1)
    return radius, ndimage.binary_dilation(others, iterations=3)


def profile(
    image: np.ndarray, radius: np.ndarray, covered: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Return the median in each ring less that in the far `RING`."""
    ring = (radius >= RING[0]) & (radius < RING[1]) & ~covered
    zero = np.median(image[ring])
    out = []
    for low, high in pairwise(edges):
        here = (radius >= low) & (radius < high) & ~covered
        out.append(np.median(image[here]) - zero if here.sum() > 8 else np.nan)
    return np.array(out)


def kept(own: np.ndarray, true: np.ndarray, area: np.ndarray) -> dict[str, float]:
    """Return the share of the light in each zone of the true profile, percent."""
    out = {}
    for name, (low, high) in ZONES.items():
        zone = (true >= low) & (true < high) & np.isfinite(own)
        light = float(np.sum((true * area)[zone]))
        out[name] = 100 * float(np.sum((own * area)[zone])) / light if light else np.nan
    return out


def images(data: np.ndarray, models: dict[str, Denoiser]) -> dict[str, np.ndarray]:
    """Return what is profiled, in the image's unit."""
    out = {"nothing": data}
    for size in (64, 256):
        out[f"mesh {size} on the input"] = data - sep.Background(data, bw=size, bh=size)
    for name, denoise in models.items():
        result = bgrem_core.clean(data, model=denoise.name, sky_scale=256)
        clean = np.asarray(result.cleaned, np.float32)
        if not is_joint(denoise):
            out[name] = data - np.asarray(result.noise, np.float32)
            out[f"{name}, sky of 256 pixels off"] = clean
        else:
            out[name] = clean
    return out


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    both = read(given)
    if both is None:
        return {"skipped": "its exposures (eso085) are not here"}, {}
    scale = bgrem_core.clean(both[0], method="mesh").scale
    sigma = float(scale.median_sigma)
    middle = [b - np.median(b) for b in both]
    radius, covered = ellipse((middle[0] + middle[1]) / 2, sigma)
    edges = np.concatenate([[0, 2, 4], np.geomspace(6, RING[1], 20)])
    area = np.histogram(radius[~covered], edges)[0]
    made = [images(b, given.models) for b in both]
    rows: dict[str, Any] = {}
    for name in made[0]:
        profiles = [profile(m[name] / sigma, radius, covered, edges) for m in made]
        # What one exposure keeps is compared with the other one as it is.
        raw = [profile(b / sigma, radius, covered, edges) for b in both]
        shares = [kept(profiles[k], raw[1 - k], area) for k in (0, 1)]
        rows[name] = {
            "profile": [_number(v) for v in np.mean(profiles, axis=0)],
            "kept": {
                z: [
                    round(float(np.mean([s[z] for s in shares])), 1),
                    round(float(np.ptp([s[z] for s in shares])) / 2, 1),
                ]
                for z in ZONES
            },
        }
    numbers = {
        "galaxy": NAME, "sigma": round(sigma, 3), "unit": "ADU",
        "edges": [round(float(e), 2) for e in edges], "rows": rows,
        "error": [_number(1.2533 / max(a, 1) ** 0.5) for a in area],
    }  # fmt: skip
    return numbers, _shown(made[0], radius, sigma, given)


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _shown(
    made: dict[str, np.ndarray], radius: np.ndarray, sigma: float, given: Given
) -> dict[str, np.ndarray]:
    y, x = np.unravel_index(np.argmin(radius), radius.shape)
    ny, nx = radius.shape
    top, left = (max(min(v - SHOWN // 2, n - SHOWN), 0) for v, n in ((y, ny), (x, nx)))
    cut = (slice(top, top + SHOWN), slice(left, left + SHOWN))
    ring = (radius >= RING[0]) & (radius < RING[1])
    names = ["nothing", *given.models]
    return {
        n: np.asarray((made[n] - np.median(made[n][ring])) / sigma, np.float32)[cut]
        for n in names
    }


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:
    figure = new(7.2)
    left, right = halves(
        figure, f"Figure 9  A real galaxy ({result['galaxy']})", widths=(1, 1.7)
    )
    first, *_, last = [n for n in images if n != "nothing"] * 2
    axes = left.subplots(2, 1)
    show(axes[0], images["nothing"], low=-1.5, high=4, title="input")
    clipped = np.maximum(images[last], 0)
    shown = show(axes[1], clipped, low=-1.5, high=4, title=f"{last}, clipped at 0")
    bar(left, shown, list(axes), "sigma of the sky")
    top, bottom = right.subfigures(2, 1)
    axes = top.subplots(1, 2)
    shown = show(axes[0], images[first], low=-1.5, high=4, title=first)
    bar(top, shown, axes[0], "sigma of the sky")
    if first == last:
        nothing(axes[1], "one model only")
    else:
        shown = show(axes[1], images[first] - images[last], low=-1, high=1, signed=True,
                     title=f"{first} - {last}: light that only one keeps")  # fmt: skip
        bar(top, shown, axes[1], "sigma of the sky")
    _profiles(bottom.subplots(), result)
    return figure


def _profiles(axis: Any, result: dict[str, Any]) -> None:
    edges = np.array(result["edges"])
    middle = (edges[1:] + edges[:-1]) / 2
    outer = list(ZONES)[1]
    for name, row in result["rows"].items():
        value = np.array([np.nan if v is None else v for v in row["profile"]])
        share, error = row["kept"][outer]
        words = "input" if name == "nothing" else name
        model = name.split(",")[0] in ("optical", "optical-paper")
        axis.plot(
            middle, value, label=f"{words}: {share:.0f} ± {error:.0f} %",
            color=colour("input" if name == "nothing" else name),
            lw=1.8 if model or name == "nothing" else 1.1,
            ls="--" if "," in name else ":" if "mesh 64" in name else
            "-." if "mesh" in name else "-",
        )  # fmt: skip
    error = np.array(result["error"])
    axis.fill_between(middle, -error, error, color="0.9", zorder=0)
    axis.set_yscale("symlog", linthresh=0.1)
    axis.set_xscale("log")
    axis.set(xlabel="radius along the major axis, pixels",
             ylabel="surface brightness, sigma per pixel", xlim=(2, RING[1]),
             ylim=(-0.15, None))  # fmt: skip
    axis.legend(title="kept of the light of 0.1 to 1 sigma per pixel",
                fontsize=8.5, title_fontsize=8.5, loc="lower left")  # fmt: skip
