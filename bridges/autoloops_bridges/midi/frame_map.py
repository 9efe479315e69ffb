"""Monotonic time to frames of an audio server and back. Pure.

A server's clock is seen only at the entry of each process cycle, which is sometimes late but never early. So the
least late entry of a window of cycles tells how far the map is off; a first-order loop then takes the difference out
(F. Adriaensen, Using a DLL to filter time, 2005, with the minimum in place of the mean).
"""

from typing import Final

from autoloops_engine.units import US_PER_S

WINDOW_US: Final = 50_000
MIN_WINDOW_CYCLES: Final = 8
STEP_US: Final = 500
GAIN: Final = 0.25
_WRAP: Final = 1 << 32


class FrameMap:
    """The line between the frames of a server and the monotonic clock.

    Thread: one at a time. Blocks: no.
    """

    def __init__(self, samplerate_hz: int) -> None:
        """A map for a server that counts ``samplerate_hz`` frames a second, by its own clock."""
        self._us_per_frame = US_PER_S / samplerate_hz
        self._raw = 0
        self._frame = 0
        self._anchor_frame = 0
        self._anchor_us = 0.0
        self._known = False
        self._window_start_us = 0
        self._window_cycles = 0
        self._least_us = 0.0

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
        if error_us < -STEP_US:
            # No entry is early: the server skipped frames.
            self._restart(entry_us)
            return self._frame
        self._least_us = min(self._least_us, error_us) if self._window_cycles else error_us
        self._window_cycles += 1
        if self._window_cycles >= MIN_WINDOW_CYCLES and entry_us - self._window_start_us >= WINDOW_US:
            self._correct(entry_us)
        return self._frame

    def frame_at(self, at_us: int) -> int:
        """The frame that sounds at ``at_us``, rounded to the nearest."""
        return self._anchor_frame + round((at_us - self._anchor_us) / self._us_per_frame)

    def us_at(self, frame: int) -> int:
        """The monotonic time of ``frame``."""
        return round(self._us(frame))

    def _us(self, frame: int) -> float:
        return self._anchor_us + (frame - self._anchor_frame) * self._us_per_frame

    def _correct(self, entry_us: int) -> None:
        """Take a share of the least error out; all of it if the server stood still for a while."""
        gain = 1.0 if self._least_us > STEP_US else GAIN
        self._anchor_us = self._us(self._frame) + gain * self._least_us
        self._anchor_frame = self._frame
        self._window_start_us = entry_us
        self._window_cycles = 0

    def _restart(self, entry_us: int) -> None:
        self._anchor_frame = self._frame
        self._anchor_us = float(entry_us)
        self._window_start_us = entry_us
        self._window_cycles = 0
