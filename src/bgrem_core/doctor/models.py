"""Models: each is the file that its card describes, and does what it is for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bgrem_core.doctor.facts import REINSTALL, Fact, examined
from bgrem_core.errors import BGRemError, ModelError

PART, TEST = "Models", "Self-test"
NOISE, SKY, STAR = 5.0, 100.0, 4000.0
"""Of the frame of the test: ADU per pixel, and ADU."""
COUNTS, SOURCE = 2.0, 300.0
"""Of the map of the test: photons per pixel, and photons."""
_MOST_NOISE, _STAR_WITHIN, _COUNTS_WITHIN, _SOURCE_WITHIN = 0.2, 0.1, 0.15, 0.15
_AGREE = 1e-3  # sigma
_FWHM, _SIDE = 3.5, 96


def all_models() -> Iterator[Fact]:
    """Yield for each model its hash, and whether it is the one of its card."""
    from bgrem_core.models import shipped

    names = shipped()
    if not names:
        raise BGRemError("no model is there", REINSTALL)
    for name in names:
        yield from examined(PART, name, lambda name=name: _hashed(name))  # type: ignore[misc]


def _hashed(name: str) -> Iterator[Fact]:
    from bgrem_core.models import load_model

    model = load_model(name, device="cpu")
    value = f"version {model.card.version}, sha256 {model.sha256[:16]}, as on its card"
    yield Fact(part=PART, name=name, value=value)


def self_tests() -> Iterator[Fact]:
    """Yield what each model makes of a small frame of which all is known."""
    from bgrem_core.models import choose_device, list_models

    for card in list_models():
        test = _TESTS.get(card.objective)
        if test is None:
            continue
        if not _loads(card.name):
            # Why, and what to do about it, has been said.
            yield Fact(part=TEST, name=card.name, value="not run: it cannot be loaded")
        else:
            yield from examined(TEST, card.name, lambda t=test, c=card: t(c.name))  # type: ignore[misc]
    there = choose_device("auto")
    if there != "cpu":
        yield from examined(TEST, there, lambda: _device(there))


def _loads(name: str) -> bool:
    from bgrem_core.models import load_network

    try:
        load_network(name)
    except ModelError:
        return False
    return True


def _optical(name: str) -> Iterator[Fact]:
    from bgrem_core.api import clean

    frame = _frame()
    done = clean(frame, model=name, fwhm=_FWHM, gain=4.0, sky_scale=32)
    cleaned = np.asarray(done.cleaned, np.float64)
    row, col = np.indices(frame.shape) - _SIDE // 2
    near = np.hypot(row, col) < 3 * _FWHM
    left = float(cleaned[~near].std()) / NOISE
    kept = float((cleaned[near] - np.median(cleaned[~near])).sum()) / STAR
    yield _judged(
        name,
        f"noise {NOISE:g} -> {NOISE * left:.2g}, star kept {kept:.1%}",
        ok=left < _MOST_NOISE and abs(kept - 1) < _STAR_WITHIN,
    )


def _photons(name: str) -> Iterator[Fact]:
    from bgrem_core.api import clean
    from bgrem_core.gamma.psf import PointSpread

    shape = (64, 64)
    expected = np.full(shape, COUNTS)
    stamp = SOURCE * PointSpread(0.2).stamp(0.0, 0.0)
    half = min(len(stamp) // 2, 31)
    cut = slice(len(stamp) // 2 - half, len(stamp) // 2 + half + 1)
    place = slice(32 - half, 32 + half + 1)
    expected[place, place] += stamp[cut, cut]
    counts = np.random.default_rng(4).poisson(expected).astype(np.float32)
    done = clean(_counts_map(counts), method="gamma", model=name)
    row, col = np.indices(shape) - 32
    near = np.hypot(row, col) < 6
    level = float(np.median(np.asarray(done.parts["background"])[~near]))
    found = float(np.asarray(done.cleaned)[near].sum())
    truth = float((counts - COUNTS)[near].sum())
    yield _judged(
        name,
        f"background {COUNTS:g} -> {level:.2f}, source kept {found / truth:.1%}",
        ok=abs(level / COUNTS - 1) < _COUNTS_WITHIN
        and abs(found / truth - 1) < _SOURCE_WITHIN,
    )


def _counts_map(counts: "np.ndarray[Any, Any]") -> Any:
    from astropy.io import fits

    header = fits.Header({
        "CTYPE1": "GLON-TAN", "CRVAL1": 40.0, "CRPIX1": 32.5, "CDELT1": -0.2,
        "CTYPE2": "GLAT-TAN", "CRVAL2": 50.0, "CRPIX2": 32.5, "CDELT2": 0.2,
        "CUNIT1": "deg", "CUNIT2": "deg", "DSTYP1": "ENERGY", "DSUNI1": "MeV",
        "DSVAL1": "1000:2000",
    })  # fmt: skip
    return fits.PrimaryHDU(counts, header)


def _device(device: str) -> Iterator[Fact]:
    """Compare what an accelerator gives with what the CPU gives."""
    from bgrem_core.api import clean

    frame = _frame()
    cpu, there = (clean(frame, device=d, sky_scale=32) for d in ("cpu", device))
    failed = [n for n in there.notices if n.startswith(f"{device} failed")]
    apart = float(np.abs(np.asarray(cpu.cleaned) - np.asarray(there.cleaned)).max())
    said = f"differs from the CPU by {apart / NOISE:.1g} sigma"
    yield _judged(
        device,
        failed[0] if failed else said,
        ok=not failed and apart < _AGREE * NOISE,
        hint="use --device cpu, and update the driver",
    )


def _frame() -> "np.ndarray[Any, Any]":
    rng = np.random.default_rng(0)
    row, col = np.indices((_SIDE, _SIDE)) - _SIDE // 2
    width = _FWHM / 2.3548
    star = np.exp(-(row**2 + col**2) / (2 * width**2)) / (2 * np.pi * width**2)
    frame: np.ndarray[Any, Any] = (
        SKY + STAR * star + rng.normal(0, NOISE, star.shape)
    ).astype(np.float32)
    return frame


def _judged(name: str, value: str, *, ok: bool, hint: str = REINSTALL) -> Fact:
    if ok:
        return Fact(part=TEST, name=name, value=f"{value}: passed")
    return Fact(
        part=TEST, name=name, value=f"{value}: FAILED",
        problem=f"the self-test of {name} failed ({value})", hint=hint,
    )  # fmt: skip


_TESTS = {"noise": _optical, "joint": _optical, "expectation": _photons}
