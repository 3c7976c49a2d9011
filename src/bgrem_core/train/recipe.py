"""Recipe: everything that decides the result of a training, in one JSON file."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgrem_core.errors import ReadError, UsageError
from bgrem_core.simulate.plain import later, plain
from bgrem_core.simulate.ranges import SEEDS, check_ranges
from bgrem_core.train.families import FAMILIES
from bgrem_core.train.family import Family
from bgrem_core.train.settings import LoopSettings
from bgrem_core.train.strict import strict

__all__ = ["RECIPES", "Recipe", "shipped"]

RECIPES = Path(__file__).parent / "recipes"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to train, on what, and for how long.

    Attributes
    ----------
    family : str
        Key of `bgrem_core.train.families.FAMILIES`.
    name : str
        Name of the weights: a plain word, of which their file is named.
    version : str
        Version of the weights: a plain word.
    seed : int
        Of the batches and of the initial weights.
    network : str
        Key of `bgrem_core.networks.NETWORKS`.
    config : dict
        Arguments of the network.
    data : object
        The family's own settings.
    loop : LoopSettings
        Optimisation.
    start : str, optional
        SHA-256 of the weights that it begins with, see `bgrem_core.train.start`; empty
        for random ones.
    """

    family: str
    name: str
    version: str
    seed: int
    network: str
    config: dict[str, Any]
    data: Any
    loop: LoopSettings
    start: str = later("")

    def __post_init__(self) -> None:
        check_ranges(self, {"seed": SEEDS})
        for name in ("name", "version"):
            if not _WORD.fullmatch(getattr(self, name)):
                raise UsageError(
                    f"{name}={getattr(self, name)[:80]!r} is no plain word",
                    "give up to 64 of a-z, 0-9, dot, dash and underscore; the first "
                    "is a letter or a digit",
                )
        if self.start and not _DIGEST.fullmatch(self.start):
            raise UsageError(
                f"start={self.start[:80]!r} is no SHA-256",
                "leave it out and give the weights by --from",
            )

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Read a recipe from a JSON file.

        Parameters
        ----------
        path : pathlib.Path
            The file.

        Returns
        -------
        Recipe
            Checked for unknown and missing fields and for types.

        Raises
        ------
        ReadError
            No such file, or not JSON.
        UsageError
            A field is unknown, missing or of another type.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ReadError(
                f"recipe {path} cannot be read: {error}",
                "give cpu, gpu or a .json file",
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Any) -> "Recipe":
        """Build a recipe from parsed JSON, refusing what it does not know.

        Parameters
        ----------
        data : Any
            Fields by name, nested as in the file.

        Returns
        -------
        Recipe
            The recipe.

        Raises
        ------
        UsageError
            A field is unknown, missing or of another type.
        """
        recipe = strict(cls, data, where="recipe")
        if recipe.family not in FAMILIES:
            raise UsageError(
                f"recipe.family {recipe.family[:80]!r} is unknown",
                f"known: {', '.join(sorted(FAMILIES))}",
            )
        own, kind = recipe.data, FAMILIES[recipe.family].data
        if not isinstance(own, kind):
            own = strict(kind, own, where="recipe.data")
        return dataclasses.replace(recipe, data=own)

    def kind(self) -> Family:
        """Return the family."""
        return FAMILIES[self.family]

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON types."""
        return plain(self)

    def digest(self) -> str:
        """Return the SHA-256 of the recipe as canonical JSON."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def shipped(model: str, name: str) -> Path:
    """Return the file of a recipe that ships with the package.

    Parameters
    ----------
    model : str
        ``optical``, ``optical-fast``, ``optical-paper``, ``gamma``, ``gamma-paper`` or
        ``satellites``.
    name : str
        ``cpu``, ``gpu`` or ``long``; not every model has each.

    Returns
    -------
    pathlib.Path
        It exists.

    Raises
    ------
    UsageError
        There is no such recipe.
    """
    path = RECIPES / f"{model}_{name}.json"
    if Path(name).name != name or not path.is_file():
        have = sorted(p.stem.split("_")[1] for p in RECIPES.glob(f"{model}_*.json"))
        raise UsageError(
            f"there is no recipe {name!r} for {model}",
            f"give {', '.join(have) or 'a file'} or a path that ends in .json",
        )
    return path
