"""Deaths on stage as a MIDI receiver on a JACK server sees them: no note hangs, output comes back by itself.

``AUTOLOOPS_DEATHS`` says how many times in a row (default 3). On a busy machine the server drops cycles, and with them
messages; the receiver counts these, and what such a run lost is no proof of anything: it is repeated.
"""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import Require, end_jack, ended, start_jack
from tests.integration.playing import PATIENCE_S, Playing, alive, playing
from tests.integration.receiving import Heard, Receiver, Report, now_us, until

from autoloops_bridges.processes.shared import open_shared

try:
    import jack
except (ImportError, OSError) as error:
    pytest.skip(f"A driver is not there: {error}", allow_module_level=True)

DEATHS = int(os.environ.get("AUTOLOOPS_DEATHS", "3"))
MUSIC = ("--parts", "melody", "--seed", "5", "--tempo", "120", "--midi-api", "jack", "--midi-in", "none")
NAMED = (*MUSIC, "--midi-out", "receiver:in")
VIRTUAL = (*MUSIC, "--midi-out", "virtual")
BAR_US = 2_000_000
ATTEMPTS = 3
# The successors of players that die young wait ever longer, which is no part of this.
DEATHS_A_SHOW = 3
PIPEWIRE_JACK = Path("/usr/lib/x86_64-linux-gnu/pipewire-0.3/jack")


class Stage:
    """A JACK server that may die, with whoever plays there; nothing of it is left behind."""

    def __init__(self, start: "Callable[[], subprocess.Popen[bytes]]") -> None:
        self._start = start
        self.server = start()
        self._receivers: list[Receiver] = []

    def restart(self, number: int) -> None:
        """Let the server die by a signal; a new one takes its place."""
        self.server.send_signal(number)
        self.server.wait(PATIENCE_S)
        self.server = self._start()

    def receiver(self) -> Receiver:
        """A receiver that listens."""
        self._receivers.append(Receiver())
        return self._receivers[-1]

    def close(self) -> None:
        """No receiver is left behind."""
        for receiver in self._receivers:
            if receiver.process.poll() is None:
                receiver.kill()


