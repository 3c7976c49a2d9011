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
    from bgrem_core.engine.zarrs import clean_zarr
    from bgrem_core.errors import BGRemError
    from bgrem_core.io import open_image, write
    from bgrem_core.models import list_models, load_model
    from bgrem_core.stars.chao_tsai import chao_tsai
    from bgrem_core.stars.cohen import cohen2021
    from bgrem_core.stars.grey import grey_map
    from bgrem_core.stars.perona_malik import perona_malik
    from bgrem_core.stars.recombine import recombine, screen, unscreen

__all__ = [
    "BGRemError",
    "chao_tsai",
    "clean",
    "clean_zarr",
    "cohen2021",
    "find_sources",
    "grey_map",
    "inspect",
    "iter_clean",
    "list_models",
    "load_model",
    "measure",
    "open_image",
    "perona_malik",
    "recombine",
    "remove_stars",
    "remove_systematics",
    "screen",
    "unscreen",
    "write",
]

_HOME = {
    "BGRemError": "errors",
    "chao_tsai": "stars.chao_tsai",
    "clean_zarr": "engine.zarrs",
    "cohen2021": "stars.cohen",
    "grey_map": "stars.grey",
    "list_models": "models",
    "load_model": "models",
    "open_image": "io",
    "perona_malik": "stars.perona_malik",
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
