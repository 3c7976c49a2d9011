"""Separate an astronomical image into source and background.

Nothing heavy is loaded until it is used: torch only by methods that need a network.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bgrem_core.api import (
        clean,
        find_sources,
        inspect,
        iter_clean,
        measure,
        remove_stars,
        remove_systematics,
    )
    from bgrem_core.errors import BGRemError
    from bgrem_core.io import open_image, write
    from bgrem_core.models import list_models, load_model
    from bgrem_core.stars.recombine import recombine, screen, unscreen

__all__ = [
    "BGRemError",
    "clean",
    "find_sources",
    "inspect",
    "iter_clean",
    "list_models",
    "load_model",
    "measure",
    "open_image",
    "recombine",
    "remove_stars",
    "remove_systematics",
    "screen",
    "unscreen",
    "write",
]

_HOME = {
    "BGRemError": "errors",
    "list_models": "models",
    "load_model": "models",
    "open_image": "io",
    "recombine": "stars.recombine",
    "screen": "stars.recombine",
    "unscreen": "stars.recombine",
    "write": "io",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME.get(name, 'api')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
