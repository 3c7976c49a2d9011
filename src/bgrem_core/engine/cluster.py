"""A cluster of workers: our own on this machine, or one that exists."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from logging import CRITICAL
from multiprocessing import resource_tracker
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import Any

from bgrem_core.engine.extra import need
from bgrem_core.errors import BGRemError, UsageError

#: Seconds that a scheduler has to answer.
ANSWER = 10
#: Seconds without a result after which one looks whether anybody is still at work.
LOOK = 5
#: Seconds of a scheduler's silence, and without any worker, after which nobody waits.
SILENT, ALONE = 60, 600
#: Times that a task which raised is tried again; errors of ours are not raised.
_RETRIES = 2


class Gone(Exception):  # noqa: N818 - never leaves the engine
    """The cluster cannot go on: what happened, and what helps."""

    def said(self, kept: str, then: str) -> BGRemError:
        """Return the error that a user meets: what is not lost, and how to go on."""
        what, advice = self.args
        return BGRemError(f"{what}; {kept}", hint=f"{advice}, {then}")


class _Killed(Gone):
    """Workers died of one call again and again; others may do well."""


#: Workers of dask give memory back after every tensor, and the system clears it for
#: the next one: half as much time again. Ours keep it, as any other process does.
_KEEP = {
    f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_THRESHOLD_": size
    for name, size in (("TRIM", 2**29), ("MMAP", 2**25))
}
#: A cluster watches itself up to a hundred times a second, for a dashboard that ours
#: does not have: a twentieth of the time of a worker.
_QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
}


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
    BGRemError
        Workers cannot be started here, or do not answer.
    """
    distributed = need("distributed")
    with ExitStack() as stack:
        own = None
        if scheduler is None:
            own = stack.enter_context(_own(distributed, workers))
        client = _client(distributed, own or scheduler)
        try:
            from bgrem_core.engine.plugin import OneThread

            # It waits for each worker, without an end of its own.
            within(ALONE, lambda: client.register_plugin(OneThread()))
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=ANSWER)


@contextmanager
def _own(distributed: Any, workers: int | None) -> Iterator[Any]:
    """Start workers, and end them."""
    # A thread starts them: what is stopped half-way through could not be ended.
    pool = ThreadPoolExecutor(1)
    making = pool.submit(_start, distributed, workers)
    try:
        with pool:
            making.result()
        yield making.result()
    finally:
        with suppress(Exception):
            making.result().close(timeout=ANSWER)


def _start(distributed: Any, workers: int | None) -> Any:
    import dask

    if hasattr(signal, "pthread_sigmask"):
        # A terminal sends Ctrl-C to all processes: we are told, and end the others.
        # Who starts this tracker hears signals again, so that it comes first.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with dask.config.set(_KEEP | _QUIET):
            return distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                # Mapped files would count, and a worker be ended that needs little.
                memory_limit=None,
                # What matters is told by us.
                silence_logs=CRITICAL,
                host="127.0.0.1",
                dashboard_address=None,
                # Without a dashboard there is still a door for it.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            )
    except (OSError, RuntimeError) as error:
        raise BGRemError(
            f"workers cannot be started here ({error})",
            hint="try again, with fewer --workers",
        ) from error


def near(client: Any) -> bool:
    """Tell whether all workers of a client are processes of this machine."""
    if client is None:
        return True
    return isinstance(client.cluster, need("distributed").LocalCluster)


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what a call to a cluster gives; nobody waits longer than some seconds.

    Parameters
    ----------
    seconds : float
        How long it may take.
    call : callable
        Goes on in a thread of its own where it takes longer.

    Returns
    -------
    object
        Whatever `call` returns.

    Raises
    ------
    BGRemError
        It takes longer.
    """
    answer: Queue[tuple[bool, Any]] = Queue()

    def ask() -> None:
        try:
            answer.put((True, call()))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            answer.put((False, error))

    Thread(target=ask, name="bgrem-ask", daemon=True).start()
    try:
        good, value = answer.get(timeout=seconds)
    except Empty:
        raise BGRemError(
            f"the workers did not answer for {seconds} s", hint="start them again"
        ) from None
    if good:
        return value
    raise value


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
    client: Any,
    work: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    killed: Callable[[tuple[Any, ...]], Any] | None = None,
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
    killed : callable, optional
        Gives what is yielded for a call of which workers died.

    Yields
    ------
    object
        Whatever `work` returns.

    Raises
    ------
    Gone
        The scheduler is gone or silent, there are no workers, or they died of one call
        again and again.
    Exception
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
    done: Queue[Any] = Queue()
    asked = {f.key: call for f, call in zip(futures, calls, strict=True)}
    for future in futures:
        future.add_done_callback(done.put)
    watch = _Watch(client)
    try:
        for _ in calls:
            future = watch.wait(done)
            try:
                result = _result(distributed, future, watch)
            except _Killed:
                if killed is None:
                    raise
                result = killed(asked[future.key])
            yield result
    finally:
        if client.status == "running":
            with suppress(Exception):
                within(ANSWER, lambda: client.cancel(futures, force=True))


class _Watch:
    """Waits for a cluster as long as somebody there is at work.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._heard = self._staffed = monotonic()

    def wait(self, done: "Queue[Any]") -> Any:
        """Return the next of what is done."""
        while True:
            try:
                return done.get(timeout=LOOK)
            except Empty:
                self.look()

    def look(self) -> None:
        """See whether there are a scheduler and workers.

        Raises
        ------
        Gone
            Neither for longer than one should wait.
        """
        client, now = self._client, monotonic()
        try:
            if client.status in {"closing", "closed"}:
                raise _lost()
            workers = client.sync(client.scheduler.ncores, callback_timeout=LOOK)
        except (OSError, AttributeError) as error:  # silent, or closed meanwhile
            if now - self._heard > SILENT:
                raise _lost() from error
            return
        self._heard = now
        if workers:
            self._staffed = now
        elif now - self._staffed > ALONE:
            raise Gone(
                f"the cluster had no worker for {ALONE} s", "start workers that stay"
            )


def _lost() -> Gone:
    return Gone("the scheduler does not answer any more", "start it again")


def _result(distributed: Any, future: Any, watch: _Watch) -> Any:
    from asyncio import CancelledError

    try:
        while True:
            try:
                return future.result(timeout=LOOK)
            except distributed.TimeoutError:
                # It is done, and yet on its way: ask whether anybody brings it.
                if future.status == "error":
                    raise
                watch.look()
    except distributed.KilledWorker as error:
        raise _Killed(
            "workers die one after the other",
            "use a smaller --tile or give workers more memory",
        ) from error
    except (CancelledError, distributed.CancelledError, OSError) as error:
        if future.status == "error":
            raise  # the call's own
        raise _lost() from error
