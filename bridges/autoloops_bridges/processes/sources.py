"""The sync source that ``--sync`` asks for. Drivers are imported only when they are asked for."""

from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.sync.link import LinkSource
from autoloops_engine.sync.midi_clock import MidiClock
from autoloops_engine.sync.source import Internal, SyncSource


def open_source(options: PlayOptions, generation: int, now_us: int) -> SyncSource:
    """The source of tempo and position for a player process.

    A driver whose library or server is missing is no reason to stop: it says so in the remark of its state.
    """
    match options.sync:
        case "midi":
            return MidiClock()
        case "link":
            from autoloops_bridges.link.session import AbletonLink

            link = AbletonLink(options.tempo_bpm, options.quantum_beats)
            starts_itself = generation == 0 and not options.stopped
            return LinkSource(link, options.quantum_beats, now_us, starts_itself=starts_itself)
        case _:
            return Internal()
