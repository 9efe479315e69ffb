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

    Thread: one at a time. Blocks: no.
    """

    def __init__(self, samplerate_hz: int) -> None:
        """A map for a server that counts ``samplerate_hz`` frames a second, by its own clock."""
        self._us_per_frame = US_PER_S / samplerate_hz
        self._known = False
        self._raw = 0
        self._frame = 0
        self._anchor_frame = 0
        self._anchor_us = 0.0
        self._window_start_us = 0
        self._window_cycles = 0
        self._least_us = 0.0
        # What is left of the error after the last correction, and whether the window since seemed to jump.
        self._error_us = 0.0
        self._suspect = False
        self._settling = 0
        self._slewing = False

    def observe(self, raw_frame: int, entry_us: int) -> int:
        """A cycle that begins at ``raw_frame`` (32 bits, wrapping) was entered at ``entry_us``.

        Returns:
            The frame on the unwrapped scale that ``frame_at`` uses.
        """
        if not self._known:
            self._known = True
            self._raw = self._frame = raw_frame
            self._restart(entry_us)
            return self._frame
        self._frame += (raw_frame - self._raw + _WRAP // 2) % _WRAP - _WRAP // 2
        self._raw = raw_frame
        error_us = entry_us - self._us(self._frame)
        if error_us < self._error_us - JUMP_US:
            # No entry is early: the server skipped frames, or stood still for less long than it seemed.
            self._restart(entry_us)
            return self._frame
        self._least_us = min(self._least_us, error_us) if self._window_cycles else error_us
        self._window_cycles += 1
        if self._window_cycles >= MIN_WINDOW_CYCLES and entry_us - self._window_start_us >= WINDOW_US:
            self._end_window(entry_us)
        return self._frame

    def frame_at(self, at_us: int) -> int:
        """The frame that sounds at ``at_us``, rounded to the nearest."""
        return self._anchor_frame + round((at_us - self._anchor_us) / self._us_per_frame)

    def us_at(self, frame: int) -> int:
        """The monotonic time of ``frame``."""
        return round(self._us(frame))

    def _us(self, frame: int) -> float:
        return self._anchor_us + (frame - self._anchor_frame) * self._us_per_frame

    def _end_window(self, entry_us: int) -> None:
        """Move the line by what the least late entry of this window says."""
        error_us = self._least_us
        elapsed_us = entry_us - self._window_start_us
        self._window_start_us = entry_us
        self._window_cycles = 0
        if self._settling:
            self._settling -= 1
            self._shift(error_us, error_us)
        elif error_us <= self._error_us + JUMP_US:
            self._suspect = False
            self._shift(self._slew(error_us, elapsed_us), error_us)
        elif self._suspect:
            self._suspect = False
            self._shift(error_us, error_us)
        else:
            self._suspect = True

    def _shift(self, shift_us: float, error_us: float) -> None:
        if shift_us:
            self._anchor_us = self._us(self._frame) + shift_us
            self._anchor_frame = self._frame
        self._error_us = error_us - shift_us

    def _slew(self, error_us: float, elapsed_us: int) -> float:
        """The share of a creeping error to take out now."""
        if not self._slewing and abs(error_us) <= TOLERANCE_US:
            return 0.0
        limit_us = SLEW * elapsed_us
        shift_us = max(-limit_us, min(limit_us, error_us))
        self._slewing = abs(error_us - shift_us) > CALM_US
        return shift_us

    def _restart(self, entry_us: int) -> None:
        self._anchor_frame = self._frame
        self._anchor_us = float(entry_us)
        self._window_start_us = entry_us
        self._window_cycles = 0
        self._error_us = 0.0
        self._suspect = False
        self._settling = SETTLING_WINDOWS
        self._slewing = False
