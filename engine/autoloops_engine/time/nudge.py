"""A shift of the music in time that is reached little by little, so that nobody hears a jump."""

from typing import Final

from msgspec import Struct

# One microsecond of shift in so many: five per cent of tempo, which a band follows and nobody hears as a slip.
SLEW_STEP: Final = 20


class Nudge(Struct, frozen=True, array_like=True):
    """How much later the music sounds than its line says; negative: earlier. Whole microseconds, so it can be undone.

    Attributes:
        since_us: When the shift began to change, in monotonic time.
        from_us: The shift until then.
        to_us: The shift in the end.
    """

    since_us: int = 0
    from_us: int = 0
    to_us: int = 0

    @property
    def until_us(self) -> int:
        """When the shift is reached."""
        return self.since_us + abs(self.to_us - self.from_us) * SLEW_STEP

    def shift_us(self, time_us: int) -> int:
        """The shift at a monotonic time."""
        if time_us <= self.since_us:
            return self.from_us
        if time_us >= self.until_us:
            return self.to_us
        moved_us = (time_us - self.since_us) // SLEW_STEP
        return self.from_us + (moved_us if self.to_us > self.from_us else -moved_us)

    def line_us(self, time_us: int) -> int:
        """The time on the line that sounds at ``time_us``; it never goes backwards."""
        return time_us - self.shift_us(time_us)

    def sounding_us(self, line_us: int) -> int:
        """When ``line_us`` sounds: the first time at which ``line_us`` has caught up with it."""
        if line_us <= self.since_us - self.from_us:
            return line_us + self.from_us
        if line_us >= self.until_us - self.to_us:
            return line_us + self.to_us
        step = SLEW_STEP - 1 if self.to_us > self.from_us else SLEW_STEP + 1
        passed_us = (line_us - self.since_us + self.from_us) * SLEW_STEP // step
        time_us = self.since_us + passed_us
        while self.line_us(time_us) >= line_us:
            time_us -= 1
        while self.line_us(time_us) < line_us:
            time_us += 1
        return time_us

    def by(self, shift_us: int, now_us: int) -> "Nudge":
        """So much later still (negative: earlier), from ``now_us`` on."""
        return Nudge(now_us, self.shift_us(now_us), self.to_us + shift_us)
