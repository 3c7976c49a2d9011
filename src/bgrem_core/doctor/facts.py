"""Facts: what the doctor looked at, what was found, and what is wrong with it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bgrem_core.errors import BGRemError
from bgrem_core.plain_text import plain

REINSTALL = "install the package again: pip install --force-reinstall napari-bgrem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that was looked at.

    Attributes
    ----------
    part : str
        Heading under which it stands.
    name : str
        What was looked at.
    value : str
        What was found.
    problem : str
        What is wrong, as a sentence without full stop; or "".
    hint : str
        What to do about it.
    """

    part: str
    name: str
    value: str
    problem: str = ""
    hint: str = ""


def examined(
    part: str, name: str, look: Callable[[], Iterable[Fact]]
) -> Iterator[Fact]:
    """Yield what a look gives; what goes wrong in it is a fact, too.

    Parameters
    ----------
    part, name : str
        Of the fact if it goes wrong.
    look : callable
        Gives facts.

    Yields
    ------
    Fact
        Whatever the installation is like, nothing is raised.
    """
    try:
        yield from look()
    except BGRemError as error:
        yield Fact(
            part=part, name=name, value="failed", problem=plain(error.sentence),
            hint=plain(error.hint),
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything
        yield Fact(
            part=part, name=name, value="failed",
            problem=plain(f"{name}: {type(error).__name__}: {error}")[:300],
            hint=REINSTALL,
        )  # fmt: skip
