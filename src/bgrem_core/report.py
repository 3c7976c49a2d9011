"""What the command line prints: assumptions first, then what was written."""

import json
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bgrem_core.batch import Outcome
from bgrem_core.errors import BGRemError
from bgrem_core.flags import Request
from bgrem_core.ledger import Entry
from bgrem_core.plain_text import plain
from bgrem_core.planes import bands
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.summary import table, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Tells a person or a program what happens to each file.

    Attributes
    ----------
    json : bool
        One JSON object a file on stdout, nothing else.
    quiet : bool
        Errors only.
    verbose : bool
        Settings too.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False

    def follow(
        self, source: Path, steps: Generator[Progress, None, Outcome]
    ) -> Outcome:
        """Run the steps of one file under a progress bar with rate and ETA."""
        from tqdm import tqdm

        hidden = self.json or self.quiet or not sys.stderr.isatty()
        name = plain(source.name)
        with tqdm(disable=hidden, leave=False, desc=name, unit="tile") as bar:
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    outcome: Outcome = end.value
                    return outcome
                if step.note and not (self.json or self.quiet):
                    bar.write(f"{name}: {plain(step.note)}", file=sys.stderr)
                if bar.total != step.total or step.done < bar.n:
                    bar.reset(step.total)
                bar.set_description(f"{name}: {step.stage}", refresh=False)
                bar.update(step.done - bar.n)

    def done(self, outcome: Outcome, request: Request) -> None:
        """Tell what was assumed and what was written."""
        self.told(self.text(outcome, request))

    def text(self, outcome: Outcome, request: Request) -> str:
        """Return what `done` prints, as another process may send it."""
        if self.json:
            return json.dumps(_facts(outcome, request))
        if outcome.skipped:
            return plain(f"{outcome.source.name}: skipped, {outcome.skipped}")
        lines = _lines(outcome, request, verbose=self.verbose)
        return "\n".join(map(plain, lines))

    def told(self, text: str) -> None:
        """Print what `text` returned."""
        if self.json:
            print(text)
        else:
            self._print(text)

    def failed(self, source: Path, error: BGRemError) -> None:
        """Tell what went wrong with one file."""
        if self.json:
            print(json.dumps({"file": str(source), **error.as_dict()}))
        print(f"bgrem: {plain(source)}: {error}", file=sys.stderr)

    def summary(self, entries: Sequence[Entry]) -> None:
        """Tell how a run over several files ended: a table and a line."""
        if len(entries) > 1 and not self.json:
            self._print("\n".join(["", *table(entries), total(entries)]))

    def _print(self, text: str) -> None:
        if not self.quiet:
            print(text)


def _lines(outcome: Outcome, request: Request, *, verbose: bool) -> list[str]:
    lines = [str(outcome.source)]
    for separation in outcome.separations:
        lines += [f"  {line}" for line in assumptions(separation, request)]
        lines += [f"  note: {n}" for n in dict.fromkeys(separation.notices)]
    if verbose:
        settings = outcome.separations[0].provenance.settings
        lines += [f"  {key} = {value}" for key, value in settings.items()]
    if outcome.catalog is not None:
        count = len(outcome.sources) if outcome.sources is not None else 0
        lines.append(f"  {count} sources in {outcome.catalog}")
    lines.append(f"  wrote {outcome.output}")
    return lines


def assumptions(separation: Separation, request: Request) -> list[str]:
    """Say what was assumed of one image, and which flag changes it.

    Parameters
    ----------
    separation : Separation
        The result.
    request : Request
        The settings.

    Returns
    -------
    list of str
        One line for each assumption.
    """
    from bgrem_core.find import expected_false, has_measured_threshold

    image, scale, made = separation.image, separation.scale, separation.provenance
    if request.method.assumed:
        return [*image.assumed, *request.method.assumed(separation, request.find)]
    doubt = " (uncertain)" if scale.uncertain else ""
    wide = f"{scale.fwhm:.2f} px" if scale.fwhm == scale.fwhm else "not measured"
    measured = has_measured_threshold(separation)
    false = expected_false(request.find, separation.shape, measured=measured)
    likely = f"{false:.2g}" if false == false else "unknown at this threshold"
    noise = (
        f"noise sigma {scale.median_sigma:.5g} from {scale.source} (-n, --error), "
        f"neighbour correlation {scale.rho:.2f}{doubt}"
    )
    return [
        *image.assumed,
        noise,
        f"PSF FWHM {wide} (--fwhm)",
        f"sky {made.sky} (--sky-scale)",
        f"expected false detections {likely} (--threshold, --deep)",
    ]


def _facts(outcome: Outcome, request: Request) -> dict[str, Any]:
    planes = [
        {
            "sigma": _number(s.scale.median_sigma),
            "correlation": _number(s.scale.rho),
            "fwhm": _number(s.scale.fwhm),
            "masked": sum(int(np.count_nonzero(s.flags[b])) for b in bands(s.shape)),
            "assumed": assumptions(s, request),
            "notices": list(dict.fromkeys(s.notices)),
            "provenance": s.provenance.as_dict(),
        }
        for s in outcome.separations
    ]
    return {
        "file": str(outcome.source),
        "status": "skipped" if outcome.skipped else "ok",
        "why": outcome.skipped,
        "output": outcome.output and str(outcome.output),
        "catalog": outcome.catalog and str(outcome.catalog),
        "sources": None if outcome.sources is None else len(outcome.sources),
        "planes": planes,
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if value == value else None
