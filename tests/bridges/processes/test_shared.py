"""Shared memory and the wire: what one process leaves, the next one finds whole."""

import socket
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_bridges.processes.shared import Shared, shared_path
from autoloops_bridges.processes.wire import MAX_WAITING_BYTES, Wire
from autoloops_engine.player.ledger import NoteLedger


def test_what_one_process_writes_another_reads(tmp_path: Path) -> None:
    writer = Shared(tmp_path / "engine.bin")
    reader = Shared(tmp_path / "engine.bin")
    assert reader.session.read() == b""
    for payload in (b"first", b"second", b"x" * 100_000, b""):
        assert writer.session.write(payload)
        assert reader.session.read() == payload
    NoteLedger(writer.ledger).on(10, 36)
    assert list(NoteLedger(reader.ledger).sounding()) == [(10, 36)]
    writer.beat("player", 12_345)
    assert (reader.last_beat_us("player"), reader.last_beat_us("main")) == (12_345, 0)


def test_what_was_left_outlives_every_process(tmp_path: Path) -> None:
    Shared(tmp_path / "engine.bin").session.write(b"left")
    assert Shared(tmp_path / "engine.bin").session.read() == b"left"


def test_a_torn_write_leaves_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "engine.bin"
    shared = Shared(path)
    shared.session.write(b"whole" * 100)
    shared.session.write(b"torn!" * 100)
    content = path.read_bytes()
    at = content.index(b"torn!torn!")
    path.write_bytes(content[: at + 7] + b"?" + content[at + 8 :])
    assert Shared(path).session.read() == b"whole" * 100


def test_too_much_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "engine.bin")
    shared.session.write(b"kept")
    assert not shared.session.write(b"x" * (1 << 20))
    assert shared.session.read() == b"kept"


def test_a_file_of_another_size_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "engine.bin"
    path.write_bytes(b"old")
    assert Shared(path).session.read() == b""


def test_where_the_home_cannot_be_written_it_lies_with_temporary_files(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert shared_path(7400, lambda: tmp_path / "state") == tmp_path / "state" / "engine-7400.bin"
    assert "autoloops-engine-7400" in str(shared_path(7400, lambda: blocked / "state"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300).filter(lambda b: b"\n" not in b), max_size=30))
def test_lines_arrive_whole_and_in_order(lines: list[bytes]) -> None:
    here, there = socket.socketpair()
    with here, there:
        sender, receiver = Wire(here), Wire(there)
        for line in lines:
            sender.send(line + b"\n")
        assert receiver.receive() == lines


def test_a_line_torn_by_a_death_does_not_spoil_the_successors() -> None:
    here, there = socket.socketpair()
    with here, there:
        receiver = Wire(there)
        here.sendall(b"whole\n{torn")
        successor = Wire(here)
        successor.send(b"next\n")
        assert receiver.receive() == [b"whole", b"{torn", b"next"]


def test_a_peer_that_does_not_read_costs_lines_and_never_waits() -> None:
    here, there = socket.socketpair()
    with here, there:
        sender, receiver = Wire(here), Wire(there)
        line = b"x" * 9_999 + b"\n"
        for _ in range(2 * MAX_WAITING_BYTES // len(line)):
            sender.send(line)
        assert sender.dropped > 0
        read: list[bytes] = []
        while sender.waiting:
            read += receiver.receive()
            sender.flush()
        assert set(read) == {line[:-1]}
