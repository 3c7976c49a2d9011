"""The model under test, with the digest of its numbers."""

import hashlib
import json

import numpy as np
import sep
from images import flatten

from bgrem_core.centres import evidence, log_odds, pedestal
from bgrem_core.matched import matched_filter
from bgrem_core.models import load_model
from bgrem_core.sampler import sample
from bgrem_core.schedule import levels


class Denoiser:
    """Weights by name or path; an image in, the denoised image out.

    Attributes
    ----------
    digest : str
        SHA-256 of the tensors: results are filed under it.
    key : str
        The same, and the number of steps where it is not one.
    searched : str
        Short SHA-256 of what the card says of detection.
    """

    def __init__(self, name: str = "optical") -> None:
        self.name = name
        self.model = load_model(name, device="cpu")
        card = self.model.card
        self.digest = card.training["tensors"]
        self.key = self.digest + (f" {card.steps} steps" if card.steps > 1 else "")
        said = json.dumps([card.thresholds, card.calibration], sort_keys=True)
        self.searched = hashlib.sha256(said.encode()).hexdigest()[:12]

    def __call__(
        self,
        image: np.ndarray,
        *,
        rho: float,
        sigma_e: float | None,
        steps: int | None = None,
    ) -> np.ndarray:
        """Denoise an image of unit sigma; a coarse sky is set aside meanwhile.

        ``steps`` are the card's unless given.
        """
        offset = sep.Background(np.ascontiguousarray(image), bw=256, bh=256).back()
        z = (image - offset).astype(np.float32)
        clean = sample(
            lambda x, level: self.model.denoise(x, level, rho=rho, sigma_e=sigma_e),
            z,
            levels(steps or self.model.card.steps),
        )
        return (clean + offset).astype(np.float32)

    @property
    def tells_centres(self) -> bool:
        return "centre" in self.model.card.config.get("heads", ())

    def evidence(
        self, image: np.ndarray, flat: np.ndarray, *, fwhm: float, **told: float | None
    ) -> np.ndarray:
        """Return the evidence of centres, in one look, as the product searches it.

        ``flat`` is the image without its sky, for the matched filter.
        """
        odds, filtered = self.both(image, flat, fwhm=fwhm, **told)
        return evidence(odds, filtered)

    def both(
        self, image: np.ndarray, flat: np.ndarray, *, fwhm: float, **told: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return log odds of centres, and S/N of what is compact."""
        offset = sep.Background(np.ascontiguousarray(image), bw=256, bh=256).back()
        z = (image - offset).astype(np.float32)
        said = self.model.appraise(z, 1.0, **told)
        light = flatten(z - said["noise"], blur=0, least=0.3)
        rho = float(told["rho"] or 0)
        filtered = matched_filter(
            flat - pedestal(light, fwhm), fwhm=fwhm, rho_xy=(rho, rho)
        )
        return log_odds(said["centre"]), filtered
