"""The thread that watches over the MIDI ports, beside the timing thread."""

import threading

from tests.bridges.processes.made_up_ports import FakeRecord, FakeSystem, keeper_on

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.ports import MidiPort, MidiSink, MidiSource
from autoloops_bridges.processes.ports import (
    STUCK_US,
    PortKeeper,
    PortWatch,
    Slot,
)


def test_the_watch_outlives_a_driver_that_fails() -> None:
    system, woken, look_now = FakeSystem(), threading.Event(), threading.Event()
    watch = PortWatch(keeper_on(system), woken.set, look_now)
    watch.start(patience_s=5.0)
    watch.take()
    woken.clear()
    system.opened[0].failure = RuntimeError("no server")
    look_now.set()
    assert woken.wait(5.0)
    (news,) = watch.take()
    assert news.state.remarks
    woken.clear()
    system.opened[0].failure = None
    system.die()
    look_now.set()
    assert woken.wait(5.0)
    (news,) = watch.take()
    assert news.sink is None
    watch.close()


def test_the_watch_hands_news_over_and_wakes_the_timing_thread() -> None:
    system, woken, look_now = FakeSystem(), threading.Event(), threading.Event()
    watch = PortWatch(keeper_on(system), woken.set, look_now)
    watch.start(patience_s=5.0)
    (news,) = watch.take()
    assert news.sink is system.opened[0]
    woken.clear()
    system.die()
    look_now.set()
    assert woken.wait(5.0)
    (news,) = watch.take()
    assert news.sink is None
    dead: MidiPort = system.opened[0]
    watch.let_go(dead)
    watch.close()
    assert system.opened[0].closed


def test_a_system_that_hangs_holds_the_start_up_only_for_the_time_given() -> None:
    system, go_on = FakeSystem(), threading.Event()

    def hang(name: str, former: tuple[str, ...] | None) -> tuple[MidiSink | None, tuple[str, ...]]:
        assert go_on.wait(5.0)
        return system.open(name, former)

    woken = threading.Event()
    source: Slot[MidiSource] = Slot("MIDI in", "none", system.open)
    keeper = PortKeeper(Slot("MIDI out", "synth", hang), source, FakeRecord())
    watch = PortWatch(keeper, woken.set, threading.Event())
    watch.start(patience_s=0.01)
    assert watch.take() == []
    now_us = monotonic_us()
    assert not watch.is_stuck(now_us)
    assert watch.is_stuck(now_us + STUCK_US)
    go_on.set()
    assert woken.wait(5.0)
    assert [news.sink for news in watch.take()] == system.opened
    assert not watch.is_stuck(now_us + STUCK_US)
    watch.close()
