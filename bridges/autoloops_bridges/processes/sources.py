"""The sync source that ``--sync`` asks for. Drivers are imported only when they are asked for."""

import importlib.util
from collections.abc import Callable
from typing import Final

from autoloops_bridges.processes.options import PlayOptions, Sync
from autoloops_engine.errors import PortError
from autoloops_engine.sync.jack import JackSource
from autoloops_engine.sync.link import LinkSource
from autoloops_engine.sync.midi_clock import MidiClock
from autoloops_engine.sync.source import Internal, SyncSource

JACK_MISSING: Final = (
    "The JACK transport needs JACK-Client, which is not installed; run `pip install 'autoloops[jack]'`."
)


def check_source(sync: Sync) -> None:
    """See that what a source needs is installed, without joining anything.

    Raises:
        PortError: it is not; the sentence says how to get it.
    """
    if sync == "link":
        from autoloops_bridges.link.session import check_installed

        check_installed()
    if sync == "jack" and importlib.util.find_spec("jack") is None:
        raise PortError(JACK_MISSING)


def open_source(options: PlayOptions, generation: int, now_us: int, wake: Callable[[], None]) -> SyncSource:
    """The source of tempo and position for a player process.

    A driver whose library or server is missing is no reason to stop: it says so in the remark of its state.

    Args:
        options: What the performer asked for.
        generation: 0 for the first player; a later one goes on with what the former one played.
        now_us: The present time.
        wake: Called from other threads when the source is to be polled; must not block.
    """
    starts_itself = generation == 0 and not options.stopped
    match options.sync:
        case "midi":
            return MidiClock()
        case "link":
            from autoloops_bridges.link.session import AbletonLink

            link = AbletonLink(options.tempo_bpm, options.quantum_beats)
            return LinkSource(link, options.quantum_beats, now_us, starts_itself=starts_itself)
        case "jack":
            from autoloops_bridges.midi.jack_transport import Transport

            leads = options.jack_timebase
            transport = Transport(options.tempo_bpm, wake, leads=leads)
            return JackSource(transport, leads=leads, starts_itself=starts_itself)
        case _:
            return Internal()
