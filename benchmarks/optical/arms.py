"""Arms: from a frame to the image, or the list, that is searched.

An arm is any function of a frame; a new one (a head of a network, a map of the
probability of a source) is one more line in `arms`.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import psf_fit
from denoiser import Denoiser
from frames import Frame
from images import (
    DEFAULT_CONV,
    filtered,
    flat_raw,
    flatten,
    psf_filtered,
    starlet,
)
from recipes import RECIPES, Searched

from bgrem_core.errors import BGRemError

PRIMARY = "matched"
BOUNDS = ("exact sky", "source only")
"""They know the truth: no method, and never the strongest classical arm."""
IMAGE_RECIPES = tuple(RECIPES)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to make what is searched.

    Attributes
    ----------
    prepare : callable
        From a frame to what is searched.
    start : float
        Threshold at which the sweep begins.
    key : str
        Names version or weights: cached results belong to it.
    recipes : tuple of str
        How it is searched.
    kinds : tuple of str or None
        The only kinds it is run on.
    noise_free : bool
        It searches the noise-free image.
    model : bool
        A network; not one of the classical arms.
    coarse : bool
        A slow arm: every second threshold is left out.
    """

    prepare: Callable[[Frame], Searched]
    start: float
    key: str
    recipes: tuple[str, ...] = IMAGE_RECIPES
    kinds: tuple[str, ...] | None = None
    noise_free: bool = False
    model: bool = False
    coarse: bool = False


def _sextractor(f: Frame) -> Searched:
    return Searched(image=np.asarray(f.image, np.float32), fwhm=f.fwhm)


def _sep_default(f: Frame) -> Searched:
    return Searched(
        image=filtered(flat_raw(f.image, f.fwhm), DEFAULT_CONV), fwhm=f.fwhm
    )


def _matched(f: Frame) -> Searched:
    image = psf_filtered(flat_raw(f.image, f.fwhm), f.fwhm)
    return Searched(image=image, fwhm=2**0.5 * f.fwhm)


def _starlet(f: Frame) -> Searched:
    return Searched(image=starlet(flat_raw(f.image, f.fwhm)), fwhm=f.fwhm)


def _exact(f: Frame) -> Searched:
    image = psf_filtered(f.image - f.background, f.fwhm)
    return Searched(image=image, fwhm=2**0.5 * f.fwhm)


def _psf(f: Frame) -> Searched:
    flat = flat_raw(f.image, f.fwhm)
    stars = psf_fit.photometry(flat, f.psf, f.fwhm)
    return Searched(image=flat, fwhm=f.fwhm, listed=stars)


def denoised(denoise: Denoiser, *, told: float = 1.0) -> Callable[[Frame], Searched]:
    """Return the arm of some weights; ``told`` is what they think sigma is."""

    def prepare(f: Frame) -> Searched:
        sigma_e = None if f.sigma_e is None else f.sigma_e * told
        image = np.asarray(f.image / np.float32(told), np.float32)
        clean = told * denoise(image, rho=f.rho, sigma_e=sigma_e)
        return Searched(image=flatten(clean, blur=0, least=0.3), fwhm=f.fwhm)

    return prepare


def centres(denoise: Denoiser, *, told: float = 1.0) -> Callable[[Frame], Searched]:
    """Return the arm of the evidence of centres, as a root of the odds.

    Thresholds of a sweep are positive and fall by a factor; maxima do not care how the
    odds are put. ``told`` is as for `denoised`.
    """

    def prepare(f: Frame) -> Searched:
        scaled = np.asarray(f.image / np.float32(told), np.float32)
        found = denoise.evidence(
            scaled, flat_raw(f.image, f.fwhm) / np.float32(told), fwhm=f.fwhm,
            rho=f.rho, sigma_e=None if f.sigma_e is None else f.sigma_e * told,
        )  # fmt: skip
        image = np.exp(found / 4).astype(np.float32)
        return Searched(image=image, fwhm=f.fwhm)

    return prepare


CLASSICAL = {
    "sextractor": Arm(
        prepare=_sextractor, start=2.5, key="1", recipes=("source-extractor",)
    ),
    "sep default": Arm(
        prepare=_sep_default, start=6.0, key="1", recipes=("sep 32/0.005",)
    ),
    "matched": Arm(prepare=_matched, start=6.0, key="1"),
    "photutils": Arm(
        prepare=_matched, start=5.2, key="1", recipes=("photutils",), coarse=True
    ),
    "psf": Arm(
        prepare=_psf, start=6.0, key="1", recipes=("list",),
        kinds=("crowded", "crowded, apart"),
    ),
    "starlet": Arm(prepare=_starlet, start=1.5, key="1"),
    "exact sky": Arm(prepare=_exact, start=6.0, key="1"),
    "source only": Arm(
        prepare=lambda f: Searched(image=f.source, fwhm=f.fwhm),
        start=0.7, key="1", noise_free=True,
        # Without noise all wings meet in one segment: sep would take hours to part it.
        recipes=("maxima", "product"),
    ),
}  # fmt: skip
MODELS = ("optical-paper", "optical")
CENTRES = "optical centres"
ALL = (*CLASSICAL, *MODELS, CENTRES)


def arms(names: list[str], *, model: str) -> tuple[dict[str, Arm], list[str]]:
    """Return the arms that can run here, and a line for each that cannot."""
    out, skipped = {}, []
    for name in names:
        if name in CLASSICAL:
            if lack := _lacks(name):
                skipped.append(f"{name}: {lack}")
            else:
                out[name] = CLASSICAL[name]
            continue
        own = name in ("optical", CENTRES)  # the model that was asked for
        try:
            denoise = Denoiser(model if own else name)
        except BGRemError as error:
            if own:
                raise
            skipped.append(f"{name}: {error}".splitlines()[0])
            continue
        if name != CENTRES:
            out[name] = model_arm(denoise)
        elif denoise.tells_centres:
            out[name] = centre_arm(denoise)
        else:
            skipped.append(f"{name}: {model} tells none")
    return out, skipped


def _lacks(name: str) -> str | None:
    """Return what an arm needs and does not find here."""
    if name == "sextractor" and shutil.which("source-extractor") is None:
        return "no program of the name source-extractor"
    if name == "photutils" and find_spec("skimage") is None:
        return "its deblender needs scikit-image (dependency group bench)"
    return None


def model_arm(denoise: Denoiser, *, told: float = 1.0) -> Arm:
    return Arm(
        prepare=denoised(denoise, told=told),
        start=1.2,
        key=f"1 {denoise.key} {told:g}",
        model=True,
    )


def centre_arm(denoise: Denoiser, *, told: float = 1.0) -> Arm:
    return Arm(
        prepare=centres(denoise, told=told),
        start=7.0,
        key=f"3 centres {denoise.digest}" + ("" if told == 1 else f" {told:g}"),
        recipes=("maxima",),
        model=True,
    )
