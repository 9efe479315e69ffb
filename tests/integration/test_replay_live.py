"""A recorded session, played again on a real JACK server: every note at its time, and none hangs whoever dies.

On a busy machine the server drops cycles, and with them messages; it says so, and such a run is repeated.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.conftest import JackServer
from tests.integration.playing import PATIENCE_S, playing
from tests.integration.receiving import Receiver, Report, until

from autoloops_bridges.midi.encode import midi_messages
from autoloops_bridges.record.excerpt import excerpt
from autoloops_bridges.record.lines import heard_in, read_lines
from autoloops_bridges.record.rerun import Rerun

try:
    import jack  # noqa: F401  # the driver has to be there
except (ImportError, OSError) as error:
    pytest.skip(f"A driver is not there: {error}", allow_module_level=True)

ATTEMPTS = 4
# What the record says to the microsecond, the server rounds to a frame, and its clock is not quite ours.
NEAR_US = 2_000


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of two bars that were really played."""
    state = tmp_path_factory.mktemp("state")
    options = ("--parts", "melody,drums", "--seed", "5", "--tempo", "480", "--bars", "2")
    with playing(*options, environment={"XDG_STATE_HOME": str(state)}) as engine:
        assert engine.process.wait(PATIENCE_S) == 0
    (record,) = (state / "autoloops" / "sessions").iterdir()
    return record


@contextmanager
def replaying(record: Path, *options: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "autoloops_bridges", "replay", str(record), "--midi-out", "receiver:in"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def child_of(process: "subprocess.Popen[str]") -> int:
    """The process that plays."""
    command = ["pgrep", "-P", str(process.pid), "-f", "autoloops_bridges.processes.replayer"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def calm(play: Callable[[Receiver], None], holds: Callable[[Report], bool]) -> Report:
    """What was heard of a run in which all was well, or else of one in which the server kept up, if there is one."""
    for _ in range(ATTEMPTS):
        receiver = Receiver()
        try:
            play(receiver)
            report = receiver.finish()
        except BaseException:
            receiver.kill()
            raise
        if holds(report) or not report.xruns:
            break
    return report


@pytest.mark.timeout(90)
def test_a_session_is_played_again_note_for_note_at_its_times(jack_server: JackServer, record: Path) -> None:
    said: list[str] = []

    def play(receiver: Receiver) -> None:
        with replaying(record) as process:
            assert process.wait(PATIENCE_S) == 0
            assert process.stdout is not None
            said[:] = process.stdout.read().splitlines()

    rerun = Rerun(excerpt(heard_in(read_lines(record))), 0, 0)
    asked = rerun.due(0, rerun.end_us)
    messages = [data for event in asked for data in midi_messages(event)]
    assert len(messages) > 20

    def away_us(report: Report) -> float:
        """How far a message was from its time at most, the middle one taken for punctual."""
        heard_us = [each.frame * 1_000_000 / jack_server.samplerate_hz for each in report.heard]
        off_us = sorted(heard - event.at_us for heard, event in zip(heard_us, asked, strict=True))
        return max(off_us[-1] - off_us[len(off_us) // 2], off_us[len(off_us) // 2] - off_us[0])

    def holds(report: Report) -> bool:
        return [each.data for each in report.heard] == messages and away_us(report) < NEAR_US

    report = calm(play, holds)
    assert said[-1].startswith(f"Notes played: {sum(event.velocity > 0 for event in asked)},")
    assert [line[:8] for line in said if line.startswith("bar")] == ["bar    1", "bar    2"]
    if report.xruns and not holds(report):
        pytest.skip("The JACK server drops cycles on this machine: nothing can be said of what it lost.")
    assert [each.data for each in report.heard] == messages
    sys.stdout.write(f"\n{len(messages)} messages, at most {away_us(report):.0f} us from their times\n")
    assert away_us(report) < NEAR_US


def end_parent(process: "subprocess.Popen[str]", number: int) -> None:
    process.send_signal(number)
    process.wait(PATIENCE_S)


def replace_child(process: "subprocess.Popen[str]", number: int) -> None:
    """The child dies, and its successor plays to the end."""
    os.kill(child_of(process), number)
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.timeout(120)
def test_no_note_hangs_whoever_ends_in_the_middle(jack_server: JackServer, record: Path) -> None:
    def play(receiver: Receiver) -> None:
        with replaying(record) as process:
            assert until(lambda: receiver.state()[1] > 0), "no note is heard"
            let_die(process, number)
            until(lambda: receiver.state()[1] == 0, wait_s=1.0)

    def sounding(report: Report) -> set[tuple[int, int]]:
        keys: set[tuple[int, int]] = set()
        for each in report.heard:
            key = each.data[0] & 0x0F, each.data[1]
            (keys.add if each.data[0] & 0xF0 == 0x90 else keys.discard)(key)
        return keys

    for let_die, number in (
        (end_parent, signal.SIGTERM),
        (end_parent, signal.SIGKILL),
        (replace_child, signal.SIGKILL),
    ):
        report = calm(play, lambda report: not sounding(report))
        assert not sounding(report), f"{let_die.__name__} with signal {number}"


def test_a_port_that_cannot_be_had_is_said_in_a_sentence(jack_environment: None, record: Path) -> None:
    command = [sys.executable, "-m", "autoloops_bridges", "replay", str(record), "--midi-api", "jack"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "JACK" in sentence
