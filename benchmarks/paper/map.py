"""The map of the papers: what they show, our script, our value, and what differs.

python benchmarks/paper/map.py [--results FILE] [--benchmarks FOLDER] [--out FILE]

Every value is read from paper.json, which run.py writes; a row without one says so.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from map_paper import Paper
from map_rows import GROUPS, Row

HERE = Path(__file__).parent
BESIDE = {
    "satellites": "satellites/results/benchmark.json",
    "table2": "stars/results/table2.json",
}
HEAD = """# Map of the papers

Made by `benchmarks/paper/map.py` from `benchmarks/paper/results/paper.json` and, for
the two other papers at the end, from the results of `satellites/` and `stars/`; not to
be edited by hand.

No copy of the text of arXiv 2510.04718 was at hand. What is said of it here comes from
its abstract, from public summaries, from the code published with it, and from notes
taken from it earlier. Where the content of a figure is not known, the row says so, and
what stands under its number is our choice.

Verdicts: **same**, **different**, **not reproduced**, **not measured** (no run with
these weights yet), **no claim** (nothing to be compared). Intervals are 68 %; those of
ratios are paired bootstraps, those of means are errors over frames. Simulated frames
come from the full simulator, with seeds that were never trained on; for a model that
was trained on fields of the same simulator they are no independent test. A verdict says
what our models do; it does not say that the paper is wrong.
"""
COLUMNS = ("item", "in the paper", "script", "our value", "verdict", "why")


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results" / "paper.json")
    parser.add_argument("--out", type=Path, default=HERE.parent / "paper_map.md")
    parser.add_argument("--benchmarks", type=Path, default=HERE.parent)
    return parser.parse_args(argv)


def cells(row: Row, paper: Paper) -> list[str]:
    """Return the cells of a row; without its value nothing is claimed."""
    value = row.value(paper) if row.value else None
    if row.value and value is None:
        verdict = "not measured"
    elif callable(row.verdict):
        verdict = row.verdict(paper) or "not measured"
    else:
        verdict = row.verdict
    shown = value or ("not measured" if row.value else "-")
    return [row.item, row.shown, row.script, shown, f"**{verdict}**", row.why]


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def markdown(paper: Paper) -> str:
    """Return the whole page."""
    lines = [HEAD, *_measured_with(paper)]
    for title, rows in GROUPS.items():
        lines += [f"## {title}", "", _line(COLUMNS), "|" + " --- |" * len(COLUMNS)]
        lines += [_line(cells(row, paper)) for row in rows]
        lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def _line(words: Any) -> str:
    plain = (" ".join(w.replace("|", "\\|").split()) for w in words)
    return f"| {' | '.join(plain)} |"


def _measured_with(paper: Paper) -> list[str]:
    """Say which weights were measured, and where figures disagree about them."""
    used = paper.weights()
    lines = [f"- weights {name}: `{' or '.join(d)}`" for name, d in used.items()]
    lines += [
        f"- figures made with different weights of {name}: run all of them again"
        for name, digests in used.items()
        if len(digests) > 1
    ]
    if paper.toys():
        lines.append(f"- toy runs, no results: {', '.join(paper.toys())}")
    for name, note in (paper.get("stated", "trained") or {}).items():
        if note.get("simulator"):
            lines.append(f"- {name} was trained on the {note['simulator']} simulator")
        if not note.get("finished"):
            lines.append(f"- the training of {name} was not finished")
    lines += [f"- skipped in the last run: {s}" for s in paper.get("skipped") or ()]
    return [*lines, ""] if lines else []


def main(argv: list[str] | None = None) -> int:
    o = options(argv)
    found = _read(o.results)
    for name, path in BESIDE.items():
        found[name] = _read(o.benchmarks / path)
    beside = o.out.with_name(o.out.name + ".new")
    beside.write_text(markdown(Paper(found)))
    beside.replace(o.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
