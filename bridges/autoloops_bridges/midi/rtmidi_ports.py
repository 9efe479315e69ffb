"""MIDI ports by RtMidi: ALSA, JACK, CoreMIDI, WinMM. The only file that imports python-rtmidi."""

from collections import deque
from collections.abc import Callable
from typing import Final

import rtmidi

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.apis import ALSA, COREMIDI, JACK, WINMM, api_title
from autoloops_bridges.midi.encode import midi_messages
from autoloops_bridges.midi.names import VIRTUAL, find_port, stable_name
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event

CLIENT_NAME: Final = "AutoLoops"
MAX_INCOMING: Final = 4096
# CoreMIDI shows the port's name alone, the others put the client's before it.
_OWN_OUT: Final = {COREMIDI: CLIENT_NAME}
_OWN_IN: Final = {COREMIDI: CLIENT_NAME + " in"}
_NUMBERS: Final = {
    ALSA: rtmidi.API_LINUX_ALSA,
    JACK: rtmidi.API_UNIX_JACK,
    COREMIDI: rtmidi.API_MACOSX_CORE,
    WINMM: rtmidi.API_WINDOWS_MM,
}


def _create(kind: "type[rtmidi.MidiOut | rtmidi.MidiIn]", api: str) -> "rtmidi.MidiOut | rtmidi.MidiIn":
    """A client of ``api``; never without naming one, since RtMidi does not fall back by itself.

    Raises:
        PortError: this build lacks the system, or the system is not running.
    """
    if _NUMBERS[api] not in rtmidi.get_compiled_api():
        raise PortError(f"This python-rtmidi was built without {api_title(api)}; use another --midi-api.")
    try:
        return kind(_NUMBERS[api], name=CLIENT_NAME)
    except rtmidi.RtMidiError:
        raise PortError(
            f"{api_title(api)} is not running or has no MIDI; start it, or use another --midi-api."
        ) from None


def _open(port: "rtmidi.MidiOut | rtmidi.MidiIn", api: str, wanted: str, own_name: str) -> str:
    """Open what ``wanted`` names, and answer what to call it.

    Raises:
        PortError: there is no such port, or virtual ports do not exist here.
    """
    try:
        if wanted == VIRTUAL:
            port.open_virtual_port(own_name)
            return f"{api_title(api)} {CLIENT_NAME}:{own_name}"
        names = port.get_ports()
        index = find_port(names, wanted)
        if index is None:
            raise PortError(
                f"{api_title(api)} has no MIDI port whose name contains {wanted!r}; `autoloops ports` lists them."
            )
        port.open_port(index, own_name)
        return f"{api_title(api)} {stable_name(names[index])}"
    except NotImplementedError:
        raise PortError(
            f"{api_title(api)} has no virtual ports; name a port with --midi-out or --midi-in, "
            "or install a loopback such as loopMIDI."
        ) from None
    except rtmidi.RtMidiError as error:
        raise PortError(f"{api_title(api)} did not open the port: {error}; close what else uses it.") from None


def output_names(api: str) -> list[str]:
    """The ports of ``api`` that can be played to.

    Raises:
        PortError: the system is not there.
    """
    return _names(rtmidi.MidiOut, api)


def input_names(api: str) -> list[str]:
    """The ports of ``api`` that can be listened to.

    Raises:
        PortError: the system is not there.
    """
    return _names(rtmidi.MidiIn, api)


def _names(kind: "type[rtmidi.MidiOut | rtmidi.MidiIn]", api: str) -> list[str]:
    port = _create(kind, api)
    try:
        return [name for name in _listed(port, api) if not name.startswith(CLIENT_NAME)]
    finally:
        port.delete()


def _listed(port: "rtmidi.MidiOut | rtmidi.MidiIn", api: str) -> list[str]:
    """The stable names of all ports.

    Raises:
        PortError: the system does not list them.
    """
    try:
        return [stable_name(name) for name in port.get_ports()]
    except rtmidi.RtMidiError as error:
        raise PortError(f"{api_title(api)} does not list its ports: {error}; see that it runs.") from None


