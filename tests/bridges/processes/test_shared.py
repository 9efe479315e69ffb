"""Shared memory and the wire: what one process leaves, the next one finds whole."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_bridges.processes.shared import Shared, open_shared
from autoloops_bridges.processes.wire import MAX_WAITING_BYTES, Wire
from autoloops_engine.errors import AutoLoopsError
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


def test_the_ports_of_a_rig_have_books_of_their_own_that_outlive_a_crash(tmp_path: Path) -> None:
    writer = Shared(tmp_path / "engine.bin")
    for number in range(7):
        NoteLedger(writer.rig_ledger(number)).on(1, 60 + number)
    successor = Shared(tmp_path / "engine.bin")
    successor.begin()
    for number in range(7):
        assert list(NoteLedger(successor.rig_ledger(number)).sounding()) == [(1, 60 + number)]
    assert list(NoteLedger(successor.ledger).sounding()) == []
    assert successor.session.write(b"beside them")
    assert list(NoteLedger(successor.rig_ledger(6)).sounding()) == [(1, 66)]
    NoteLedger(successor.rig_ledger(7)).on(1, 1)
    assert list(NoteLedger(successor.rig_ledger(7)).sounding()) == []
    parent = Shared(tmp_path / "engine.bin")
    parent.end()
    assert (tmp_path / "engine.bin").exists()


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


def test_a_head_that_a_death_left_half_written_leaves_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "engine.bin"
    shared = Shared(path)
    shared.session.write(b"before")
    shared.session.write(b"after")
    content, size = path.read_bytes(), 16
    at = content.index(b"after") - size
    head = content[at : at + size]
    for written in range(size):
        torn = (head[:written] + bytes(size - written), bytes(size - written) + head[size - written :])
        for piece in torn:
            path.write_bytes(content[:at] + piece + content[at + size :])
            assert Shared(path).session.read() == b"before"
            # Who writes next does not clear the one that is whole.
            assert Shared(path).session.write(b"later")
            assert b"before" in path.read_bytes()
            assert Shared(path).session.read() == b"later"


def test_a_heartbeat_is_never_seen_half_written(tmp_path: Path) -> None:
    path = tmp_path / "engine.bin"
    shared = Shared(path)
    first_us = 0x0102_0304_0506
    shared.beat("player", first_us)
    writing = (
        "import sys; from pathlib import Path; from autoloops_bridges.processes.shared import Shared\n"
        f"shared = Shared(Path(sys.argv[1])); print(flush=True); beat_us = {first_us}\n"
        "while True:\n    beat_us += 1; shared.beat('player', beat_us)"
    )
    with subprocess.Popen([sys.executable, "-c", writing, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        try:
            writer.stdout.readline()
            seen = [shared.last_beat_us("player") for _ in range(300_000)]
        finally:
            writer.kill()
    assert seen[-1] > first_us
    assert all(earlier <= later for earlier, later in pairwise(seen))


def test_too_much_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "engine.bin")
    shared.session.write(b"kept")
    assert not shared.session.write(b"x" * (1 << 22))
    assert shared.session.read() == b"kept"


def test_a_file_of_another_size_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "engine.bin"
    path.write_bytes(b"old")
    assert Shared(path).session.read() == b""


def test_every_page_has_its_room_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reserved", "written"):
        Shared(tmp_path / name)
        found = (tmp_path / name).stat()
        assert found.st_blocks * 512 >= found.st_size > 0
        # Where nothing can be reserved, it is written.
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


def test_where_there_is_no_room_the_next_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(descriptor: int, offset: int, length: int) -> None:
        if os.fstat(descriptor).st_ino in {path.stat().st_ino for path in (tmp_path / "full").iterdir()}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.truncate(descriptor, length)

    (tmp_path / "full").mkdir()
    (tmp_path / "roomy").mkdir()
    monkeypatch.setattr(os, "posix_fallocate", allocate, raising=False)
    shared = open_shared(7400, [lambda: tmp_path / "full", lambda: tmp_path / "roomy"])
    assert shared.path.parent == tmp_path / "roomy"
    assert not list((tmp_path / "full").iterdir())


def test_what_is_missing_or_in_the_way_is_passed_over(tmp_path: Path) -> None:
    def fails() -> Path:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    (tmp_path / "file").write_text("in the way")
    folders = [fails, lambda: tmp_path / "missing", lambda: tmp_path / "file", lambda: tmp_path]
    shared = open_shared(7400, folders)
    assert shared.path.parent == tmp_path
    assert "7400" in shared.path.name
    assert not (tmp_path / "missing").exists()


def test_a_link_under_its_name_is_not_followed(tmp_path: Path) -> None:
    for name in ("trap", "own"):
        (tmp_path / name).mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    own = open_shared(7400, [lambda: tmp_path / "own"]).path
    (tmp_path / "trap" / own.name).symlink_to(victim)
    assert open_shared(7400, [lambda: tmp_path / "trap", lambda: tmp_path / "own"]).path == own
    assert victim.read_text() == "precious"


def test_with_nowhere_to_lie_it_is_a_file_of_its_own_and_without_room_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nowhere = [lambda: tmp_path / "missing"]
    shared = open_shared(7400, nowhere)
    assert shared.path.parent == tmp_path
    shared.end()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(AutoLoopsError, match=r"no room for the .* KiB .*; free some"):
        open_shared(7400, nowhere)


def test_without_any_room_the_process_ends_with_a_sentence_and_no_signal() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536));"
        "from autoloops_bridges.processes.shared import open_shared; open_shared(1).beat('main', 1)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "AutoLoopsError: There is no room" in ended.stderr


def test_a_new_performance_finds_notes_and_connections_of_a_crash_and_nothing_else(tmp_path: Path) -> None:
    crashed = Shared(tmp_path / "engine.bin")
    crashed.beat("main", 2**63)
    crashed.beat("player", 2**63)
    crashed.session.write(b"the former session")
    crashed.session.write(b"and one before")
    crashed.connections.write(b"synth")
    NoteLedger(crashed.ledger).on(1, 60)
    shared = Shared(tmp_path / "engine.bin")
    shared.begin()
    assert (shared.last_beat_us("main"), shared.last_beat_us("player")) == (0, 0)
    assert shared.session.read() == b""
    assert shared.connections.read() == b"synth"
    assert list(NoteLedger(shared.ledger).sounding()) == [(1, 60)]


def test_the_file_goes_at_the_end_unless_the_next_start_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "engine.bin"
    shared = Shared(path)
    shared.session.write(b"of no use any more")
    NoteLedger(shared.ledger).on(1, 60)
    shared.end()
    assert path.exists()
    shared = Shared(path)
    NoteLedger(shared.ledger).off(1, 60)
    shared.connections.write(b"synth")
    shared.end()
    shared = Shared(path)
    assert shared.connections.read() == b"synth"
    shared.connections.write(b"")
    shared.end()
    assert not path.exists()


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
