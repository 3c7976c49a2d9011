"""The guard that keeps tests on this machine sees what it should."""

import socket
import urllib.request
from contextlib import closing

import pytest

import offline


@pytest.fixture
def caught():
    """Give what was refused; it is no fault of this test."""
    yield offline.tried
    offline.tried.clear()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.invalid"])
def test_other_machines_are_refused_and_remembered(caught, host):
    with pytest.raises(OSError, match="tests stay on this machine"):
        socket.create_connection((host, 80), timeout=1)
    assert host in caught


def test_a_download_is_refused(caught):
    with pytest.raises(OSError, match="tests stay on this machine"):
        urllib.request.urlopen("http://example.invalid/", timeout=1)
    assert caught


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_not(host):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        there = server.getsockname()[1]
        with closing(socket.create_connection((host, there), timeout=10)):
            pass
    assert not offline.tried