class _Port:
    """One port with what is needed to notice that it went away and to find it again.

    On JACK nothing is noticed, and nothing may be tried: once the server is gone, a new RtMidi object crashes the
    process and sending stands still for good after some minutes. The parent sees a player that stands still, kills it,
    and its successor opens the ports anew (see ``MidiPort.frail``).
    """

    def __init__(self, port: "rtmidi.MidiOut | rtmidi.MidiIn", api: str, wanted: str, own_name: str) -> None:
        """Open it.

        Raises:
            PortError: it cannot be had; ``port`` is deleted.
        """
        self.alive = True
        self._port = port
        self._api = api
        try:
            self._name = _open(port, api, wanted, own_name)
        except PortError:
            port.delete()
            raise
        self._peer = "" if wanted == VIRTUAL else self._name.removeprefix(f"{api_title(api)} ")

    @property
    def name(self) -> str:
        """What to call it towards the performer."""
        return self._name

    @property
    def again(self) -> str:
        """What to open to get it back: ``virtual``, or a name that outlives unplugging."""
        return self._peer or VIRTUAL

    @property
    def cables(self) -> tuple[str, ...]:
        """Connections of these systems belong to who made them."""
        return ()

    @property
    def joined(self) -> int:
        """These systems do not tell."""
        return 0

    @property
    def frail(self) -> bool:
        """See ``MidiPort.frail``."""
        return self._api == JACK

    def look(self) -> tuple[str, ...]:
        """Notice whether the port it was opened on is still listed.

        Raises:
            PortError: the system does not tell.
        """
        if self._peer and not self.frail and self.alive:
            # The same object that sends is asked: python-rtmidi keeps the interpreter lock, so the two never meet.
            self.alive = self._peer in _listed(self._port, self._api)
        return ()


class RtMidiOutput(_Port):
    """A sink that sends each event when it is handed over.

    Thread: the player's. Blocks: no, as long as the MIDI system lives.
    """

    def __init__(self, api: str, wanted: str, own: str = "") -> None:
        """Open a virtual port (``virtual``) or the one that ``wanted`` names.

        Args:
            api: A MIDI system.
            wanted: Part of a port's name, or ``virtual``.
            own: What our own port is called; empty: as the one that plays.

        Raises:
            PortError: it cannot be had.
        """
        self.failed = 0
        own_name = f"{own} out" if own else _OWN_OUT.get(api, "out")
        super().__init__(_create(rtmidi.MidiOut, api), api, wanted, own_name)

    @property
    def lead_us(self) -> int:
        """None: what is handed over leaves at once."""
        return 0

    def send(self, event: Event, now_us: int) -> None:
        """Send one event; a failure is counted."""
        for data in midi_messages(event):
            self.send_raw(data)

    def send_raw(self, data: bytes) -> None:
        """Send one message that is no music; a failure is counted."""
        try:
            self._port.send_message(data)
        except (rtmidi.RtMidiError, ValueError):
            self.failed += 1

    def flush(self, now_us: int) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Let go of the port."""
        self.alive = False
        self._port.close_port()
        self._port.delete()


class RtMidiInput(_Port):
    """A source that stamps each message at the entry of the driver's callback.

    Thread: ``read`` and ``close`` are the player's; RtMidi's thread only calls ``_receive``.
    """

    def __init__(self, api: str, wanted: str, wake: Callable[[], None], own: str = "") -> None:
        """Open a virtual port (``virtual``) or the one that ``wanted`` names.

        Args:
            api: A MIDI system.
            wanted: Part of a port's name, or ``virtual``.
            wake: Called from RtMidi's thread when something came; must not block.
            own: What our own port is called; empty: as the one that controls.

        Raises:
            PortError: it cannot be had.
        """
        self.dropped = 0
        self._wake = wake
        self._incoming: deque[MidiIn] = deque()
        self._name = ""
        port = _create(rtmidi.MidiIn, api)
        # Active sensing says nothing to us and comes three times a second; all else is wanted, clock and sysex too.
        port.ignore_types(sysex=False, timing=False, active_sense=True)
        port.set_callback(self._receive)
        super().__init__(port, api, wanted, f"{own} in" if own else _OWN_IN.get(api, "in"))

    def read(self) -> list[MidiIn]:
        """Everything that came since the last call, in order."""
        taken = []
        while self._incoming:
            taken.append(self._incoming.popleft())
        return taken

    def close(self) -> None:
        """Let go of the port."""
        self.alive = False
        self._port.cancel_callback()
        self._port.close_port()
        self._port.delete()

    def _receive(self, event: tuple[list[int], float], data: object) -> None:
        at_us = monotonic_us()
        if len(self._incoming) >= MAX_INCOMING:
            self.dropped += 1
            return
        self._incoming.append(MidiIn(self._name, bytes(event[0]), at_us))
        self._wake()
