"""The families of models that the bench can train, by name."""

from bgrem_core.train.family import Family
from bgrem_core.train.frames import FRAMES
from bgrem_core.train.gamma import GAMMA
from bgrem_core.train.gamma_paper import GAMMA_PAPER
from bgrem_core.train.optical import OPTICAL, SURVEY
from bgrem_core.train.satellites import SATELLITES

__all__ = ["FAMILIES"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (FRAMES, GAMMA, GAMMA_PAPER, OPTICAL, SATELLITES, SURVEY)
}
