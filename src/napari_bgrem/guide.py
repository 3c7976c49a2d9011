"""Guide: one sentence that says what can be done next."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bgrem_core.words import Words

__all__ = ["Stage", "next_step"]

Stage = Literal["empty", "ready", "busy", "done", "file", "compared", "found"]

_NEXT: dict[Stage, str] = {
    "empty": "No image yet: open a FITS file, or try the sample.",
    "ready": "Press Preview for what you see, or Run for the whole frame.",
    "busy": "At work. You can go on looking; what is in view comes first.",
    "done": "Done. Press Compare to see {0}, {1} and {2} side by side.",
    "file": (
        "A result from a file: press Compare to see it. To measure sources in it, "
        "choose its original and press Run."
    ),
    "compared": "Is something in {2} that should have stayed? Inspect it and see.",
    "found": "Click a source, or a row of the table, to see what was measured.",
}


def next_step(stage: Stage, words: "Words") -> str:
    """Return the sentence of a stage, in the words of a method."""
    return _NEXT[stage].format(*(word.lower() for word in words))
