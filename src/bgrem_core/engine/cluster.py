"""A cluster of workers: our own on this machine, or one that exists."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bgrem_core.engine.extra import need
from bgrem_core.errors import BGRemError, UsageError

#: Seconds that a scheduler has to answer.
ANSWER = 10
#: Times that a task which raised is tried again; errors of ours are not raised.
_RETRIES = 2


class Gone(Exception):  # noqa: N818 - never leaves the engine
    """The cluster cannot go on: what happened, and what helps."""

    def said(self, kept: str, then: str) -> BGRemError:
        """Return the error that a user meets: what is not lost, and how to go on."""
        what, advice = self.args
        return BGRemError(f"{what}; {kept}", hint=f"{advice}, {then}")


@contextmanager
def connect(
    *, scheduler: str | None = None, workers: int | None = None
) -> Iterator[Any]:
    """Connect to a scheduler, or start workers on this machine.

    Parameters
    ----------
    scheduler : str, optional
        Address, such as tcp://host:8786.
    workers : int, optional
        Processes to start here, of one thread each, that nobody else can reach.

    Yields
    ------
    distributed.Client
        Whose workers compute with one thread of torch.

    Raises
    ------
    UsageError
        The extra is not installed, or no scheduler answers.
    """
    distributed = need("distributed")
    cluster = None
    try:
        if scheduler is None:
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                # Without a dashboard there is still a door for it.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            )
        client = _client(distributed, cluster or scheduler)
        try:
            from bgrem_core.engine.plugin import OneThread

            client.register_plugin(OneThread())
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=ANSWER)
    finally:
        if cluster is not None:
            with suppress(Exception):
                cluster.close(timeout=ANSWER)


def _client(distributed: Any, where: Any) -> Any:
    try:
        return distributed.Client(where, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no scheduler answers at {where}",
            hint="name the address that `dask scheduler` printed, "
            "or start workers here with --workers",
        ) from error


def each(
    client: Any, work: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
) -> Iterator[Any]:
    """Do some calls on a cluster, and yield what they return as they are done.

    Parameters
    ----------
    client : distributed.Client or None
        None = here, one after the other.
    work : callable
        A function of a module that workers can import.
    calls : sequence of tuple
        Arguments of each call.

    Yields
    ------
    object
        Whatever `work` returns.

    Raises
    ------
    Gone
        The scheduler is gone, or workers died of one call again and again.
    BGRemError
        As `work` raises it.
    """
    if client is None:
        for call in calls:
            yield work(*call)
        return
    if not calls:
        return
    distributed = need("distributed")
    futures = client.map(work, *zip(*calls, strict=True), pure=False, retries=_RETRIES)
    try:
        for future in distributed.as_completed(futures, loop=client.loop):
            yield _result(distributed, future)
    finally:
        if client.status == "running":
            with suppress(Exception):
                client.cancel(futures, force=True)


def _result(distributed: Any, future: Any) -> Any:
    from asyncio import CancelledError

    try:
        return future.result()
    except BGRemError:
        raise
    except distributed.KilledWorker as error:
        raise Gone(
            "workers die one after the other",
            "use a smaller --tile or give workers more memory",
        ) from error
    except (CancelledError, distributed.CancelledError, OSError) as error:
        raise Gone(
            "the scheduler does not answer any more", "start it again"
        ) from error
