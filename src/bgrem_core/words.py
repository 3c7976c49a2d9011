"""Words: what an image, what is left of it and what was taken are called.

A method declares them (`Method.panels`); here they are fitted to a result.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bgrem_core.separation import Separation

__all__ = ["DEFAULT", "Words", "method_words", "words_of"]

Words = tuple[str, str, str]
"""Of the image, of what is left of it and of what was taken away, as over panels."""

DEFAULT: Words = ("Original", "Cleaned", "Residual")
"""Of a method that is not known."""


def method_words(name: object) -> Words:
    """Return the words of a method.

    Parameters
    ----------
    name : object
        A key of METHODS; anything else gives `DEFAULT`.

    Returns
    -------
    tuple of str
        Three words, each with a capital.
    """
    from bgrem_core.methods import METHODS

    method = METHODS.get(name) if isinstance(name, str) else None
    return DEFAULT if method is None else method.panels


def words_of(separation: "Separation") -> Words:
    """Return the words of a result.

    Parameters
    ----------
    separation : Separation
        What a method returned.

    Returns
    -------
    tuple of str
        Those of its method. Where the last one names a part and others were taken as
        well, it names all: "Stars and noise".
    """
    before, left, taken = method_words(separation.provenance.method)
    parts = separation.parts
    if len(parts) > 1 and taken.lower() in parts:
        taken = " and ".join(parts).capitalize()
    return before, left, taken
