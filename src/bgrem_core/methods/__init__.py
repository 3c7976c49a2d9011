"""Methods: ways of separating an image, by name."""

from bgrem_core.errors import UsageError
from bgrem_core.methods.base import Method
from bgrem_core.methods.bgrem import BGREM
from bgrem_core.methods.gamma import GAMMA
from bgrem_core.methods.mesh import MESH
from bgrem_core.methods.stars import STARS
from bgrem_core.methods.systematics import SYSTEMATICS

__all__ = ["METHODS", "Method", "get_method"]

METHODS: dict[str, Method] = {
    m.name: m for m in (BGREM, MESH, SYSTEMATICS, STARS, GAMMA)
}


def get_method(name: str) -> Method:
    """Return a registered method.

    Parameters
    ----------
    name : str
        A key of METHODS.

    Returns
    -------
    Method
        The method.

    Raises
    ------
    UsageError
        There is no such method.
    """
    if name not in METHODS:
        raise UsageError(
            f"method {name!r} is not known", hint=f"use one of {', '.join(METHODS)}"
        )
    return METHODS[name]
