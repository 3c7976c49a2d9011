"""Tiles on workers: the bits of one process, also where workers die."""

import os
import signal

import numpy as np
import pytest

import bgrem_core
from bgrem_core.errors import ModelError, UsageError
from bgrem_core.methods import METHODS

pytest.importorskip("distributed", reason="the extra 'distributed' is missing")

from clusters import TILED, same, small_field

from bgrem_core.engine.cluster import Gone, connect, each
from bgrem_core.engine.frame import spread
from bgrem_core.methods.bgrem import BGRemSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def client(two_workers):
    two_workers.wait_for_workers(2, timeout=300)
    return two_workers


@pytest.fixture(scope="module")
def field():
    return bgrem_core.open_image(small_field(), gain=2.0)


@pytest.fixture(scope="module")
def whole(field):
    return bgrem_core.clean(field, **TILED)


def steps(field, client, folder):
    method = spread(METHODS["bgrem"], client, folder)
    return method.iterate(field, BGRemSettings(**TILED))


def drained(generator, on_step=lambda step: None):
    while True:
        try:
            on_step(next(generator))
        except StopIteration as end:
            return end.value


def check(result, whole):
    assert same(result.cleaned, whole.cleaned)
    for name, part in whole.parts.items():
        assert same(result.parts[name], part), name
    assert same(result.flags, whole.flags)
    for name, plane in whole.extras.items():
        assert same(result.extras[name], plane), name
    assert result.provenance == whole.provenance


def test_tiles_on_workers_give_the_bits_of_one_process(field, whole, client, tmp_path):
    check(drained(steps(field, client, tmp_path)), whole)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_is_killed_in_the_middle_changes_no_bit(
    field, whole, client, tmp_path
):
    killed = []

    def kill(step):
        if step.stage == "tiles" and step.done == 1 and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    check(drained(steps(field, client, tmp_path), kill), whole)
    assert killed
    client.wait_for_workers(2, timeout=300)
    assert killed[0] not in client.run(os.getpid).values()


def threads():
    import torch

    return torch.get_num_threads()


def test_each_worker_computes_with_one_thread_also_a_new_one(client):
    client.wait_for_workers(2, timeout=300)
    assert set(client.run(threads).values()) == {1}


def loaded(settings, sha256):
    from bgrem_core.engine.models import _models, model_of

    models = {id(model_of(settings, sha256)) for _ in range(3)}
    return len(models), len(_models)


def test_a_worker_loads_a_model_once_and_knows_it_by_its_hash(whole, client):
    settings = BGRemSettings(**TILED)
    sha256 = whole.provenance.model_sha256
    for _ in range(2):
        assert set(client.run(loaded, settings, sha256).values()) == {(1, 1)}


def test_a_worker_with_other_weights_says_so(client):
    from bgrem_core.engine.models import model_of

    with pytest.raises(ModelError, match="of a worker is another one"):
        next(each(client, model_of, [(BGRemSettings(**TILED), "0" * 64)]))


def test_a_run_that_is_cancelled_leaves_nothing(field, client, tmp_path):
    run = steps(field, client, tmp_path)
    while next(run).stage != "tiles":
        pass
    assert list(tmp_path.iterdir())
    run.close()
    assert not list(tmp_path.iterdir())


def test_tiles_that_were_done_are_not_done_again(field, whole, client, tmp_path):
    from bgrem_core.engine import frame

    done = []

    def die(client, work, calls):
        for call in calls[:1]:
            done.append(work(*call))
            yield done[-1]
        raise frame.Gone("the scheduler does not answer any more", "start it again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame, "each", die)
        with pytest.raises(bgrem_core.BGRemError, match="1 of 9 tiles") as gone:
            drained(steps(field, client, tmp_path))
    assert "it goes on from there" in gone.value.hint
    seen = []
    check(drained(steps(field, client, tmp_path), seen.append), whole)
    tiles = [s.done for s in seen if s.stage == "tiles"]
    assert tiles[0] == 1
    assert tiles[-1] == 9
    assert not list(tmp_path.iterdir())


def listening():
    import psutil

    here = psutil.Process()
    family = [here, *here.parents()[:1], *here.children(recursive=True)]
    return {
        connection.laddr.ip
        for process in family
        if process.pid != 1  # may be an ancestor, and tells nobody
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_our_own_workers_listen_on_the_loopback_only(client):
    assert set.union(*client.run(listening).values()) == {"127.0.0.1"}


def test_an_address_where_nobody_answers_is_named(monkeypatch):
    from bgrem_core.engine import cluster

    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with (
        pytest.raises(UsageError, match="no scheduler answers at tcp://127"),
        connect(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


def fail_to_read(name):
    raise FileNotFoundError(2, "No such file or directory", name)


def be_late(name):
    raise TimeoutError(name)


@pytest.mark.parametrize("work", [fail_to_read, be_late])
def test_what_a_task_raises_is_not_taken_for_a_scheduler_that_is_gone(client, work):
    with pytest.raises(OSError, match="the disk") as told:
        next(each(client, work, [("the disk",)]))
    assert not isinstance(told.value, bgrem_core.BGRemError)


def die_of(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_call_that_kills_each_worker_is_told(client, monkeypatch):
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(Gone, match="workers die one after the other"):
        next(each(client, die_of, [(1,)]))
    instead = {"killed": lambda call: -call[0]}
    assert list(each(client, die_of, [(1,)], **instead)) == [-1]
    assert list(each(client, die_of, [(2,)], **instead)) == [2]


def test_without_a_cluster_the_work_is_done_here():
    assert list(each(None, np.add, [(1, 2), (3, 4)])) == [3, 7]
