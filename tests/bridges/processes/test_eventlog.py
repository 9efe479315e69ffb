"""The log: complete lines, bounded, and in nobody's way when it cannot be written."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloops_bridges.processes.diary import Diary
from autoloops_bridges.processes.eventlog import MAX_WAITING, EventLog
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.messages import Frozen, PortsState
from autoloops_engine.notes import Bar


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(path: Path, write: Callable[[EventLog], None], max_bytes: int = 1 << 20) -> EventLog:
    """The log after ``write`` and after everything that waited was written."""
    log = EventLog(path, lambda: 1_700_000_000_250_000, max_bytes)
    write(log)
    log.close(patience_s=30)
    return log


def test_each_event_is_a_line_with_its_time_and_facts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log.jsonl"
    log = written(path, lambda log: log.event("ports", outputs=("JACK out",), remarks=()))
    assert log.lost == 0
    assert lines(path) == [
        {"at": "2023-11-14T22:13:20.250+00:00", "event": "ports", "outputs": ["JACK out"], "remarks": []}
    ]


def test_the_files_never_grow_beyond_twice_the_bound_and_keep_the_latest(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    def write(log: EventLog) -> None:
        for number in range(500):
            log.event("miss", number=number)

    log = written(path, write, max_bytes=4_000)
    assert log.lost == 0
    assert path.stat().st_size <= 4_000
    assert log.older_path.stat().st_size <= 4_000
    numbers = [line["number"] for line in lines(log.older_path) + lines(path)]
    assert numbers == list(range(numbers[0], 500))


def test_a_second_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for run in range(2):
        written(path, lambda log, run=run: log.event("start", run=run))  # type: ignore[misc]
    assert [line["run"] for line in lines(path)] == [0, 1]


def test_a_folder_that_cannot_be_made_costs_events_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = written(tmp_path / "file" / "log.jsonl", lambda log: log.event("start"))
    assert log.lost == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_costs_events_only(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.symlink_to("/dev/full")
    assert written(path, lambda log: log.event("start")).lost == 1


def test_what_nobody_can_encode_is_lost_and_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    def write(log: EventLog) -> None:
        log.event("bad", thing=object())
        log.event("good")

    assert written(path, write).lost == 1
    assert [json.loads(line)["event"] for line in path.read_text().split("\n") if line] == ["good"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_disk_that_stands_still_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    # Opening a pipe for writing waits for a reader, as a dead network drive would make us wait.
    os.mkfifo(path)
    log = EventLog(path, lambda: 0)
    for _ in range(MAX_WAITING + 100):
        log.event("miss")
    assert log.lost >= 99
    reader = threading.Thread(target=path.read_bytes)
    reader.start()
    log.close(patience_s=0)
    log.event("miss")
    # The queue is full, so the end is not heard; emptied, the file closes with it.
    while reader.is_alive():
        log.close(patience_s=1)
        reader.join(0.1)


class Memory:
    """A log that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def event(self, kind: str, **facts: object) -> None:
        self.events.append((kind, facts))


def frozen(origin: str, song_bar: int = 4) -> Frozen:
    return Frozen("melody", 1, song_bar, Bar(1, 0, (), ()), origin, due_us=1_000, at_us=1_200, muted=False)


def test_bars_are_noted_only_when_missed_or_fallen_back() -> None:
    memory = Memory()
    diary = Diary(memory)
    diary.froze(frozen("fresh"), misses=0)
    diary.froze(frozen("fresh", 5), misses=1)
    diary.froze(frozen("last", 6), misses=1)
    assert [(kind, facts["bar"], facts["misses"]) for kind, facts in memory.events] == [
        ("miss", 6, 1),
        ("fallback", 7, 1),
    ]


def test_a_flood_of_refused_messages_is_one_line_with_an_example() -> None:
    memory = Memory()
    diary = Diary(memory)
    diary.counted([("osc_refused", 0), ("bars", 3)], "")
    diary.counted([("osc_refused", 20_000), ("bars", 4)], "/al/nope: there is no such address")
    diary.counted([("osc_refused", 20_000), ("bars", 5)], "/al/nope: there is no such address")
    assert memory.events == [("trouble", {"example": "/al/nope: there is no such address", "osc_refused": 20_000})]


def test_start_ports_errors_and_the_end_are_noted() -> None:
    memory = Memory()
    diary = Diary(memory)
    diary.started(PlayOptions(seed=7), ("127.0.0.1", 7400), 20_000, generation=0)
    diary.ports(PortsState(("JACK AutoLoops:out",), (), ("a remark",)))
    diary.failed("The model broke.")
    diary.restarted("player", generation=1, cause="SIGKILL ended it")
    diary.ended([("bars", 8)])
    assert [kind for kind, _ in memory.events] == ["start", "ports", "error", "restart", "end"]
    assert memory.events[0][1]["seed"] == 7
    assert memory.events[-1][1] == {"bars": 8}
