"""The watch over the children: hung is dead, and a crash at every start does not eat a core."""

import pytest

from autoloops_bridges.processes.supervisor import HUNG_PLAYER_US, STARTING_US, Watch, cause_of

TICK_US = 50_000


def watched(until_us: int, beats_us: list[int], born_us: int = 0) -> list[int]:
    """When the child is found hung, with a look every 50 ms."""
    watch = Watch(HUNG_PLAYER_US)
    watch.born(born_us)
    found = []
    for now_us in range(TICK_US, until_us, TICK_US):
        beat_us = max((beat for beat in beats_us if beat <= now_us), default=0)
        if watch.is_hung(beat_us, now_us):
            found.append(now_us)
    return found


def test_a_child_that_beats_is_alive() -> None:
    assert not watched(10_000_000, list(range(0, 10_000_000, TICK_US)))


def test_a_child_that_falls_silent_is_dead_after_200_ms() -> None:
    beats_us = list(range(0, 2_000_001, TICK_US))
    assert watched(4_000_000, beats_us)[0] == 2_000_000 + HUNG_PLAYER_US + TICK_US


def test_a_child_that_starts_has_time_to_load() -> None:
    assert not watched(STARTING_US, [], born_us=1)
    assert watched(STARTING_US + 3 * TICK_US, [], born_us=1)


def test_the_beats_of_its_predecessor_do_not_count() -> None:
    assert not watched(STARTING_US, [100_000], born_us=200_000)


def test_after_the_supervisor_itself_was_held_up_nobody_is_blamed() -> None:
    watch = Watch(HUNG_PLAYER_US)
    watch.born(0)
    for now_us in range(TICK_US, 1_000_001, TICK_US):
        assert not watch.is_hung(now_us, now_us)
    assert not watch.is_hung(1_000_000, 60_000_000)
    assert watch.is_hung(1_000_000, 60_000_000 + HUNG_PLAYER_US + 1)


def test_the_successor_of_one_that_worked_comes_at_once_and_those_of_failed_starts_ever_later() -> None:
    watch = Watch(HUNG_PLAYER_US)
    assert [watch.died(worked=True) for _ in range(50)] == [0] * 50
    pauses_us = [watch.died(worked=False) for _ in range(9)]
    assert pauses_us[:4] == [100_000, 200_000, 400_000, 800_000]
    assert pauses_us == sorted(pauses_us)
    assert pauses_us[-1] == 5_000_000
    assert watch.died(worked=True) == 0
    assert watch.generation == 60


@pytest.mark.parametrize(
    ("status", "silent_us", "cause"),
    [
        (-9, 210_000, "it had stood still for 0.21 s"),
        (-9, None, "SIGKILL ended it"),
        (-99, None, "signal 99 ended it"),
        (1, None, "it ended with status 1"),
    ],
)
def test_why_a_child_ended_is_told(status: int, silent_us: int | None, cause: str) -> None:
    assert cause_of(status, silent_us) == cause
