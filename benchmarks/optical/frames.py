"""Development frames, made by the full simulator and kept on disk; others apart.

A field is a piece of sky; its frames (flat and structured sky) have their own noise.
Fields are drawn from the seed [SEED, kind, field], never used in training, whose fields
have the seed 314159. The kinds called "apart" come from the fast simulator, of which
the weights that ship have seen nothing: other code, PSFs and galaxies. Nothing is
decided by them.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage

from bgrem_core.simulate import KINDS as SOURCES
from bgrem_core.simulate import (
    Psf,
    SceneSettings,
    Truth,
    draw_noise,
    draw_scene,
    draw_sky,
)

SEED = 602214
FIELDS = 4
SIDE = 2048
SKIES = ("flat", "structured")
VERSION = 1  # raised when frames of equal names come out different
_ARRAYS = ("image", "source", "mask", "truth", "psf")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What all frames of a kind share; see `SurveySettings` for the names."""

    fwhm: float
    density: float
    slope: float
    galaxies: float
    sigma_e: float
    level: float  # of the sky, sigma
    rho: float = 0.0
    more: dict = field(default_factory=dict)
    apart: bool = False


KINDS = {
    "dark": Kind(
        fwhm=4.3, density=180, slope=0.7, galaxies=0.6, sigma_e=16, level=10
    ),
    "bright sky": Kind(
        fwhm=5.9, density=120, slope=0.7, galaxies=0.6, sigma_e=20, level=16
    ),
    "deep": Kind(
        fwhm=4.3, density=500, slope=0.75, galaxies=0.75, sigma_e=60, level=20, rho=0.3
    ),
    "crowded": Kind(
        fwhm=5.1, density=800, slope=0.7, galaxies=0.15, sigma_e=16, level=10
    ),
    # Sparse stars of one shape in white noise: nothing should beat the matched
    # filter here, and it is left out of all sums.
    "control": Kind(
        fwhm=4.3, density=100, slope=0.7, galaxies=0.0, sigma_e=1000, level=10,
        more={
            "kolmogorov": 0.0, "beta": (4.5, 4.5), "ellipticity": (0.0, 0.0),
            "fwhm_change": 0.0, "ellipticity_change": 0.0, "discs": 0.0, "bright": 0.0,
        },
    ),
}  # fmt: skip
_MORE = {"beta": (2.6, 3.2), "ellipticity": (0.03, 0.08)}
KINDS |= {
    f"{name}, apart": dataclasses.replace(KINDS[name], apart=True, more=_MORE)
    for name in ("dark", "bright sky", "deep", "crowded")
}
APART = (2, SKIES[1:])  # fields, and the skies of each


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One frame of unit sky noise with its truth.

    Attributes
    ----------
    kind, sky : str
        What it belongs to.
    place : str
        Names the piece of sky: frames of one place are resampled together.
    image, source : ndarray
        (ny, nx) float32, sigma per pixel; of a real frame ``source`` is the deeper
        image that the truth was found in.
    mask : ndarray of bool
        Pixels that do not count, in any arm.
    truth : Truth
        Sources.
    fwhm : float
        Of the PSF in the middle, pixels.
    rho, sigma_e : float
        Correlation of neighbours, and electrons of one sigma (None = unknown).
    digest : str
        SHA-256 of image, truth and mask: results are filed under it.
    background : ndarray or None
        The true sky, sigma per pixel.
    psf : ndarray or None
        Image of the true PSF in the middle.
    floor : float
        S/N from which truth is counted.
    edge : int
        Pixels along the border that do not count.
    tiles : int
        Sub-tiles a side for the bootstrap.
    real : bool
        Not simulated.
    """

    kind: str
    sky: str
    place: str
    image: np.ndarray
    source: np.ndarray
    mask: np.ndarray
    truth: Truth
    fwhm: float
    rho: float
    sigma_e: float | None
    digest: str
    background: np.ndarray | None = None
    psf: np.ndarray | None = None
    floor: float = 2.0
    edge: int = 24
    tiles: int = 8
    real: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.place}, {self.sky}"


def simulated(
    name: str,
    *,
    folder: Path,
    toy: bool = False,
    artefacts: bool = False,
    number: int = FIELDS,
) -> list[Frame]:
    """Return the frames of a kind, drawn once and then read from the folder."""
    return list(_simulated(name, folder, number, toy=toy, artefacts=artefacts))


def _simulated(
    name: str, folder: Path, count: int, *, toy: bool, artefacts: bool
) -> Iterator[Frame]:
    kind, side = KINDS[name], 512 if toy else SIDE
    fields, skies = APART if kind.apart else (count, SKIES)
    for number in range(1 if toy else fields):
        for sky in SKIES[1:] if toy else skies:
            words = [name, str(side), str(number), sky, *["artefacts"] * artefacts]
            path = folder / "-".join(words).replace(" ", "_")
            _make(path, name, number, sky, side=side, artefacts=artefacts)
            data = {a: np.load(path / f"{a}.npy") for a in _ARRAYS}
            note = json.loads((path / "frame.json").read_text())
            yield Frame(
                kind=name,
                sky=sky,
                place=f"field {number}",
                image=data["image"],
                source=data["source"],
                mask=data["mask"],
                truth=_truth(data["truth"]),
                fwhm=note["fwhm"],
                rho=kind.rho,
                sigma_e=kind.sigma_e,
                digest=note["digest"],
                background=_background(name, number, sky, side),
                psf=data["psf"],
                tiles=4 if toy else 8,
            )


def _make(
    path: Path, name: str, number: int, sky: str, *, side: int, artefacts: bool
) -> None:
    """Draw one frame into a folder beside its target, then rename it."""
    kind, recipe = KINDS[name], _recipe(name, number, sky, side, artefacts=artefacts)
    if (path / "frame.json").is_file():
        if json.loads((path / "frame.json").read_text())["recipe"] == recipe:
            return
        raise SystemExit(
            f"{path.name} was drawn by another version: delete the folder of frames"
        )
    index = list(KINDS).index(name)
    common = {
        "fwhm": (kind.fwhm, kind.fwhm),
        "density": (kind.density, kind.density),
        "slope": (kind.slope, kind.slope),
        "galaxies": (kind.galaxies, kind.galaxies),
        "discs": 0.5,
    }
    rng = np.random.default_rng([SEED, index, number])
    draw = _draw_apart if kind.apart else _draw_survey
    drawn = draw(rng, side, {**common, **kind.more}, artefacts=artefacts)
    rng = np.random.default_rng([SEED, index, number, 1 + SKIES.index(sky)])
    noise = draw_noise(rng, drawn.source, sigma_e=kind.sigma_e, rho=kind.rho)
    image = drawn.source + noise + _background(name, number, sky, side)
    beside = path.with_name(path.name + ".new")
    beside.mkdir(parents=True, exist_ok=True)
    arrays = {
        "image": (image + drawn.artefact).astype(np.float32),
        "source": drawn.source,
        "mask": drawn.mask,
        "truth": table(drawn.truth),
        "psf": drawn.psf,
    }
    for key, value in arrays.items():
        np.save(beside / f"{key}.npy", value)
    note = {
        "recipe": recipe,
        "fwhm": drawn.fwhm,
        "digest": digest(*arrays.values()),
    }
    (beside / "frame.json").write_text(json.dumps(note))
    os.replace(beside, path)  # noqa: PTH105 - a folder, in one step


@dataclass(frozen=True, kw_only=True, eq=False)
class _Drawn:
    """What either simulator gives of a field."""

    source: np.ndarray
    artefact: np.ndarray
    mask: np.ndarray
    truth: Truth
    psf: np.ndarray
    fwhm: float


def _draw_survey(
    rng: np.random.Generator, side: int, settings: dict, *, artefacts: bool
) -> _Drawn:
    from bgrem_core.simulate.survey import LABELS, SurveySettings, draw_field

    off = {} if artefacts else {
        "streaks": 0.0, "cosmic_rays": (1e-9, 1e-9), "hot_pixels": (1e-9, 1e-9)
    }  # fmt: skip
    # The filaments of a nebula have no list of true sources.
    chosen = SurveySettings(**{**settings, **off, "nebula": 0.0})
    drawn = draw_field(rng, shape=(side, side), settings=chosen)
    bits = LABELS["saturated"] | LABELS["bleed"]
    core = ndimage.binary_dilation(
        (drawn.labels & bits) > 0, iterations=round(2 * settings["fwhm"][0])
    )
    return _Drawn(
        source=drawn.source,
        artefact=drawn.artefact if artefacts else np.zeros_like(drawn.source),
        # Spikes and halos are neither sources nor a fault of any detector.
        mask=core | ((drawn.labels & LABELS["glare"]) > 0),
        truth=drawn.truth,
        psf=drawn.psf.image((side - 1) / 2, (side - 1) / 2, radius=24),
        fwhm=float(drawn.psf.fwhm),
    )


def _draw_apart(
    rng: np.random.Generator, side: int, settings: dict, *, artefacts: bool
) -> _Drawn:
    if artefacts:
        raise SystemExit("the frames apart have no artefacts")
    drawn = draw_scene(rng, shape=(side, side), settings=SceneSettings(**settings))
    return _Drawn(
        source=drawn.source,
        artefact=np.zeros_like(drawn.source),
        mask=np.zeros(drawn.source.shape, bool),
        truth=drawn.truth,
        psf=_moffat(drawn.psf, radius=24),
        fwhm=float(drawn.psf.fwhm),
    )


def _moffat(psf: Psf, *, radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    c, s = np.cos(psf.angle), np.sin(psf.angle)
    q = 1 - psf.ellipticity
    along = (c * x + s * y) ** 2 * q + (c * y - s * x) ** 2 / q
    core = psf.fwhm / 2 / np.sqrt(2 ** (1 / psf.beta) - 1)
    out = (1 + along / core**2) ** -psf.beta
    return (out / out.sum()).astype(np.float32)


def _recipe(
    name: str, number: int, sky: str, side: int, *, artefacts: bool
) -> dict[str, object]:
    kind = json.loads(json.dumps(dataclasses.asdict(KINDS[name])))
    return {
        "version": VERSION, "seed": SEED, "kind": kind, "field": number, "sky": sky,
        "side": side, "artefacts": artefacts,
    }  # fmt: skip


def _background(name: str, number: int, sky: str, side: int) -> np.ndarray:
    level = KINDS[name].level
    if sky == "flat":
        return np.full((side, side), level, np.float32)
    rng = np.random.default_rng([SEED, list(KINDS).index(name), number, 9])
    # Its structure grows with the frame: a small frame is a corner of a large one.
    return draw_sky(rng, shape=(SIDE, SIDE), level=level)[:side, :side]


def _truth(table: np.ndarray) -> Truth:
    x, y, flux, snr, kind, size = table
    return Truth(x=x, y=y, flux=flux, snr=snr, kind=kind.astype(np.int8), size=size)


def with_noise(
    image: np.ndarray, rho: float, *, times: float, seed: list[int], sigma: float = 1.0
) -> np.ndarray:
    """Add so much noise, correlated as the image's, that it is `times` its own."""
    more = draw_noise(np.random.default_rng(seed), np.zeros_like(image), rho=rho)
    return image + np.float32((times**2 - 1) ** 0.5 * sigma) * more


def digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of all that a frame's results depend on."""
    out = hashlib.sha256()
    for array in arrays:
        out.update(f"{array.dtype}{array.shape}".encode())
        out.update(np.ascontiguousarray(array).tobytes())
    return out.hexdigest()


def table(truth: Truth) -> np.ndarray:
    t = truth
    return np.stack([t.x, t.y, t.flux, t.snr, t.kind, t.size])


def is_star(truth: Truth) -> np.ndarray:
    return truth.kind == SOURCES.index("star")


def is_extended(truth: Truth) -> np.ndarray:
    """Return which rows are large faint light, scored apart from sources."""
    return np.isin(truth.kind, [SOURCES.index(s) for s in ("disc", "nebula")])
