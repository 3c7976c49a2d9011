"""The card that says how to use weights rightly; it travels inside their file."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ModelError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

__all__ = ["OF_IMAGES", "UNMEASURED", "ModelCard", "centre_scale", "range_text"]

UNMEASURED = {
    "catalogue": ((0.0, 1, 0.6), (0.45, 1, 0.9)),
    "deep": ((0.0, 1, 0.42), (0.45, 1, 0.7)),
}
"""Detection thresholds where none were measured yet: cautious guesses."""

MAX_CONFIG = 4096
MAX_WORD = 200
_OBJECTIVES = {
    "noise": "takes away noise",
    "joint": "takes away noise and sky",
    "expectation": "parts the counts of sources from those of the background",
    "diffusion": "parts counts as the paper does, for comparison",
    "systematics": "maps the systematic background of raw frames",
}
OF_IMAGES = ("noise", "joint")
"""Objectives of models that predict the noise of an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What must be known to use weights rightly; travels inside the weights file.

    Attributes
    ----------
    name : str
        Name of the model.
    version : str
        Of the weights.
    method : str
        Key of the registry of methods.
    objective : str
        What is predicted: "noise": zero-mean noise alone; "joint": noise and sky;
        "expectation": counts expected from sources and from the background;
        "diffusion": the background of counts, as in the paper;
        "systematics": noise of a diffusion step over raw frames.
    network : str
        Key of `bgrem_core.networks.NETWORKS`.
    config : mapping
        Arguments of the network.
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Grid on which tiles start.
    steps : int
        Reverse steps by default.
    normaliser : mapping
        How the numbers of an image become those that the network sees.
    trained : mapping
        Ranges, [low, high], or words, of what the training data covered. For "noise"
        and "joint": "fwhm" (pixels), "sigma_e" (sky noise, electrons per pixel),
        "rho" (correlation of the noise of neighbours).
    thresholds : mapping
        Per operating point ("catalogue", "deep") rows of (rho, steps, threshold); the
        threshold is in sigma of the input's noise per pixel.
    calibration : mapping
        What makes the further heads usable: "uncertainty", rows of (width that the
        network says, half-width that holds 68 % of the errors), sigma of the sky,
        both rising; "artefact", least probability of a flagged pixel; "centre", the
        table of `bgrem_core.centres`. A head without calibration is not shown. Of
        photons: "photons", the rows of `bgrem_core.gamma.calibration.Calibration`.
    recipe : str
        SHA-256 of the training recipe.
    training : mapping
        Summary of the run.
    figures : mapping
        What benchmarks measured.
    """

    name: str
    version: str
    method: str
    objective: str
    network: str
    config: Mapping[str, Any]
    radius: int
    pooling: int
    steps: int
    normaliser: Mapping[str, Any] = field(default_factory=dict)
    trained: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, tuple[tuple[float, int, float], ...]] = field(
        default_factory=dict
    )
    calibration: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "model") -> "ModelCard":
        """Parse the metadata of a weights file.

        Parameters
        ----------
        data : mapping
            Parsed JSON.
        where : str, optional
            Name of the file, for the error.

        Returns
        -------
        ModelCard
            With every field of the right kind.

        Raises
        ------
        ModelError
            A field is missing, unknown or of the wrong kind.
        """
        try:
            return cls(**_checked(cls, data))
        except (
            TypeError, ValueError, LookupError, AttributeError, OverflowError,
            RecursionError,
        ) as error:  # fmt: skip
            raise ModelError(
                f"the card in {where} cannot be used: {error}",
                "use weights that were exported by this version",
            ) from error

    @property
    def measured(self) -> bool:
        """Whether the false detections at its thresholds were counted."""
        return self.thresholds != UNMEASURED

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    def summary(self) -> str:
        """Return one line: name, method, objective, network, steps, trained range."""
        ranges = (f"{name} {range_text(value)}" for name, value in self.trained.items())
        return (
            f"{self.name} (version {self.version}): method {self.method}, "
            f"{_OBJECTIVES[self.objective]}; network {self.network}, {self.steps} "
            f"step{'s' if self.steps > 1 else ''}; trained for {', '.join(ranges)}"
        )

    def range(self, name: str) -> tuple[float, float]:
        """Return the trained range of a quantity.

        Parameters
        ----------
        name : str
            Key of `trained`.

        Returns
        -------
        tuple of float
            Lowest and highest value.
        """
        low, high = self.trained[name]
        return float(low), float(high)

    def threshold(self, point: str, rho: float, steps: int) -> float:
        """Return the detection threshold on the flattened cleaned image.

        Parameters
        ----------
        point : str
            "catalogue" (1 detection per Mpix on pure noise) or "deep" (10).
        rho : float
            Neighbour correlation of the input's noise; beyond the table its end
            holds, an unknown (NaN) one is taken as the most cautious.
        steps : int
            Reverse steps; the nearest of the table is used.

        Returns
        -------
        float
            In sigma of the input's noise per pixel.

        Raises
        ------
        UsageError
            The card has no such operating point.
        """
        rows = self.thresholds.get(point, ())
        if not rows:
            raise UsageError(
                f"the card of {self.name} has no threshold {point!r}",
                "give a threshold with --threshold",
            )
        nearest = min({row[1] for row in rows}, key=lambda n: (abs(n - steps), n))
        table = sorted((r, value) for r, n, value in rows if n == nearest)
        if math.isnan(rho):
            return max(value for _, value in table)
        at, values = zip(*table, strict=True)
        return float(np.interp(rho, np.array(at), np.array(values)))

    def half_width(self, said: "Float") -> "Float":
        """Return calibrated half-widths of the error.

        Parameters
        ----------
        said : ndarray
            Width that the network says, any shape, sigma of the sky.

        Returns
        -------
        ndarray of float32
            68 % of the errors are smaller; straight between the rows of the table in
            the logarithms, in proportion beyond them.
        """
        at, true = np.log(np.array(self.calibration["uncertainty"])).T
        log = np.log(np.maximum(said, np.float32(1e-6)))
        ratio = np.interp(log, at, true - at).astype(np.float32)
        width: Float = np.exp(log + ratio)
        return width


def _checked(kind: type[ModelCard], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a card, each of its kind."""
    known = {f.name for f in dataclasses.fields(kind)}
    if unknown := set(data) - known:
        raise ValueError(f"unknown field {min(unknown)[:80]!r}")
    out = dict(data)
    for name in ("name", "version", "method", "objective", "network", "recipe"):
        if name not in data:
            continue
        if not isinstance(data[name], str):
            raise TypeError(f"{name} is not a text")
        if len(data[name]) > MAX_WORD or not data[name].isprintable():
            raise ValueError(f"{name} is no word of at most {MAX_WORD} letters")
    if data["objective"] not in _OBJECTIVES:
        raise ValueError(f"objective {data['objective'][:80]!r} is unknown")
    for name, most in (("radius", 4096), ("pooling", 1024), ("steps", 100)):
        if type(data[name]) is not int or not 1 <= data[name] <= most:
            raise ValueError(f"{name} is not a whole number from 1 to {most}")
    for name in (
        "config", "normaliser", "trained", "training", "figures", "thresholds",
        "calibration",
    ):  # fmt: skip
        if name in data and not isinstance(data[name], dict):
            raise TypeError(f"{name} is not an object")
    needed = ("fwhm", "sigma_e", "rho") if data["objective"] in OF_IMAGES else ()
    out["trained"] = dict(sorted(_ranges(data.get("trained", {}), needed).items()))
    if len(json.dumps(data["config"])) > MAX_CONFIG:
        raise ValueError("config is too long")
    out["thresholds"] = {
        str(point): tuple(_threshold_row(row) for row in rows)
        for point, rows in data.get("thresholds", {}).items()
    }
    out["calibration"] = _calibration(data.get("calibration", {}))
    return out


