"""What keys do: the performer's small desk in front of the surface."""

from typing import Final

from autoloops_engine.errors import UsageError
from autoloops_engine.session.surface import Surface, Target, Value
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM

_FIRES: Final = {"f": "new", "v": "vary"}
_STEPS_BPM: Final = {"+": 1, "-": -1}


class Desk:
    """Turns keys into what any other controller could do.

    Thread: the owner's only. Blocks: no.

    Attributes:
        selected: The part that keys act on, from 0.
    """

    def __init__(self, surface: Surface) -> None:
        self.selected = 0
        self._surface = surface

    def press(self, key: str, now_us: int, *, playing: bool) -> None:
        """Do what a key says; one without a meaning does nothing.

        Args:
            key: A character.
            now_us: When.
            playing: Whether time runs, so that one key can start and stop.
        """
        parts = self._surface.parts()
        # The part that was selected may have left.
        self.selected = max(0, min(self.selected, len(parts) - 1))
        if key == " ":
            self._act(Target("stop" if playing else "start"), (), now_us)
        elif key in _FIRES and parts:
            self._act(Target("fire", parts[self.selected]), (_FIRES[key],), now_us)
        elif key == "m" and parts:
            (muted,) = self._surface.get(Target("mute", parts[self.selected]))
            self._set(Target("mute", parts[self.selected]), (int(not muted),), now_us)
        elif key in _STEPS_BPM:
            (tempo_bpm,) = self._surface.get(Target("tempo"))
            wanted_bpm = round(float(tempo_bpm)) + _STEPS_BPM[key]
            self._set(Target("tempo"), (min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, wanted_bpm)),), now_us)
        elif key == "t":
            self._act(Target("tap"), (), now_us)
        elif key == "p":
            self._act(Target("panic"), (), now_us)
        elif key.isdecimal() and 1 <= int(key) <= len(parts):
            self.selected = int(key) - 1

    def _set(self, target: Target, values: tuple[Value, ...], now_us: int) -> None:
        try:
            self._surface.set(target, values, now_us)
        except UsageError:
            # As below: a master may hold the tempo.
            return

    def _act(self, target: Target, values: tuple[Value, ...], now_us: int) -> None:
        try:
            self._surface.act(target, values, now_us)
        except UsageError:
            # The surface in front of the session has noted what was refused.
            return
