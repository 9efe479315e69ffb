"""How following a master goes, as a line for the performer. Pure."""

from typing import Final

from autoloops_engine.messages import INTERNAL, SyncState
from autoloops_engine.units import US_PER_MS

_MULTIPLES: Final = {0.5: "half time", 2.0: "double time"}


def following_line(sync: SyncState | None, multiple: float) -> str:
    """Source, tempo, phase error, jitter, whether it is locked, and who else is there; "" where we go our own way.

    Args:
        sync: What the player told last; None: nothing yet.
        multiple: How many times the master's tempo we play.
    """
    facts = []
    if sync is not None and sync.source != INTERNAL:
        facts += [
            f"{sync.source} {sync.tempo_bpm:.2f} BPM",
            "locked" if sync.locked else "coasting",
            f"phase {sync.phase_error_us / US_PER_MS:+.1f} ms",
            f"jitter {sync.jitter_us / US_PER_MS:.1f} ms",
        ]
        if sync.peers:
            facts.append(f"{sync.peers} {'peer' if sync.peers == 1 else 'peers'}")
    if multiple in _MULTIPLES:
        facts.append(_MULTIPLES[multiple])
    return "  ".join(facts)


class FollowingNews:
    """Says when following becomes something else. Thread: the owner's only. Blocks: no."""

    def __init__(self) -> None:
        self._told: tuple[bool, int, str] | None = None

    def heard(self, sync: SyncState) -> str:
        """A line where somebody has to be told, else ""."""
        telling = (sync.locked, sync.peers, sync.remark)
        if sync.source == INTERNAL or telling == self._told:
            return ""
        self._told = telling
        return f"sync {following_line(sync, 1.0)}{': ' if sync.remark else ''}{sync.remark}"
