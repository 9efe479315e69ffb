"""Opens MIDI ports by the best system that is there. Drivers are imported only when they are tried."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol

from autoloops_bridges.midi.apis import (
    ALSA,
    ALSA_SEQUENCER,
    JACK,
    QUANTISED,
    candidates,
    jack_server_files,
    rtmidi_missing,
)
from autoloops_bridges.midi.names import NONE
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Sink


class MidiPort(Protocol):
    """A port that may go away and come back."""

    @property
    def name(self) -> str:
        """What to call it towards the performer."""

    @property
    def alive(self) -> bool:
        """Whether its MIDI system and the port it was opened on are still there; once false it stays so."""

    @property
    def again(self) -> str:
        """What to open to get it back: ``virtual``, or a name that outlives unplugging."""

    @property
    def cables(self) -> tuple[str, ...]:
        """The ports that it is or was connected to, and will be again when they are back; JACK only."""

    @property
    def joined(self) -> int:
        """How often another port was connected to it, as far as its system tells."""

    @property
    def frail(self) -> bool:
        """Whether opening another port in this process may crash it."""

    def look(self) -> tuple[str, ...]:
        """Find out what changed and mend the connections; a sentence for each change. May block.

        Raises:
            PortError: the system does not tell; it may later.
        """

    def close(self) -> None:
        """Let go of the port; every note was ended before."""


class MidiSink(MidiPort, Sink, Protocol):
    """A port to play to."""

    def send_raw(self, data: bytes) -> None:
        """Send one MIDI message that is no music, at once; it never raises and never blocks."""


class MidiSource(MidiPort, Protocol):
    """A port to listen to."""

    def read(self) -> list[MidiIn]:
        """Everything that came since the last call, in order; never blocks."""


class OpenedOutput(NamedTuple):
    """The port to play to, if there is one, and a sentence for each thing to tell the performer."""

    sink: MidiSink | None
    remarks: tuple[str, ...]


class OpenedInput(NamedTuple):
    """The port to listen to, if there is one, and a sentence for each thing to tell the performer."""

    source: MidiSource | None
    remarks: tuple[str, ...]


class PortList(NamedTuple):
    """The ports of one MIDI system, or the sentence that says why there are none."""

    api: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    remark: str


def _nothing() -> None:
    """Nobody wants to know."""


def open_output(
    api: str | None,
    name: str,
    former: tuple[str, ...] | None = None,
    changed: Callable[[], None] = _nothing,
    own: str = "",
) -> OpenedOutput:
    """Open the port that ``name`` means, on ``api`` or else the first system that has it.

    Args:
        api: ``alsa``, ``jack``, ``coremidi`` or ``winmm``; none: each of the platform in turn.
        name: ``virtual`` for a port of our own, ``none`` for no port, else part of a port's name.
        former: ``cables`` of the port that this one replaces.
        changed: Called from a driver's thread when ``look`` would find something; must not block.
        own: What to call our own port towards others; empty: it is the one that plays.

    Raises:
        UsageError: there is no such system.
    """
    failures: list[str] = []
    for candidate in () if name == NONE else candidates(sys.platform, api):
        try:
            return _open_output_on(candidate, name, former, changed, own)
        except PortError as error:
            failures.append(str(error))
    return OpenedOutput(None, tuple(dict.fromkeys(failures)))


def open_input(
    api: str | None,
    name: str,
    wake: Callable[[], None],
    former: tuple[str, ...] | None = None,
    changed: Callable[[], None] = _nothing,
    own: str = "",
) -> OpenedInput:
    """Open the port that ``name`` means, as ``open_output`` does.

    Args:
        api: A MIDI system; none: each of the platform in turn.
        name: ``virtual``, ``none`` or part of a port's name.
        wake: Called from a driver's thread when something came in; must not block.
        former: As of ``open_output``.
        changed: As of ``open_output``.
        own: As of ``open_output``.

    Raises:
        UsageError: there is no such system.
    """
    failures: list[str] = []
    for candidate in () if name == NONE else candidates(sys.platform, api):
        try:
            return _open_input_on(candidate, name, wake, former, changed, own)
        except PortError as error:
            failures.append(str(error))
    return OpenedInput(None, tuple(dict.fromkeys(failures)))


def list_ports() -> list[PortList]:
    """The ports of every MIDI system of this platform."""
    lists = []
    for api in candidates(sys.platform, None):
        try:
            lists.append(_list_on(api))
        except PortError as error:
            lists.append(PortList(api, (), (), str(error)))
    return lists


def _open_output_on(
    api: str, name: str, former: tuple[str, ...] | None, changed: Callable[[], None], own: str
) -> OpenedOutput:
    if api == JACK:
        driver = _jack_client()
        if driver is not None:
            return OpenedOutput(driver.JackOutput(name, former, changed, own), ())
        return OpenedOutput(_rtmidi(api).RtMidiOutput(api, name, own), (QUANTISED,))
    return OpenedOutput(_rtmidi(api).RtMidiOutput(api, name, own), ())


def _open_input_on(
    api: str,
    name: str,
    wake: Callable[[], None],
    former: tuple[str, ...] | None,
    changed: Callable[[], None],
    own: str,
) -> OpenedInput:
    driver = _jack_client() if api == JACK else None
    if driver is not None:
        return OpenedInput(driver.JackInput(name, wake, former, changed, own), ())
    return OpenedInput(_rtmidi(api).RtMidiInput(api, name, wake, own), ())


def _list_on(api: str) -> PortList:
    driver = _jack_client() if api == JACK else None
    if driver is not None:
        return PortList(api, tuple(driver.output_names()), tuple(driver.input_names()), "")
    rtmidi = _rtmidi(api)
    return PortList(api, tuple(rtmidi.output_names(api)), tuple(rtmidi.input_names(api)), "")


def _jack_client() -> ModuleType | None:
    """The driver by JACK-Client; none if it is not installed or finds no JACK library."""
    try:
        return importlib.import_module("autoloops_bridges.midi.jack_ports")
    except (ImportError, OSError):
        return None


def _rtmidi(api: str) -> ModuleType:
    """The driver by RtMidi.

    Raises:
        PortError: it cannot be loaded, or the system it would open is not there.
    """
    # RtMidi would find out as well, but the libraries below it print pages about it.
    if api == ALSA and not Path(ALSA_SEQUENCER).exists():
        raise PortError("ALSA's sequencer is not there; load it with `sudo modprobe snd-seq`, or use JACK.")
    if api == JACK and sys.platform.startswith("linux") and not _jack_server_runs():
        raise PortError("No JACK server is running; start one (jackd or QjackCtl).")
    try:
        return importlib.import_module("autoloops_bridges.midi.rtmidi_ports")
    except ImportError as error:
        raise PortError(rtmidi_missing(error, sys.platform)) from None


def _jack_server_runs() -> bool:
    pattern = Path(jack_server_files(os.environ.get("JACK_DEFAULT_SERVER", "default")))
    return any(pattern.parent.glob(pattern.name))
