"""Waking a thread that waits for sockets."""

import select
import threading
from collections.abc import Iterator

import pytest

from autoloops_bridges.processes.waker import Waker


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    for end in (waker._wake, waker._woken):
        end.close()


def is_awake(waker: Waker) -> bool:
    return waker in select.select([waker], [], [], 0)[0]


def test_another_thread_wakes_the_one_that_waits(waker: Waker) -> None:
    thread = threading.Thread(target=waker.wake)
    thread.start()
    readable, _, _ = select.select([waker], [], [], 5)
    thread.join()
    assert readable == [waker]


def test_whoever_was_woken_often_waits_again_afterwards(waker: Waker) -> None:
    for _ in range(100):
        waker.wake()
    assert is_awake(waker)
    waker.drain()
    assert not is_awake(waker)
    waker.drain()
    waker.wake()
    assert is_awake(waker)


def test_waking_one_that_never_looks_neither_waits_nor_fails(waker: Waker) -> None:
    for _ in range(100_000):
        waker.wake()
    assert is_awake(waker)
