"""The contract for bad input, as one table."""

from rows import damage, layouts, machine, outputs, pixels

ROWS = (
    *pixels.ROWS,
    *layouts.ROWS,
    *damage.ROWS,
    *outputs.ROWS,
    *machine.ROWS,
)
