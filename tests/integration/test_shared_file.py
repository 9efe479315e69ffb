"""The file that outlives a crash: there while it may be needed, gone after an orderly end."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from tests.integration.playing import playing

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.shared import Shared, open_shared
from autoloops_engine.player.ledger import NoteLedger

QUIET = ("--parts", "melody", "--seed", "5", "--stopped")


@pytest.fixture
def crashed() -> Iterator[tuple[int, Shared]]:
    """A port, and what a performance that crashed left for the next start on it."""
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    shared = open_shared(port)
    yield port, shared
    with contextlib.suppress(FileNotFoundError):
        shared.path.unlink()


def test_an_orderly_end_leaves_no_file() -> None:
    with playing(*QUIET) as engine:
        path = open_shared(engine.port).path
        assert path.stat().st_size > 0
        assert engine.end() == 0
    assert not path.exists()


def test_notes_of_a_crash_stay_for_the_start_that_has_a_port_to_end_them(crashed: tuple[int, Shared]) -> None:
    port, shared = crashed
    NoteLedger(shared.ledger).on(1, 60)
    with playing(*QUIET, "--osc-port", str(port)) as engine:
        assert engine.end() == 0
    assert list(NoteLedger(Shared(shared.path).ledger).sounding()) == [(1, 60)]


def test_heartbeats_of_a_former_performance_hide_no_hung_process(crashed: tuple[int, Shared]) -> None:
    port, shared = crashed
    for name in ("main", "player"):
        # As after a reboot: the clock began anew.
        shared.beat(name, 2**62)
    shared.session.write(b"of the former performance")
    NoteLedger(shared.ledger).on(1, 60)
    with playing(*QUIET, "--osc-port", str(port)) as engine:
        engine.ping()
        assert max(shared.last_beat_us(name) for name in ("main", "player")) <= monotonic_us()
        dead = engine.child("main")
        os.kill(dead, signal.SIGSTOP)
        begun_s = time.monotonic()
        engine.ping()
        assert time.monotonic() - begun_s < 10.0
        assert engine.end() == 0
