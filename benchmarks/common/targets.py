"""What is to be reached, and whether it was."""

from dataclasses import dataclass

Range = tuple[float, float]
ANY = float("inf")


@dataclass(frozen=True)
class Target:
    """A figure, or some that all have to lie in a range.

    Attributes
    ----------
    what : str
    pairs : list
        Values with errors.
    within, beyond : tuple of float or None
        What is to be reached, and the stretch.
    factor, digits : float, int
        Of what is shown, and of what is compared with the ranges.
    sure : bool
        The value less its error has to lie there.
    """

    what: str
    pairs: list[list[float | None]]
    within: Range
    beyond: Range | None = None
    factor: float = 1
    digits: int = 3
    sure: bool = False

    @property
    def aim(self) -> str:
        return self._range(self.within) + (", by more than the error" * self.sure)

    @property
    def stretch(self) -> str:
        return self._range(self.beyond) if self.beyond else ""

    @property
    def text(self) -> str:
        return ", ".join(self._value(p) for p in self.pairs)

    @property
    def verdict(self) -> str:
        """Say how far it got, errors left aside unless they are part of it."""
        if not self.pairs or any(p[0] is None for p in self.pairs):
            return "not measured"
        values = [
            self.factor * (p[0] - ((p[1] or 0) if self.sure else 0)) for p in self.pairs
        ]
        for words, span in (("stretch", self.beyond), ("yes", self.within)):
            if span and all(span[0] <= v <= span[1] for v in values):
                return words
        return "no"

    def _value(self, pair: list[float | None]) -> str:
        if pair[0] is None:
            return "-"
        error = "" if pair[1] is None else f" ± {self.factor * pair[1]:.{self.digits}f}"
        return f"{self.factor * pair[0]:.{self.digits}f}{error}"

    def _range(self, span: Range) -> str:
        low, high = span
        if high == ANY:
            return f"at least {low:g}"
        return f"at most {high:g}" if low == -ANY else f"{low:g} to {high:g}"
