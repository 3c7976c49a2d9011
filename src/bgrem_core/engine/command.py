"""The command over a cluster: a file for each worker, or one file's tiles for all."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bgrem_core.batch import Outcome, Plan, sweep_places
from bgrem_core.engine.cluster import Gone, connect, each
from bgrem_core.engine.frame import spread
from bgrem_core.errors import BGRemError
from bgrem_core.flags import Request
from bgrem_core.ledger import Ledger, facts
from bgrem_core.progress import Progress, drain
from bgrem_core.report import Reporter

One = Callable[[int, Plan, Request, Any, Any], None]


def clean_files(
    plans: Sequence[Plan],
    request: Request,
    reporter: Reporter,
    ledger: Ledger,
    *,
    one: One,
) -> None:
    """Clean files with several processes.

    Parameters
    ----------
    plans : sequence of Plan
        Files, and where their results go.
    request : Request
        All settings; its cluster is wanted.
    reporter : Reporter
        Told of each file when it is done.
    ledger : Ledger
        Told of each file, too.
    one : callable
        ``one(number, plan, request, reporter, ledger)`` cleans a file and tells of it;
        a function of a module.

    Raises
    ------
    UsageError
        The extra is not installed, or no scheduler answers.
    BGRemError
        The cluster is gone.
    """
    cluster, several = request.cluster, len(plans) > 1
    workers = cluster.workers and min(cluster.workers, max(len(plans), 1))
    try:
        with connect(
            scheduler=cluster.scheduler, workers=workers if several else cluster.workers
        ) as client:
            if several or request.method.name != "bgrem":
                _over_files(plans, request, reporter, ledger, one, client)
            else:
                _over_tiles(plans[0], request, reporter, ledger, one, client)
    finally:
        # After Ctrl-C, workers were ended in the middle of a file.
        sweep_places(plans)


def _over_tiles(
    plan: Plan,
    request: Request,
    reporter: Reporter,
    ledger: Ledger,
    one: One,
    client: Any,
) -> None:
    method = spread(request.method, client, plan.target.absolute().parent)
    try:
        one(0, plan, replace(request, method=method), reporter, ledger)
    except BGRemError as error:
        ledger.failed(0, error)
        reporter.failed(plan.source, error)


def _over_files(
    plans: Sequence[Plan],
    request: Request,
    reporter: Reporter,
    ledger: Ledger,
    one: One,
    client: Any,
) -> None:
    quiet = replace(reporter, quiet=True)
    calls = [(n, one, _absolute(plan), request, quiet) for n, plan in enumerate(plans)]
    done = 0
    try:
        for number, text, known, wrong in _answers(client, calls):
            done += 1
            if wrong is None:
                ledger.told(number, **known)
                reporter.told(text)
            else:
                ledger.failed(number, wrong)
                reporter.failed(plans[number].source, wrong)
    except Gone as gone:
        raise gone.said(
            f"{done} of {len(plans)} files were done",
            "then run the same command again: finished files are left alone",
        ) from gone


def _answers(client: Any, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield what `remote` returns; a file that ends workers ends no other file."""
    # Dask blames all that waited on a worker which died: try those again, one by one.
    blamed: list[tuple[Any, ...]] = []
    for answer in each(client, remote, calls, killed=blamed.append):
        if answer is not None:
            yield answer
    for call in blamed:
        yield from each(client, remote, [call], killed=_killed)


def _killed(call: tuple[Any, ...]) -> tuple[int, str, dict[str, Any], BGRemError]:
    error = BGRemError(
        "workers died of this file, one after the other",
        hint="use a smaller --tile or give workers more memory",
    )
    return call[0], "", {}, error


def _absolute(plan: Plan) -> Plan:
    """Return the plan for workers that started in another folder."""
    return Plan(
        source=plan.source.absolute(),
        target=plan.target.absolute(),
        listing=plan.listing and plan.listing.absolute(),
    )


@dataclass
class _Words:
    """In the place of a reporter: keeps what it would print."""

    reporter: Reporter
    lines: list[str] = field(default_factory=list)

    def follow(
        self, _source: Path, steps: Generator[Progress, None, Outcome]
    ) -> Outcome:
        """Run the steps of one file, without a word."""
        return drain(steps)

    def done(self, outcome: Outcome, request: Request) -> None:
        """Keep what was assumed and what was written."""
        self.lines.append(self.reporter.text(outcome, request))


@dataclass
class _Facts:
    """In the place of a ledger: keeps what it would enter."""

    known: dict[str, Any] = field(default_factory=dict)

    def done(self, _index: int, outcome: Outcome) -> None:
        """Keep what became of the file."""
        self.known = facts(outcome)


def remote(
    number: int, one: One, plan: Plan, request: Request, reporter: Reporter
) -> tuple[int, str, dict[str, Any], BGRemError | None]:
    """Clean one file; the task of a worker.

    Parameters
    ----------
    number : int
        Of the file.
    one, plan, request
        As for `clean_files`.
    reporter : Reporter
        Whose words are sent back.

    Returns
    -------
    tuple
        The number, what is to be printed, what the ledger holds, and the error if it
        failed.
    """
    words, entry = _Words(reporter), _Facts()
    try:
        one(number, plan, request, words, entry)
    except BGRemError as error:
        # Without the frames it arose in, which hold the image.
        return number, "", {}, error.with_traceback(None)
    return number, "\n".join(words.lines), entry.known, None
