"""A wait for a cluster ends: with a result, or with words that say who is missing."""

import signal
import time
from contextlib import ExitStack
from threading import Event

import pytest
from clusters import scheduler_and_worker

from bgrem_core.engine import cluster
from bgrem_core.engine.cluster import Gone, connect, each, within
from bgrem_core.errors import BGRemError

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def soon(monkeypatch):
    """Look often."""
    monkeypatch.setattr(cluster, "LOOK", 0.5)
    monkeypatch.setattr(cluster, "ANSWER", 5)
    return monkeypatch


@pytest.fixture
def own(tmp_path):
    """A client of a scheduler and a worker, and the processes of both."""
    with ExitStack() as stack:
        processes = stack.enter_context(scheduler_and_worker(tmp_path))
        client = stack.enter_context(connect(scheduler=processes[0]))
        client.wait_for_workers(1, timeout=300)
        yield client, *processes[1:]


def test_a_scheduler_that_is_frozen_ends_the_wait(own, soon):
    client, head, _ = own
    soon.setattr(cluster, "SILENT", 2)
    results = each(client, divmod, [(7, 2), (time.monotonic(), 1)])
    first = next(results)
    head.send_signal(signal.SIGSTOP)
    more = each(client, time.sleep, [(0,)])
    try:
        assert first
        with pytest.raises(Gone, match="the scheduler does not answer any more"):
            next(more)
    finally:
        head.send_signal(signal.SIGCONT)
        results.close()


def test_a_cluster_without_workers_ends_the_wait(own, soon):
    client, _, hand = own
    soon.setattr(cluster, "ALONE", 2)
    hand.kill()
    hand.wait()
    with pytest.raises(Gone, match="the cluster had no worker for 2 s"):
        next(each(client, divmod, [(7, 2)]))


def test_a_long_call_is_waited_for(own, soon):
    client, *_ = own
    soon.setattr(cluster, "ALONE", 0)
    looks = []
    look = cluster._Watch.look

    def counted(watch):
        looks.append(1)
        look(watch)

    soon.setattr(cluster._Watch, "look", counted)
    assert list(each(client, time.sleep, [(3,)])) == [None]
    assert looks


def test_a_call_that_never_returns_is_not_waited_for():
    never = Event()
    with pytest.raises(BGRemError, match=r"did not answer for 0\.1 s"):
        within(0.1, never.wait)
    never.set()
    assert within(60, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0)


def test_workers_that_cannot_start_are_told(monkeypatch):
    import distributed

    def fail(**_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", fail)
    with (
        pytest.raises(BGRemError, match="workers cannot be started here"),
        connect(workers=1),
    ):
        pass
