"""``bgrem doctor``: what this installation has, and what to do about what it lacks."""

import json
import platform
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from operator import attrgetter

from bgrem_core.doctor import machine, models, packages
from bgrem_core.doctor.facts import Fact, examined
from bgrem_core.plain_text import plain

__all__ = ["doctor"]

WIDTH = 80
_NAME = 14
_IN_COLUMNS = {packages.PART, packages.BESIDES}


def doctor(*, as_json: bool = False) -> int:
    """Print versions, devices, models and a self-test.

    Parameters
    ----------
    as_json : bool, optional
        One JSON object in place of a page.

    Returns
    -------
    int
        0 if all is well, else 1.
    """
    facts = []
    if not as_json:
        print("\n".join(_head()))
    for part, found in groupby(_look(), key=attrgetter("part")):
        # A page that grows shows what takes its time.
        of_part = list(found)
        facts += of_part
        if not as_json:
            print(f"\n{part}\n" + "\n".join(_lines(part, of_part)), flush=True)
    wrong = [fact for fact in facts if fact.problem]
    print(_as_json(facts) if as_json else "\n".join(_end(wrong)))
    return 1 if wrong else 0


def _look() -> Iterator[Fact]:
    yield from examined(packages.PART, "packages", packages.needed)
    yield from examined(packages.BESIDES, "packages", packages.besides)
    yield from examined(machine.PART, "scratch", machine.scratch)
    yield from examined(machine.PART, "torch", machine.processors)
    yield from examined(models.PART, "models", models.all_models)
    yield from examined(models.TEST, "self-test", models.self_tests)


def _head() -> list[str]:
    python = f"python {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}"
    ours = packages.version("napari-bgrem") or "(not installed)"
    return [f"bgrem {ours}, {python} on {system}"]


def _lines(part: str, facts: list[Fact]) -> list[str]:
    if part in _IN_COLUMNS:
        cells = [f"{f.name} {plain(f.value)}" for f in facts]
        wide = max(map(len, cells)) + 2
        across = max(1, (WIDTH - 2) // wide)
        rows = [cells[k : k + across] for k in range(0, len(cells), across)]
        lines = ["  " + "".join(c.ljust(wide) for c in row).rstrip() for row in rows]
        if extras := packages.lacking(facts):
            word = ",".join(extras)
            lines += _wrapped(
                "  ", f"(-: not installed; napari-bgrem[{word}] has them)"
            )
        return lines
    return [
        line
        for fact in facts
        for line in _wrapped(f"  {fact.name.ljust(_NAME)}", plain(fact.value))
    ]


def _end(wrong: list[Fact]) -> list[str]:
    if not wrong:
        return ["", "All is well."]
    count = "1 problem" if len(wrong) == 1 else f"{len(wrong)} problems"
    lines = ["", f"{count}:"]
    for k, fact in enumerate(wrong, start=1):
        lines += _wrapped(f"  {k}. ", plain(fact.problem))
        lines += _wrapped("     -> ", plain(fact.hint))
    return lines


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first),
        break_long_words=False, break_on_hyphens=False,
    ) or [first.rstrip()]  # fmt: skip


def _as_json(facts: list[Fact]) -> str:
    wrong = [fact for fact in facts if fact.problem]
    return json.dumps(
        {
            "status": "problems" if wrong else "ok",
            "bgrem": packages.version("napari-bgrem"),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "facts": [asdict(fact) for fact in facts],
            "problems": [{"sentence": f.problem, "hint": f.hint} for f in wrong],
        },
        indent=2,
    )
