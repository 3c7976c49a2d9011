"""The type of arrays whose numbers may be of any kind."""

from typing import Any

from numpy.typing import NDArray

AnyArray = NDArray[Any]
