"""Arms: from patches to the background that is taken as known."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import sep
from draws import Drawn

from bgrem_core.gamma.calibration import Calibration
from bgrem_core.gamma.search import LEAST
from bgrem_core.models import Model, load_model

MESHES = (4, 5, 6, 8, 16)
EXACT, NETWORK, EMISSION = "exact background", "network", "wrong emission model"
PAPER, RAW = "paper", "nothing"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to a background.

    Attributes
    ----------
    name : str
        One of the constants above, or "sep mesh" and its pixels.
    file : str
        Weights of a network.
    digest : str
        Of these: cached results belong to it.
    steps : int
        Reverse steps of the paper's network.
    expected : bool
        It sees the expectation instead of photons: infinite statistics.
    """

    name: str
    file: str = field(default="", compare=False)
    digest: str = ""
    steps: int = 1
    expected: bool = False

    @property
    def key(self) -> list[Any]:
        return [self.name, self.digest, self.steps, self.expected]

    def seen(self, drawn: Drawn) -> np.ndarray:
        """Return what it sees of a patch."""
        return drawn.expected if self.expected else drawn.counts


def mesh(size: int) -> Arm:
    return Arm(name=f"sep mesh {size}")


def maps(arm: Arm, drawn: list[Drawn]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return backgrounds (n, 64, 64), and expected sources if it tells them."""
    seen = np.stack([arm.seen(d) for d in drawn])
    if arm.name == NETWORK:
        out = network(arm.file).evaluate(seen[:, None])
        return out[:, 1], out[:, 0]
    if arm.name == EXACT:
        return np.stack([d.patch.background for d in drawn]), None
    if arm.name == EMISSION:
        return np.stack([d.model for d in drawn]), None
    if arm.name == RAW:
        return np.zeros_like(seen), None
    if arm.name == PAPER:
        from paper_network import background_of

        return np.asarray(background_of(arm.file, seen, steps=arm.steps)), None
    return np.stack([_mesh(n, int(arm.name.split()[-1])) for n in seen]), None


def known(arm: Arm) -> Calibration:
    """Return what the product knows of the errors of a background."""
    if arm.name != NETWORK:
        return Calibration()
    return Calibration.of(network(arm.file).card.calibration)


@lru_cache(maxsize=2)
def network(file: str) -> Model:
    return load_model(file, device="cpu", threads=1)


def _mesh(counts: np.ndarray, size: int) -> np.ndarray:
    """Return the background of sep, all but the mesh by its defaults."""
    image = np.ascontiguousarray(counts, np.float32)
    return np.maximum(sep.Background(image, bw=size, bh=size).back(), LEAST)
