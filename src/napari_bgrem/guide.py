"""Guide: one sentence that says what can be done next."""

from typing import Literal

__all__ = ["Stage", "next_step"]

Stage = Literal["empty", "ready", "busy", "done", "file", "compared", "found"]

_NEXT: dict[Stage, str] = {
    "empty": "No image yet: open a FITS file, or try the sample.",
    "ready": "Press Preview to clean what you see, or Run for the whole frame.",
    "busy": "At work. You can go on looking; what is in view is cleaned first.",
    "done": "Done. Press Compare to see original, cleaned and residual side by side.",
    "file": (
        "A result from a file: press Compare to see it. To measure sources in it, "
        "choose its original and press Run."
    ),
    "compared": "Is there light of a source in the residual? Inspect one and see.",
    "found": "Click a source, or a row of the table, to see what was measured.",
}


def next_step(stage: Stage) -> str:
    """Return the sentence of a stage."""
    return _NEXT[stage]
