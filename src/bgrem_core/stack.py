"""StackSeparation: the result for several planes of one field."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bgrem_core.image import Stack
    from bgrem_core.separation import Separation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StackSeparation:
    """A stack and what was taken away from each of its planes.

    Attributes
    ----------
    stack : Stack
        The input.
    planes : tuple of Separation
        One for each plane, in the order of ``stack.planes``.
    """

    stack: "Stack"
    planes: "tuple[Separation, ...]"

    def __len__(self) -> int:
        """Return the number of planes."""
        return len(self.planes)


def planes_of(result: "Separation | StackSeparation") -> "tuple[Separation, ...]":
    """Return the separations of a result, one for an image that is no stack."""
    return result.planes if isinstance(result, StackSeparation) else (result,)
