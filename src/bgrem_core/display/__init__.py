"""Display: what every view needs to turn numbers into colours and text.

Arrays in, arrays out: nothing here knows a window. Pillow is loaded only when a PNG
is written.
"""

from bgrem_core.display._colour import BAD, COLOUR_MAPS, to_rgba
from bgrem_core.display._compass import directions, pixel_scale
from bgrem_core.display._figure import three_panel_bytes, three_panel_png
from bgrem_core.display._scale import (
    STRETCHES,
    percentile_limits,
    shared_limits,
    stretch_table,
    symmetric_limits,
    zscale_limits,
)
from bgrem_core.display._text import format_value

__all__ = [
    "BAD",
    "COLOUR_MAPS",
    "STRETCHES",
    "directions",
    "format_value",
    "percentile_limits",
    "pixel_scale",
    "shared_limits",
    "stretch_table",
    "symmetric_limits",
    "three_panel_bytes",
    "three_panel_png",
    "to_rgba",
    "zscale_limits",
]
