"""A row of the map."""

from collections.abc import Callable
from dataclasses import dataclass

from map_paper import Paper, Value


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, table or number of the paper.

    Attributes
    ----------
    item, shown : str
        Its name, and what it shows or says.
    script : str
        What makes ours.
    value : callable or None
        From paper.json to text; None = there is nothing to be measured.
    verdict : str or callable
        A fixed word, or a rule over paper.json.
    why : str
        Why it differs; what the fair version is.
    """

    item: str
    shown: str
    script: str
    value: Value | None
    verdict: str | Callable[[Paper], str | None]
    why: str
