"""A JACK receiver in a process of its own, and what it heard."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).parent / "jack_receiver.py"
WAIT_S = 15.0


class Heard(NamedTuple):
    """One message as the receiver saw it: its frame, its bytes, the monotonic time."""

    frame: int
    data: bytes
    at_us: int


class Report(NamedTuple):
    """What the receiver heard, and how often the server dropped a cycle meanwhile."""

    xruns: int
    heard: list[Heard]


class Receiver:
    """The other process; its port is ``receiver:in``."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def count(self) -> int:
        """How many messages it has heard by now."""
        return self.state()[0]

    def state(self) -> tuple[int, int]:
        """How many messages it has heard by now, and how many notes sound."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        count, sounding = self._line().split()
        return int(count), int(sounding)

    def finish(self) -> Report:
        """End it and ask what it heard."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        report = json.loads(self._line())
        self.process.stdout.close()
        assert self.process.wait(WAIT_S) == 0
        return Report(report["xruns"], [Heard(frame, bytes.fromhex(data), at) for frame, data, at in report["heard"]])

    def kill(self) -> None:
        """End it by force, if it is there; what it heard is lost."""
        self.process.kill()
        self.process.wait(WAIT_S)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def now_us() -> int:
    """The monotonic time."""
    return time.monotonic_ns() // 1000


def until(done: Callable[[], bool], wait_s: float = WAIT_S) -> bool:
    """Wait until ``done``; whether it came to that."""
    deadline_us = now_us() + int(wait_s * 1e6)
    while not done():
        if now_us() > deadline_us:
            return False
        time.sleep(0.005)
    return True
