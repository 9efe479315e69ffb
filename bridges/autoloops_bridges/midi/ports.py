"""Opens MIDI ports by the best system that is there. Drivers are imported only when they are tried."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple, Protocol

from autoloops_bridges.midi.apis import (
    ALSA,
    ALSA_SEQUENCER,
    JACK,
    QUANTISED,
    candidates,
    jack_server_files,
    rtmidi_missing,
)
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Sink

NONE: Final = "none"


class MidiSink(Sink, Protocol):
    """A sink that knows whether its MIDI system is still there."""

    @property
    def alive(self) -> bool:
        """Whether it can be played to; once false it stays so."""


class MidiSource(Protocol):
    """Where MIDI comes from."""

    @property
    def name(self) -> str:
        """What to call it towards the performer."""

    @property
    def alive(self) -> bool:
        """Whether anything can come from it; once false it stays so."""

    def read(self) -> list[MidiIn]:
        """Everything that came since the last call, in order; never blocks."""

    def close(self) -> None:
        """Let go of the port."""


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


def open_output(api: str | None, name: str) -> OpenedOutput:
    """Open the port that ``name`` means, on ``api`` or else the first system that has it.

    Args:
        api: ``alsa``, ``jack``, ``coremidi`` or ``winmm``; none: each of the platform in turn.
        name: ``virtual`` for a port of our own, ``none`` for no port, else part of a port's name.

    Raises:
        UsageError: there is no such system.
    """
    failures: list[str] = []
    for candidate in () if name == NONE else candidates(sys.platform, api):
        try:
            return _open_output_on(candidate, name)
        except PortError as error:
            failures.append(str(error))
    return OpenedOutput(None, tuple(dict.fromkeys(failures)))


def open_input(api: str | None, name: str, wake: Callable[[], None]) -> OpenedInput:
    """Open the port that ``name`` means, as ``open_output`` does.

    Args:
        api: A MIDI system; none: each of the platform in turn.
        name: ``virtual``, ``none`` or part of a port's name.
        wake: Called from a driver's thread when something came in; must not block.

    Raises:
        UsageError: there is no such system.
    """
    failures: list[str] = []
    for candidate in () if name == NONE else candidates(sys.platform, api):
        try:
            return _open_input_on(candidate, name, wake)
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


def _open_output_on(api: str, name: str) -> OpenedOutput:
    if api == JACK:
        driver = _jack_client()
        if driver is not None:
            return OpenedOutput(driver.JackOutput(name), ())
        return OpenedOutput(_rtmidi(api).RtMidiOutput(api, name), (QUANTISED,))
    return OpenedOutput(_rtmidi(api).RtMidiOutput(api, name), ())


def _open_input_on(api: str, name: str, wake: Callable[[], None]) -> OpenedInput:
    driver = _jack_client() if api == JACK else None
    if driver is not None:
        return OpenedInput(driver.JackInput(name, wake), ())
    return OpenedInput(_rtmidi(api).RtMidiInput(api, name, wake), ())


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