def _calibration(data: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if "uncertainty" in data:
        rows = np.array(data["uncertainty"], np.float64)
        positive = rows.ndim == 2 and rows.shape[1] == 2 and (rows > 0).all()
        if not positive or len(rows) < 2 or (np.diff(rows, axis=0) <= 0).any():
            raise ValueError("the calibration of the uncertainty does not rise")
        if not np.isfinite(rows).all():
            raise ValueError("the calibration of the uncertainty is not finite")
        out["uncertainty"] = tuple((float(a), float(b)) for a, b in rows)
    if "artefact" in data:
        out["artefact"] = float(data["artefact"])
        if not 0 < out["artefact"] < 1:
            raise ValueError("the least probability of an artefact is not in (0, 1)")
    if "centre" in data:
        out["centre"] = centre_scale(data["centre"])
    if "photons" in data:
        out["photons"] = _photons(data["photons"])
    if unknown := set(data) - set(out):
        raise ValueError(f"unknown calibration {min(unknown)[:80]!r}")
    return out


def _photons(data: Any) -> dict[str, Any]:
    if set(data) != {"error", "kept"}:
        raise ValueError("the calibration of photons is not error and kept")
    out = {}
    for name, rows in data.items():
        table = np.array(rows, np.float64)
        if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all():
            raise ValueError(f"the calibration of photons, {name}, is no table")
        if (
            (np.diff(table[:, 0]) <= 0).any()
            or (table <= 0).any()
            or (table[:, 1] > 1).any()
        ):
            raise ValueError(f"the calibration of photons, {name}, is out of range")
        out[name] = tuple((float(a), float(b)) for a, b in table)
    return out


def centre_scale(data: Any) -> dict[str, tuple[Any, ...]]:
    """Check the scale of a map of centres as it stands in a card.

    Parameters
    ----------
    data : Any
        ``rho`` (n,) noise correlations, ``fwhm`` (k,) of the matched filter, pixels,
        ``sigma`` (m,) significances, ``level`` (n, k, m) evidence; all but the last
        rising, and that along its last axis.

    Returns
    -------
    dict
        The same, as tuples of floats.

    Raises
    ------
    ValueError
        It is no such table.
    """
    names = ("rho", "fwhm", "sigma", "level")
    if set(data) != set(names):
        raise ValueError("the calibration of the centres is no table")
    rho, fwhm, sigma, level = (np.array(data[k], np.float64) for k in names)
    flat = rho.ndim == fwhm.ndim == sigma.ndim == 1
    if not flat or level.shape != (rho.size, fwhm.size, sigma.size) or sigma.size < 2:
        raise ValueError("the calibration of the centres is no table")
    rising = all((np.diff(a) > 0).all() for a in (rho, fwhm, sigma, level))
    finite = all(np.isfinite(a).all() and a.size for a in (rho, fwhm, sigma, level))
    if not rising or not finite or fwhm[0] <= 0:
        raise ValueError("the calibration of the centres does not rise")
    return {
        "rho": tuple(rho.tolist()),
        "fwhm": tuple(fwhm.tolist()),
        "sigma": tuple(sigma.tolist()),
        "level": tuple(tuple(map(tuple, one)) for one in level.tolist()),
    }


def range_text(value: str | tuple[float, float]) -> str:
    """Return a trained range as text.

    Parameters
    ----------
    value : str or tuple of float
        Words, or lowest and highest value.

    Returns
    -------
    str
        Such as "2.5 to 8".
    """
    if isinstance(value, str):
        return value
    low, high = value
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _ranges(
    data: Mapping[str, Any], needed: tuple[str, ...]
) -> dict[str, str | tuple[float, float]]:
    out: dict[str, str | tuple[float, float]] = {}
    for name, value in data.items():
        if isinstance(value, str):
            out[name] = value
            continue
        low, high = (float(v) for v in value)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"{name[:80]} is no range")
        out[name] = (low, high)
    for name in needed:
        if not isinstance(out.get(name), tuple) or out[name][0] < 0:  # type: ignore[operator]
            raise ValueError(f"trained lacks the range of {name}")
    return out


def _threshold_row(row: Any) -> tuple[float, int, float]:
    rho, steps, value = float(row[0]), int(row[1]), float(row[2])
    if not (math.isfinite(rho) and math.isfinite(value) and value > 0):
        raise ValueError("a threshold is not a positive number")
    return rho, steps, value
