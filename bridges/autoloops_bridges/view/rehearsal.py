"""A performance without a clock that is watched like a real one: for the picture in the README, and for tests."""

from collections.abc import Mapping, Sequence

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.view.desk import Desk
from autoloops_bridges.view.snapshot import Snapshot, Watch, snapshot
from autoloops_bridges.view.watched import LastMove, WatchedSurface
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.requests import Decoded, Failed
from autoloops_engine.messages import FromPlayer, PlayerStats, ToPlayer
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup


class Rehearsal:
    """Session, player, decoders and view on a clock that only its owner moves.

    Args:
        options: What the performer asked for, a seed among it.
        setups: The parts.
        decoders: A decoder for each of them.
        decode_us: How long each decode takes on that clock; a bar's budget is three times as long for each part.
    """

    def __init__(
        self, options: PlayOptions, setups: Sequence[PartSetup], decoders: Mapping[str, Decoder], *, decode_us: int = 0
    ) -> None:
        self.watch = Watch(options, (options.osc_host, options.osc_port))
        self.watch.decode_us = decode_us
        self.session = _Overheard(self.watch, setups, options.seed or 0, options.tempo_bpm)
        self.budget_us = 3 * decode_us * len(setups)
        self.session.set_budget(self.budget_us)
        self.now_us = 0
        self.performance = Performance(self.session, decoders, options.tempo_bpm, decode_us=lambda _: decode_us)
        self._last = LastMove()
        self._desk = Desk(WatchedSurface(self.session, self._last, lambda: "the keyboard"))

    def press(self, keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self._desk.press(key, self.now_us, playing=self.session.playing)
            self.performance.settle()

    def run_until(self, until_us: int) -> None:
        """Play on up to ``until_us``."""
        self.performance.run_until(until_us)
        self.now_us = until_us

    def run_to(self, position_ub: int) -> None:
        """Play on up to a position of the song that is ahead; time must be running."""
        while self.watch.position_ub(self.now_us) < position_ub:
            assert self.watch.transport is not None
            self.run_until(max(self.now_us + 1, self.watch.transport.song.time_of(position_ub)))

    def shown(self) -> Snapshot:
        """What the view shows at this moment."""
        player = self.performance.player
        return snapshot(
            self.session,
            self.watch,
            self.now_us,
            selected=self._desk.selected,
            budget_us=self.budget_us,
            listeners=0,
            stats=PlayerStats(0, 0, (), player.fallbacks, player.dropped, player.bars),
            move=self._last.move,
        )


class _Overheard(Session):
    """A session whose messages the watch hears."""

    def __init__(self, watch: Watch, parts: Sequence[PartSetup], seed: int, tempo_bpm: float) -> None:
        super().__init__(parts, seed, tempo_bpm)
        self._watch = watch
        self._at_us = 0

    def on_answer(self, answer: Decoded | Failed, now_us: int) -> None:
        self._at_us = now_us
        super().on_answer(answer, now_us)

    def take_messages(self) -> list[ToPlayer]:
        messages = super().take_messages()
        for message in messages:
            # What carries a time that is of interest, a bar, follows an answer of the decoder.
            self._watch.sent(message, self._at_us)
        return messages

    def on_player(self, message: FromPlayer) -> None:
        super().on_player(message)
        self._watch.heard(message)
