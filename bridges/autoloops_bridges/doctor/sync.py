"""Who could give the tempo: the Ableton Link session and the JACK transport of this moment."""

import contextlib
import threading
from collections.abc import Callable
from typing import Final, Protocol

from autoloops_bridges.doctor.finding import Finding, ok, warn
from autoloops_bridges.link.session import DISTRIBUTION, AbletonLink
from autoloops_bridges.processes.options import DEFAULT_QUANTUM_BEATS
from autoloops_engine.errors import PortError
from autoloops_engine.sync.jack import JackState
from autoloops_engine.sync.link import LinkState
from autoloops_engine.units import NS_PER_S

# Peers are looked for twice a second; a server calls hundreds of times.
LINK_S: Final = 0.7
JACK_S: Final = 0.3
_LOOK_S: Final = 0.02
_ANY_TEMPO_BPM: Final = 120.0
_LICENCE: Final = "It is under the GPL: so is what you pass on with it."


class SyncProbes(Protocol):
    """What the checks look through; see ``Probes``."""

    @property
    def version(self) -> Callable[[str], str | None]:
        """Version of an installed distribution, or None."""

    @property
    def link_session(self) -> Callable[[], LinkState]:
        """The Link session of the network."""

    @property
    def jack_transport(self) -> Callable[[], JackState | None]:
        """The transport of the JACK server."""


def link_session() -> LinkState:
    """The Link session of the network, joined for a moment, which changes nothing about it.

    Raises:
        PortError: the library is not installed.
    """
    link = AbletonLink(_ANY_TEMPO_BPM, DEFAULT_QUANTUM_BEATS)
    rest, state = threading.Event(), link.look()
    try:
        for _ in range(round(LINK_S / _LOOK_S)):
            if state.peers:
                break
            rest.wait(_LOOK_S)
            state = link.look()
    finally:
        link.close()
    return state


def jack_transport() -> JackState | None:
    """The transport of the JACK server; None: there is no server, or no JACK-Client."""
    with contextlib.suppress(ImportError, OSError, PortError):
        from autoloops_bridges.midi.jack_transport import TransportClient

        called = threading.Event()
        client = TransportClient(round(60 * NS_PER_S / _ANY_TEMPO_BPM), called.set, called.set)
        try:
            called.wait(JACK_S)
            return client.seen
        finally:
            client.close()
    return None


def check_link(probes: SyncProbes) -> Finding:
    """Ableton Link can be joined, and who is there."""
    version = probes.version(DISTRIBUTION)
    if version is None:
        return ok("Link", "Not installed; only --sync link needs it (extra `link`).")
    try:
        state = probes.link_session()
    except PortError:
        todo = f"Run `pip install --force-reinstall {DISTRIBUTION}`."
        return warn("Link", f"{DISTRIBUTION} {version} cannot be loaded.", todo)
    if not state.peers:
        return ok("Link", f"{DISTRIBUTION} {version}; no peer seen. {_LICENCE}")
    peers = "1 peer" if state.peers == 1 else f"{state.peers} peers"
    tempo_bpm = 60 * NS_PER_S / state.ns_per_beat
    return ok("Link", f"{DISTRIBUTION} {version}; {peers} at {tempo_bpm:.2f} BPM. {_LICENCE}")


def check_transport(probes: SyncProbes) -> Finding:
    """What the JACK transport does, and who tells its beats."""
    state = probes.jack_transport()
    if state is None:
        return ok("JACK transport", "None: there is no JACK server, or no JACK-Client.")
    does = "rolling" if state.rolling else "stopped"
    if not state.foreign:
        return ok("JACK transport", f"It is {does}; nobody is its timebase master.")
    tempo_bpm = 60 * NS_PER_S / state.ns_per_beat
    return ok("JACK transport", f"It is {does}; its timebase master says {tempo_bpm:.2f} BPM.")
