"""The packages of the extra "distributed", imported when they are asked for."""

import sys
from importlib import import_module
from typing import Any

from bgrem_core.errors import UsageError

#: What brings them.
INSTALL = 'pip install "napari-bgrem[distributed]"'


def need(name: str) -> Any:
    """Import a package of the extra.

    Parameters
    ----------
    name : str
        Such as "dask.array".

    Returns
    -------
    module
        The package.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(f"{name} is not installed", hint=INSTALL) from error


def is_dask(value: object) -> bool:
    """Tell whether something is a dask array, without importing dask."""
    array = sys.modules.get("dask.array")
    return array is not None and isinstance(value, array.Array)
