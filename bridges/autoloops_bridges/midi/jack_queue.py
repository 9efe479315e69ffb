"""What waits to be written to a JACK port, cut into cycles. Pure."""

from collections import deque
from heapq import heappop, heappush
from typing import Final, NamedTuple

from autoloops_bridges.midi.encode import midi_messages
from autoloops_bridges.midi.frame_map import FrameMap
from autoloops_engine.player.events import Event, Kind

# A port holds 32 kB a cycle; what is beyond is lost without a word, and receivers choke on less.
MAX_PER_CYCLE: Final = 256
# Of what is no music, only so much goes before the notes of a cycle.
MAX_RAW_PER_CYCLE: Final = 8


class Write(NamedTuple):
    """One MIDI message and its offset into the cycle, in frames."""

    offset: int
    data: bytes


class JackQueue:
    """Takes events from the player's thread and gives each cycle its share.

    Thread: ``put``, ``put_raw`` and ``is_empty`` belong to the player's thread, ``cycle`` to the server's.
    """

    def __init__(self, frames: FrameMap) -> None:
        self.late = 0
        self.late_max_frames = 0
        self.deferred = 0
        self._frames = frames
        self._incoming: deque[tuple[int, int, bytes]] = deque()
        self._raw: deque[bytes] = deque()
        self._heap: list[tuple[int, int, bytes]] = []
        self._order = 0
        self._last_us: dict[tuple[int, int], int] = {}

    def put(self, event: Event) -> None:
        """Take an event; a note never overtakes what was put in before for the same key, nor a silence any note."""
        at_us = max(event.at_us, self._earliest_us(event))
        for data in midi_messages(event):
            self._last_us[event.channel, event.number] = at_us
            self._order += 1
            self._incoming.append((at_us, self._order, data))

    def put_raw(self, data: bytes) -> None:
        """Take a message that belongs to no time: it leaves with the next cycle that has room."""
        self._raw.append(data)

    def _earliest_us(self, event: Event) -> int:
        if event.kind is not Kind.SILENCE:
            return self._last_us.get((event.channel, event.number), event.at_us)
        before_us = (at_us for (channel, _), at_us in self._last_us.items() if channel == event.channel)
        return max(before_us, default=event.at_us)

    def is_empty(self) -> bool:
        """Whether everything was written."""
        return not self._incoming and not self._heap and not self._raw

    def cycle(self, first_frame: int, length: int) -> list[Write]:
        """What belongs into the cycle of ``length`` frames from ``first_frame`` on, in order of offsets."""
        while self._incoming:
            heappush(self._heap, self._incoming.popleft())
        writes: list[Write] = []
        while self._raw and len(writes) < MAX_RAW_PER_CYCLE:
            writes.append(Write(0, self._raw.popleft()))
        while self._heap:
            offset = self._frames.frame_at(self._heap[0][0]) - first_frame
            if offset >= length:
                break
            if len(writes) == MAX_PER_CYCLE:
                self.deferred += 1
                break
            if offset < 0:
                self.late += 1
                self.late_max_frames = max(self.late_max_frames, -offset)
            writes.append(Write(max(0, offset), heappop(self._heap)[2]))
        return writes
