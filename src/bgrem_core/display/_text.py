"""Text: numbers with their errors, and no more digits than these allow."""

import math

UNKNOWN = "unknown"


def format_value(value: float, error: float | None = None, unit: str = "") -> str:
    """Return a number with its error as a person would write it.

    Parameters
    ----------
    value : float
        The number; NaN is unknown.
    error : float, optional
        Its standard error, written with two digits; NaN is unknown.
    unit : str, optional
        Written behind.

    Returns
    -------
    str
        Such as "123.4 ± 5.6 ADU", "(1.234 ± 0.056)e-17", or "unknown".
    """
    if not math.isfinite(value):
        return UNKNOWN
    if error is None:
        return _with_unit(_alone(value), unit)
    if not math.isfinite(error) or error < 0:
        return f"{_with_unit(_alone(value), unit)} (error {UNKNOWN})"
    return _with_unit(_pair(value, error), unit)


def _alone(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e6:
        digits, power = f"{value:.3e}".split("e")
        return f"{digits}e{int(power)}"
    return _rounded(value, max(0, 3 - _exponent(value)))


def _pair(value: float, error: float) -> str:
    top = max(abs(value), error)
    if top and not 1e-3 <= top < 1e6:
        power = _exponent(top)
        # Not 10.0**-power, which overflows for the smallest numbers.
        return f"({_pair(_scaled(value, power), _scaled(error, power))})e{power}"
    if not error:
        return f"{_alone(value)} ± 0"
    decimals = 1 - _exponent(error)
    return f"{_rounded(value, decimals)} ± {_rounded(error, decimals)}"


def _scaled(number: float, power: int) -> float:
    mantissa, exponent = f"{number:.16e}".split("e")
    return float(f"{mantissa}e{int(exponent) - power}")


def _exponent(number: float) -> int:
    """Return the power of ten of the first digit, after rounding to two digits."""
    return int(f"{number:.1e}".split("e")[1]) if number else 0


def _rounded(number: float, decimals: int) -> str:
    return f"{round(number, decimals):.{max(0, min(decimals, 12))}f}"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text
