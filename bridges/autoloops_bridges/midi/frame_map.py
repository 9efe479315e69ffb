"""Monotonic time to frames of an audio server and back. Pure.

A server's clock is seen only at the entry of each process cycle, which is sometimes late but never early: the least
late entry of a window of cycles tells how far the map is off. Below half a millisecond nothing is corrected, so that
equal beats are equally many frames apart; what creeps beyond is slewed out; and where the server stood still for a
moment (a dropout), the map jumps with it as soon as a second window confirms it.
"""

from typing import Final

from autoloops_engine.units import US_PER_S

WINDOW_US: Final = 25_000
MIN_WINDOW_CYCLES: Final = 8
SETTLING_WINDOWS: Final = 16
TOLERANCE_US: Final = 500.0
CALM_US: Final = 50.0
JUMP_US: Final = 250.0
SLEW: Final = 250e-6
_WRAP: Final = 1 << 32


class FrameMap:
    """The line between the frames of a server and the monotonic clock.

    Thread: ``observe`` belongs to one at a time, ``enter`` to the cycles of any client, and the rest to everybody.
    Blocks: no.
    """

    def __init__(self, samplerate_hz: int) -> None:
        """A map for a server that counts ``samplerate_hz`` frames a second, by its own clock."""
        self._us_per_frame = US_PER_S / samplerate_hz
        self._keeper: object = None
        # The last frame as the server counts it and unwrapped, and a point of the line: each pair is changed at once.
        self._seen: tuple[int, int] | None = None
        self._anchor = (0, 0.0)
        self._window_start_us = 0
        self._window_cycles = 0
        self._least_us = 0.0
        # What is left of the error after the last correction, and whether the window since seemed to jump.
        self._error_us = 0.0
        self._suspect = False
        self._settling = 0
        self._slewing = False

    def enter(self, client: object, raw_frame: int, entry_us: int) -> int:
        """As ``observe``, for several clients of one server: the first one's cycles keep the map for all.

        Args:
            client: Whose cycle it is.
            raw_frame: As of ``observe``.
            entry_us: As of ``observe``.
        """
        if self._keeper is None:
            self._keeper = client
        if self._keeper is client or self._seen is None:
            return self.observe(raw_frame, entry_us)
        return _unwrapped(raw_frame, *self._seen)

    def leave(self, client: object) -> None:
        """There are no more cycles of this client."""
        if self._keeper is client:
            self._keeper = None

    def observe(self, raw_frame: int, entry_us: int) -> int:
        """A cycle that begins at ``raw_frame`` (32 bits, wrapping) was entered at ``entry_us``.

        Returns:
            The frame on the unwrapped scale that ``frame_at`` uses.
        """
        if self._seen is None:
            self._seen = (raw_frame, raw_frame)
            self._restart(raw_frame, entry_us)
            return raw_frame
        frame = _unwrapped(raw_frame, *self._seen)
        self._seen = (raw_frame, frame)
        error_us = entry_us - self._us(frame)
        if error_us < self._error_us - JUMP_US:
            # No entry is early: the server skipped frames, or stood still for less long than it seemed.
            self._restart(frame, entry_us)
            return frame
        self._least_us = min(self._least_us, error_us) if self._window_cycles else error_us
        self._window_cycles += 1
        if self._window_cycles >= MIN_WINDOW_CYCLES and entry_us - self._window_start_us >= WINDOW_US:
            self._end_window(frame, entry_us)
        return frame

    def frame_at(self, at_us: int) -> int:
        """The frame that sounds at ``at_us``, rounded to the nearest."""
        anchor_frame, anchor_us = self._anchor
        return anchor_frame + round((at_us - anchor_us) / self._us_per_frame)

    def us_at(self, frame: int) -> int:
        """The monotonic time of ``frame``."""
        return round(self._us(frame))

    def _us(self, frame: int) -> float:
        anchor_frame, anchor_us = self._anchor
        return anchor_us + (frame - anchor_frame) * self._us_per_frame

    def _end_window(self, frame: int, entry_us: int) -> None:
        """Move the line by what the least late entry of this window says."""
        error_us = self._least_us
        elapsed_us = entry_us - self._window_start_us
        self._window_start_us = entry_us
        self._window_cycles = 0
        if self._settling:
            self._settling -= 1
            self._shift(frame, error_us, error_us)
        elif error_us <= self._error_us + JUMP_US:
            self._suspect = False
            self._shift(frame, self._slew(error_us, elapsed_us), error_us)
        elif self._suspect:
            self._suspect = False
            self._shift(frame, error_us, error_us)
        else:
            self._suspect = True

    def _shift(self, frame: int, shift_us: float, error_us: float) -> None:
        if shift_us:
            self._anchor = (frame, self._us(frame) + shift_us)
        self._error_us = error_us - shift_us

    def _slew(self, error_us: float, elapsed_us: int) -> float:
        """The share of a creeping error to take out now."""
        if not self._slewing and abs(error_us) <= TOLERANCE_US:
            return 0.0
        limit_us = SLEW * elapsed_us
        shift_us = max(-limit_us, min(limit_us, error_us))
        self._slewing = abs(error_us - shift_us) > CALM_US
        return shift_us

    def _restart(self, frame: int, entry_us: int) -> None:
        self._anchor = (frame, float(entry_us))
        self._window_start_us = entry_us
        self._window_cycles = 0
        self._error_us = 0.0
        self._suspect = False
        self._settling = SETTLING_WINDOWS
        self._slewing = False


def _unwrapped(raw_frame: int, seen_raw: int, seen_frame: int) -> int:
    """The frame next to one that was seen."""
    return seen_frame + (raw_frame - seen_raw + _WRAP // 2) % _WRAP - _WRAP // 2