@pytest.fixture
def stage(require: Require, jack_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    stage = Stage(lambda: start_jack(require))
    yield stage
    stage.close()
    end_jack(require, stage.server)


def join(receiver: str = "receiver:in") -> None:
    """Connect AutoLoops as a performer does who uses other tools."""
    done = subprocess.run(["jack_connect", "AutoLoops:out", receiver], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def hear_a_note(engine: Playing, receiver: Receiver, since: int = 0) -> int:
    """Wait until a note sounds and something came after ``since`` messages; how many there are."""
    until_us = now_us() + int(PATIENCE_S * 1e6)
    while True:
        count, sounding = receiver.state()
        if count > since and sounding:
            return count
        assert now_us() < until_us, "no note is heard"
        engine.hear(0.003)


def has_child(engine: Playing, name: str) -> bool:
    try:
        return alive(engine.child(name))
    except ValueError:
        return False


def hanging(heard: list[Heard]) -> list[int]:
    """The places of the note-ons that nothing ended, be it before the same note again or at the end."""
    sounding: dict[int, int] = {}
    hang = []
    for place, message in enumerate(heard):
        kind, pitch = message.data[0] & 0xF0, message.data[1]
        is_on = kind == 0x90 and message.data[2] > 0
        if is_on and pitch in sounding:
            hang.append(sounding[pitch])
        if is_on:
            sounding[pitch] = place
        elif kind in {0x80, 0x90}:
            sounding.pop(pitch, None)
    return hang + list(sounding.values())


def sounding_at(heard: list[Heard], at_us: int) -> bool:
    """Whether a note sounded at this moment."""
    return bool(hanging([message for message in heard if message.at_us <= at_us]))


def all_ended(play: Callable[[], Report], holds: Callable[[Report], bool] = lambda report: True) -> Report:
    """A run in which no note hung; one in which the server itself dropped cycles may be repeated."""
    for attempt in range(ATTEMPTS):
        report = play()
        hang = hanging(report.heard)
        sys.stdout.write(
            f"\nattempt {attempt + 1}: {len(report.heard)} messages, {len(hang)} hang, {report.xruns} dropouts\n"
        )
        if (not hang and holds(report)) or not report.xruns:
            break
    around = [report.heard[max(0, place - 2) : place + 5] for place in hang]
    assert not hang, f"{len(hang)} of {len(report.heard)} messages hang, {report.xruns} dropouts: {around}"
    return report


def say(what: str, values: list[float], unit: str) -> None:
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    sys.stdout.write(f"\n{what}: {len(values)} times, median {middle:.1f} {unit}, worst {ordered[-1]:.1f} {unit}\n")


@pytest.mark.timeout(120 + 30 * DEATHS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_notes_of_a_player_that_dies_are_ended_and_its_connections_come_back(stage: Stage, number: int) -> None:
    killed_us: list[int] = []

    def play() -> Report:
        killed_us.clear()
        receiver = stage.receiver()
        for first in range(0, DEATHS, DEATHS_A_SHOW):
            with playing(*VIRTUAL) as engine:
                join()
                count = receiver.count()
                for _ in range(first, min(first + DEATHS_A_SHOW, DEATHS)):
                    hear_a_note(engine, receiver, count)
                    dead = engine.child("player")
                    killed_us.append(now_us())
                    os.kill(dead, number)
                    assert until(lambda dead=dead: not alive(dead))  # type: ignore[misc]
                    assert until(lambda: has_child(engine, "player"))
                    # By now all that the dead one sent is here.
                    count = receiver.count()
                hear_a_note(engine, receiver, count)
                assert engine.end() == 0
        return receiver.finish()

    report = all_ended(play)
    after = [[m for m in report.heard if m.at_us > at_us + 20_000] for at_us in killed_us]
    ends_us, notes_us = (
        [
            next(m.at_us for m in heard if m.data[0] & 0xF0 == kind) - at
            for heard, at in zip(after, killed_us, strict=True)
        ]
        for kind in (0x80, 0x90)
    )
    say(f"player {signal.Signals(number).name}: what sounded is ended after", [us / 1000 for us in ends_us], "ms")
    say(f"player {signal.Signals(number).name}: the next note begins after", [us / 1000 for us in notes_us], "ms")
    assert max(ends_us) <= BAR_US
    assert max(notes_us) <= 2 * BAR_US


@pytest.mark.timeout(120 + 60 * DEATHS)
def test_when_the_parent_dies_every_note_ends_within_fifty_milliseconds(stage: Stage) -> None:
    killed_us: list[int] = []

    def play() -> Report:
        killed_us.clear()
        receiver = stage.receiver()
        for _ in range(DEATHS):
            known, sounding = receiver.state()
            assert not sounding
            with playing(*NAMED) as engine:
                hear_a_note(engine, receiver, known)
                children = [engine.child("main"), engine.child("player")]
                killed_us.append(now_us())
                engine.process.kill()
                assert until(lambda children=children: not any(alive(pid) for pid in children))  # type: ignore[misc]
                # Only a parent removes it.
                open_shared(engine.port).path.unlink()
        return receiver.finish()

    def last_us(report: Report) -> list[int]:
        # The next performance takes a second to begin.
        heard = [[m.at_us for m in report.heard if at_us < m.at_us < at_us + 500_000] for at_us in killed_us]
        return [max(own_us, default=at_us) - at_us for own_us, at_us in zip(heard, killed_us, strict=True)]

    report = all_ended(play, lambda report: max(last_us(report)) <= 50_000)
    assert sum(sounding_at(report.heard, at_us) for at_us in killed_us) >= DEATHS * 2 // 3
    say("parent SIGKILL: the last note-off comes after", [us / 1000 for us in last_us(report)], "ms")
    assert max(last_us(report)) <= 50_000


@pytest.mark.timeout(120 + 60 * DEATHS)
def test_what_hangs_when_all_three_die_at_once_is_ended_by_the_next_start(stage: Stage, free_port: int) -> None:
    hung: list[bool] = []

    def play() -> Report:
        receiver = stage.receiver()
        count = 0
        killed_us = []
        for _ in range(DEATHS):
            with playing(*VIRTUAL, "--osc-port", str(free_port)) as engine:
                if count == 0:
                    # Only once: the next start finds the connection as it was.
                    join()
                hear_a_note(engine, receiver, count)
                family = [engine.process.pid, engine.child("main"), engine.child("player")]
                killed_us.append(now_us())
                for pid in family:
                    os.kill(pid, signal.SIGKILL)
                assert until(lambda family=family: not any(alive(pid) for pid in family[1:]))  # type: ignore[misc]
            count = receiver.count()
        with playing(*VIRTUAL, "--osc-port", str(free_port), "--stopped") as engine:
            engine.ping()
            assert engine.end() == 0
        report = receiver.finish()
        hung[:] = [sounding_at(report.heard, at_us + 100_000) for at_us in killed_us]
        return report

    report = all_ended(play)
    sys.stdout.write(f"\nall three SIGKILL: {sum(hung)} of {len(hung)} times a note hung until the next start\n")
    assert sum(hung) >= DEATHS * 2 // 3
    assert report.heard


@pytest.mark.timeout(120 + 30 * DEATHS)
def test_a_server_that_dies_and_comes_back_is_played_to_again(stage: Stage) -> None:
    receiver = stage.receiver()
    waits_s: list[float] = []
    with playing(*VIRTUAL) as engine:
        join()
        children = [engine.child("main"), engine.child("player")]
        for _, number in zip(range(DEATHS), itertools.cycle([signal.SIGKILL, signal.SIGTERM])):
            hear_a_note(engine, receiver)
            stage.restart(number)
            up_us = now_us()
            receiver.kill()
            receiver = stage.receiver()
            assert joined_by_itself(), "not connected again"
            waits_s.append((now_us() - up_us) / 1e6)
        hear_a_note(engine, receiver)
        survivors = [engine.child("main"), engine.child("player")]
        assert engine.end() == 0
    assert survivors == children, engine.said
    assert hanging(receiver.finish().heard) == []
    say("server and receiver are back: connected after", waits_s, "s")
    told = [line for line in engine.said if line.startswith("MIDI out JACK AutoLoops")]
    assert [" is gone; " in line for line in told] == [True, False] * DEATHS
    assert not any("Traceback" in line or "was replaced" in line for line in engine.said)


def joined_by_itself() -> bool:
    """Wait until AutoLoops is connected to the receiver."""
    client = jack.Client("witness", no_start_server=True)
    try:
        return until(lambda: is_joined(client), wait_s=PATIENCE_S)
    finally:
        client.close()


def is_joined(client: "jack.Client") -> bool:
    try:
        own = client.get_port_by_name("AutoLoops:out")
        return "receiver:in" in [port.name for port in client.get_all_connections(own)]
    except jack.JackError:
        return False


@pytest.mark.timeout(120 + 30 * DEATHS)
def test_a_receiver_that_leaves_and_returns_is_connected_again_within_a_second(stage: Stage) -> None:
    waits_s: list[float] = []
    with playing(*VIRTUAL) as engine:
        for _ in range(DEATHS):
            receiver = stage.receiver()
            if not waits_s:
                join()
            begun_us = now_us()
            assert joined_by_itself()
            waits_s.append((now_us() - begun_us) / 1e6)
            hear_a_note(engine, receiver)
            receiver.kill()
        assert engine.end() == 0
    say("receiver is back: connected after", waits_s, "s")
    assert max(waits_s) <= 1.0
    assert sum("receiver:in is gone" in line for line in engine.said) >= DEATHS - 1


def test_a_connection_that_the_performer_parts_stays_parted(stage: Stage) -> None:
    receiver = stage.receiver()
    client = jack.Client("witness", no_start_server=True)
    try:
        with playing(*NAMED) as engine:
            engine.listen()
            hear_a_note(engine, receiver)
            client.disconnect("AutoLoops:out", "receiver:in")
            engine.hear(1.0)
            assert not is_joined(client)
            receiver.kill()
            stage.receiver()
            engine.hear(1.0)
            assert not is_joined(client)
            dead = engine.child("player")
            os.kill(dead, signal.SIGKILL)
            engine.hear_until("/al/bar")
            assert not is_joined(client)
    finally:
        client.close()


@pytest.fixture
def pipewire_stage(require: Require, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    program = require("pipewire")
    require("pw-jack")
    library = PIPEWIRE_JACK / "libjack.so.0"
    if not library.exists():
        pytest.skip(f"{library} is not there")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    # Python wheels bring a JACK library of their own.
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(PIPEWIRE_JACK))
    monkeypatch.setenv("PIPEWIRE_QUANTUM", "128/48000")

    def start() -> "subprocess.Popen[bytes]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("LD_", "PIPEWIRE"))}
        process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        listing = [require("jack_lsp")]
        assert until(lambda: subprocess.run(listing, capture_output=True, check=False).returncode == 0)
        return process

    stage = Stage(start)
    yield stage
    stage.close()
    ended(stage.server)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_pipewire_that_dies_and_comes_back_is_played_to_again(pipewire_stage: Stage, number: int) -> None:
    receiver = pipewire_stage.receiver()
    with playing(*VIRTUAL) as engine:
        # Unconnected it is still called for each cycle, and so not taken for dead.
        engine.hear(2.0)
        join()
        hear_a_note(engine, receiver)
        player = engine.child("player")
        receiver.kill()
        pipewire_stage.restart(number)
        receiver = pipewire_stage.receiver()
        begun_us = now_us()
        hear_a_note(engine, receiver)
        heard_us = now_us()
        assert engine.child("player") == player
        assert engine.end() == 0
    sys.stdout.write(
        f"\nPipeWire {signal.Signals(number).name}: a note {(heard_us - begun_us) / 1e6:.2f} s after it is back\n"
    )
    assert hanging(receiver.finish().heard) == []
    told = [line for line in engine.said if line.startswith("MIDI out JACK AutoLoops")]
    assert [" is gone; " in line for line in told] == [True, False]
