"""An Ableton Link peer in a network of its own, and the engine beside it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.integration.playing import Playing, playing

SCRIPT = Path(__file__).parent / "link_peer.py"
PATIENCE_S = 15.0


class Look(NamedTuple):
    """The session as the peer sees it."""

    peers: int
    tempo_bpm: float
    playing: int
    at_us: int


class Heard(NamedTuple):
    """One message that reached the peer, and the peer's beat at that time."""

    at_us: int
    beat: float
    address: str
    arguments: tuple[object, ...]


class Peer:
    """The other process; see ``link_peer.py``."""

    def __init__(self, inside: Sequence[str], tempo_bpm: float) -> None:
        command = [*inside, sys.executable, str(SCRIPT), str(tempo_bpm)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.heard: list[Heard] = []

    def ask(self, *words: object) -> Any:
        """Give a command and wait for its answer; see ``link_peer.py`` for both."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def look(self) -> Look:
        """The session now."""
        return Look(*self.ask("look"))

    def tempos(self) -> set[float]:
        """Every tempo that the session has had since this peer began."""
        return {round(tempo_bpm, 2) for _, tempo_bpm, *_ in self.ask("seen")}

    def until(self, done: Callable[[Look], bool], patience_s: float = PATIENCE_S) -> Look:
        """Look until the session is as wanted."""
        until_s = time.monotonic() + patience_s
        while not done(look := self.look()):
            assert time.monotonic() < until_s, f"still {look}"
            time.sleep(0.002)
        return look

    def take(self) -> list[Heard]:
        """What came over OSC since the last call."""
        came = [Heard(at_us, beat, address, tuple(arguments)) for at_us, beat, address, arguments in self.ask("heard")]
        self.heard += came
        return came

    def hear_until(self, done: Callable[[Heard], bool], since: int | None = None) -> Heard:
        """Wait for a message from now on, or behind the first ``since`` of all that came."""
        until_s = time.monotonic() + PATIENCE_S
        if since is None:
            self.take()
            since = len(self.heard)
        while True:
            for heard in self.heard[since:]:
                if done(heard):
                    return heard
            assert time.monotonic() < until_s, f"last came {self.heard[-3:]}"
            time.sleep(0.005)
            self.take()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()


class Rehearsal:
    """A network with nobody in it yet."""

    def __init__(self, inside: Sequence[str]) -> None:
        self.inside = inside
        self._peers: list[Peer] = []

    def peer(self, tempo_bpm: float, *, enabled: bool = True) -> Peer:
        """Somebody with that tempo."""
        peer = Peer(self.inside, tempo_bpm)
        self._peers.append(peer)
        if enabled:
            peer.ask("enable")
        return peer

    @contextmanager
    def engine(self, listener: Peer, *options: str) -> Iterator[Playing]:
        """``autoloops play --sync link``, which tells ``listener`` everything."""
        with playing("--sync", "link", "--parts", "melody", "--seed", "5", *options, inside=self.inside) as engine:
            send(listener, engine, "/al/listen", 1)
            yield engine
            assert engine.end() == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Send everybody home."""
        for peer in self._peers:
            peer.close()


def send(peer: Peer, engine: Playing, address: str, *arguments: object) -> None:
    """An OSC message from the peer's process to the engine."""
    peer.ask("send", engine.port, address, *(json.dumps(argument) for argument in arguments))


def ask(peer: Peer, engine: Playing, address: str) -> Heard:
    """The engine's answer to a question."""
    peer.take()
    since = len(peer.heard)
    send(peer, engine, address)
    return peer.hear_until(lambda heard: heard.address == address, since)


def values(peer: Peer, engine: Playing, address: str) -> tuple[object, ...]:
    """What the engine answers to a question."""
    return ask(peer, engine, address).arguments


def onset_errors_ms(heard: Sequence[Heard], grid: float, address: str) -> list[float]:
    """How far each message of that address came from the nearest multiple of ``grid`` beats, in milliseconds.

    The tempo is that between the first and the last of them.
    """
    picked = [each for each in heard if each.address == address]
    ms_per_beat = (picked[-1].at_us - picked[0].at_us) / (picked[-1].beat - picked[0].beat) / 1000
    return [(each.beat / grid - round(each.beat / grid)) * grid * ms_per_beat for each in picked]
