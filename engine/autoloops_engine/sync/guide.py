"""Leads the player along a sync source, and tells how well that goes. Pure."""

from typing import Final

from autoloops_engine.messages import Adopt, Continue, FromPlayer, Locate, SetTempo, Start, Stop, SyncState, ToPlayer
from autoloops_engine.player.core import Player
from autoloops_engine.player.outlets import Emission
from autoloops_engine.sync.source import Request, SourceState, SyncSource
from autoloops_engine.units import US_PER_MS

_REPORT_US: Final = 250 * US_PER_MS
# A clock of 999 BPM ticks four hundred times a second: changes are looked for less often.
_LOOK_US: Final = 20 * US_PER_MS


class Guide:
    """Stands between the shell and the player.

    Thread: the player's timing thread only. Blocks: never.

    Args:
        player: The player; the shell goes on attaching its sinks there.
        source: Who gives tempo and position.
        now_us: The present time.
    """

    def __init__(self, player: Player, source: SyncSource, now_us: int) -> None:
        self._player = player
        self._source = source
        self._due_us = now_us
        self._look_us = now_us
        self._told: tuple[bool, int, str, bool] | None = None
        self._messages: list[FromPlayer] = []
        source.take_up(player.line, now_us, playing=player.playing)

    def handle(self, message: ToPlayer, now_us: int) -> None:
        """Take a message from the main process; ``advance`` to ``now_us`` comes first."""
        if isinstance(message, Start | Continue | Stop | Locate | SetTempo):
            if self._player.waiting or not self._source.request(self._asked(message), now_us):
                self._player.handle(message, now_us)
                self._take_up(now_us)
            return
        self._player.handle(message, now_us)
        if isinstance(message, Adopt):
            self._take_up(now_us)

    def advance(self, now_us: int) -> list[Emission]:
        """Everything due by ``now_us``, per sink in order of time."""
        emissions = self._player.advance(now_us)
        if self._player.waiting:
            # What the source has to say is for a player that knows where it is.
            return emissions
        commands = self._source.poll(now_us)
        for command in commands:
            self._player.follow(command, now_us)
        self._report(now_us)
        return emissions + self._player.advance(now_us) if commands else emissions

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has to be called next."""
        source_us = None if self._player.waiting else self._source.next_poll_us()
        times_us = (self._player.next_deadline_us(), source_us)
        return min((time_us for time_us in times_us if time_us is not None), default=None)

    def take_messages(self) -> list[FromPlayer]:
        """What the main process has to be told since the last call."""
        messages, self._messages = self._messages, []
        return self._player.take_messages() + messages

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    def _asked(self, request: Request) -> Request:
        """A request in the beats of the source, which at half or double time are not those of the song."""
        return Locate(self._player.master_at(request.position_ub)) if isinstance(request, Locate) else request

    def _take_up(self, now_us: int) -> None:
        if not self._player.waiting:
            self._source.take_up(self._player.line, now_us, playing=self._player.playing)

    def _report(self, now_us: int) -> None:
        """Say how the source is, at once when something changed and four times a second."""
        if now_us < self._look_us:
            return
        self._look_us = now_us + _LOOK_US
        state = self._source.state(now_us)
        telling = (state.locked, state.peers, state.remark, state.holds_tempo)
        if telling == self._told and now_us < self._due_us:
            return
        self._told = telling
        self._due_us = now_us + _REPORT_US
        self._messages.append(self._sync_state(state, now_us))

    def _sync_state(self, state: SourceState, now_us: int) -> SyncState:
        return SyncState(
            self._source.name,
            state.tempo_bpm,
            self._player.phase_error_us(now_us),
            state.jitter_us,
            state.locked,
            state.peers,
            state.remark,
            state.holds_tempo,
        )
