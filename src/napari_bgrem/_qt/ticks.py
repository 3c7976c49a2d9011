"""Ticks: where an axis is labelled, and with how many digits."""

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

__all__ = ["Ticks", "choose_ticks", "padded"]

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """Labels of an axis.

    Attributes
    ----------
    values : tuple of float
        Multiples of 1, 2 or 5 times a power of ten.
    labels : tuple of str
        Of each value over 10 to the `power`, no more digits than tell them apart.
    power : int
        Taken out of all labels; 0 where plain numbers are short.
    """

    values: tuple[float, ...]
    labels: tuple[str, ...]
    power: int = 0

    @property
    def factor(self) -> str:
        """What stands at the end of the axis, such as "10⁵", or nothing."""
        return f"10{str(self.power).translate(_RAISED)}" if self.power else ""


def choose_ticks(low: float, high: float, most: int) -> Ticks:
    """Return the ticks of an axis.

    Parameters
    ----------
    low, high : float
        Ends of the axis, low below high.
    most : int
        As many labels as there is room for; at least two are tried for.

    Returns
    -------
    Ticks
        Within the ends.
    """
    most = max(most, 2)
    rough = (high - low) / most
    if not (isfinite(rough) and rough > 0):
        return Ticks(values=(), labels=())
    exponent = floor(log10(rough))
    for mantissa in (1, 2, 5, 10, 20):
        step = mantissa * 10.0**exponent
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last - first + 1 <= most:
            break
    # Products, not sums: 0.1 + 0.1 + 0.1 is not 0.3.
    values = tuple(k * step for k in range(first, last + 1))
    largest = max((abs(value) for value in values), default=0.0)
    power = floor(log10(largest) + 1e-9) if largest else 0
    power = power if power >= 5 or power <= -3 else 0
    decimals = max(0, power - floor(log10(step) + 1e-9))
    labels = tuple(f"{value / 10.0**power + 0.0:.{decimals}f}" for value in values)
    return Ticks(values=values, labels=labels, power=power)


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """Return the ends of an axis with room at both, apart in any case.

    Parameters
    ----------
    low, high : float
        Smallest and largest value; not finite where there are none.
    share : float, optional
        Of the range, at each end.

    Returns
    -------
    tuple of float
        Low below high.
    """
    if not (isfinite(low) and isfinite(high)):
        return 0.0, 1.0
    room = share * (high - low)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = abs(high) / 2 or 0.5
    return low - room, high + room
