"""Which of the things that happen on stage are worth a line of the log, and how often. Pure."""

from collections.abc import Iterable
from typing import Final, Protocol

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.stats import Figure, Named
from autoloops_engine.messages import Frozen, PortsState

# Counters that grow only when something is not as it should be.
TROUBLE: Final = frozenset(
    {
        "dropped",
        "osc_malformed",
        "osc_refused",
        "osc_dropped",
        "osc_too_far",
        "midi_garbage",
        "midi_refused",
        "wire_dropped",
        "lines_dropped",
        "restarts",
    }
)


class Log(Protocol):
    """Where events go."""

    def event(self, kind: str, **facts: object) -> None:
        """Note that something happened."""


class Diary:
    """Notes starts, ports, misses, fallbacks, failures and trouble with input.

    What can come a thousand times a second (refused and malformed messages) is noted as what ``counted`` finds new,
    with the last one as an example.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._misses = 0
        self._trouble: dict[str, Figure] = {}

    def started(self, options: PlayOptions, osc: tuple[str, int], budget_us: int, generation: int) -> None:
        """A performance begins, or goes on with main process number ``generation``, from 0."""
        self._log.event(
            "start",
            parts=options.parts,
            models=options.models,
            tempo_bpm=options.tempo_bpm,
            seed=options.seed,
            osc=osc,
            budget_us=budget_us,
            generation=generation,
        )

    def ports(self, ports: PortsState) -> None:
        """The player told which ports it has."""
        self._log.event("ports", outputs=ports.outputs, inputs=ports.inputs, remarks=ports.remarks)

    def froze(self, frozen: Frozen, misses: int) -> None:
        """A bar cannot change any more; ``misses`` have been counted until now."""
        fallback = frozen.origin not in {"fresh", "splice"}
        if misses == self._misses and not fallback:
            return
        kind = "fallback" if fallback else "miss"
        late_us = frozen.at_us - frozen.due_us
        self._log.event(
            kind, part=frozen.part, bar=frozen.song_bar + 1, origin=frozen.origin, misses=misses, late_us=late_us
        )
        self._misses = misses

    def failed(self, reason: str) -> None:
        """A model could not be run, or something else went wrong."""
        self._log.event("error", reason=reason)

    def restarted(self, name: str, generation: int, cause: str) -> None:
        """A process that died, and why, was replaced by number ``generation``, from 0."""
        self._log.event("restart", process=name, generation=generation, cause=cause)

    def counted(self, figures: Iterable[Named], example: str) -> None:
        """Compare the counters with those of the last call, and note which of the bad ones grew.

        Args:
            figures: All counters.
            example: What was refused last.
        """
        trouble = {name: figure for name, figure in figures if name in TROUBLE}
        grown = {name: figure - self._trouble.get(name, 0) for name, figure in trouble.items()}
        grown = {name: growth for name, growth in grown.items() if growth > 0}
        if grown:
            facts: dict[str, object] = dict(grown)
            self._log.event("trouble", example=example, **facts)
        self._trouble = trouble

    def ended(self, figures: Iterable[Named]) -> None:
        """The performance is over; all counters are noted."""
        self._log.event("end", **dict(figures))
