"""A JACK client that hears a master's clock and the engine's notes, and can be a master itself, to the frame."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jack
import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
CLOCK, START, CONTINUE, STOP = 0xF8, 0xFA, 0xFB, 0xFC
Frames = npt.NDArray[np.float64]


class Came(NamedTuple):
    """One message and the frame at which it came."""

    frame: int
    data: bytes


class Lab:
    """Two ears (``clock``, ``notes``) and a mouth (``master``)."""

    def __init__(self) -> None:
        self.clock: list[Came] = []
        self.notes: list[Came] = []
        self.xruns = 0
        self._client = jack.Client("lab", no_start_server=True)
        self._clock = self._client.midi_inports.register("clock")
        self._notes = self._client.midi_inports.register("notes")
        self._master = self._client.midi_outports.register("master")
        self._script: Iterator[Came] = iter(())
        self._next: Came | None = None
        self._client.set_process_callback(self._process)
        self._client.set_xrun_callback(self._xrun)
        self._client.activate()

    @property
    def frame(self) -> int:
        """The present frame."""
        return int(self._client.frame_time)

    def connect(self, source: str, target: str) -> None:
        """Connect two ports by their names, once both take part."""
        for _ in range(100):
            try:
                self._client.connect(source, target)
            except jack.JackError:
                wait(0.02)
            else:
                return
        raise SystemExit(f"{source} cannot be connected to {target}.")

    def port(self, pattern: str, *, output: bool) -> str:
        """The name of the port that the pattern finds, once it is there."""
        for _ in range(1_000):
            found = self._client.get_ports(pattern, is_midi=True, is_output=output, is_input=not output)
            if found:
                return str(found[0].name)
            wait(0.02)
        raise SystemExit(f"No port {pattern} came.")

    def roll(self) -> None:
        """Start JACK's transport from its beginning."""
        self._client.transport_locate(0)
        self._client.transport_start()

    def halt(self) -> None:
        """Stop JACK's transport."""
        self._client.transport_stop()

    def play(self, script: Iterator[Came]) -> None:
        """Say something as a master, each message at its frame."""
        self._next = next(script, None)
        self._script = script

    @property
    def busy(self) -> bool:
        """Whether something is left to say."""
        return self._next is not None

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()

    def _process(self, frames: int) -> None:
        first = self._client.last_frame_time
        for port, heard in ((self._clock, self.clock), (self._notes, self.notes)):
            for offset, data in port.incoming_midi_events():
                heard.append(Came(first + offset, bytes(data)))
        self._master.clear_buffer()
        while self._next is not None and self._next.frame < first + frames:
            self._master.write_midi_event(max(0, self._next.frame - first), self._next.data)
            self._next = next(self._script, None)

    def _xrun(self, _: float) -> None:
        self.xruns += 1


def wait(seconds: float) -> None:
    """Let time pass while JACK's thread works."""
    threading.Event().wait(seconds)


@contextmanager
def lab() -> Iterator[Lab]:
    """A lab on the server of the environment."""
    # Each cycle runs Python, which must not wait for another thread for longer than a cycle.
    sys.setswitchinterval(0.000_5)
    gc.disable()
    one = Lab()
    try:
        yield one
    finally:
        one.close()


def clocks_of(heard: list[Came]) -> Frames:
    """The frames of the clocks since the last Start."""
    last = max((index for index, came in enumerate(heard) if came.data[0] == START), default=0)
    return np.array([came.frame for came in heard[last:] if came.data[0] == CLOCK], dtype=np.float64)


def onsets_of(heard: list[Came]) -> Frames:
    """The frames of the note-ons."""
    return np.array([came.frame for came in heard if came.data[0] & 0xF0 == 0x90 and came.data[2]], dtype=np.float64)
