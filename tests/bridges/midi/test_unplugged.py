"""A port by RtMidi that is unplugged is noticed by its name; on JACK nobody asks."""

from types import SimpleNamespace
from typing import Any

import pytest

from autoloops_bridges.midi.apis import ALSA, COREMIDI, JACK
from autoloops_engine.errors import PortError

rtmidi_ports = pytest.importorskip("autoloops_bridges.midi.rtmidi_ports")


class Plugs:
    """What RtMidi lists, and what was opened of it."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.opened: list[str] = []

    def get_ports(self) -> list[str]:
        return self.names

    def open_port(self, index: int, own_name: str) -> None:
        self.opened.append(self.names[index])

    def open_virtual_port(self, own_name: str) -> None:
        self.opened.append(own_name)


def opened(plugs: Plugs, api: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(rtmidi_ports, "_create", lambda kind, api: plugs)
    return rtmidi_ports.RtMidiOutput(api, wanted)


def test_a_port_that_is_unplugged_is_dead_and_found_again_by_its_stable_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plugs = Plugs("Midi Through:Port-0 14:0", "USB Synth:MIDI 1 20:0")
    port = opened(plugs, ALSA, "usb", monkeypatch)
    assert port.again == "USB Synth:MIDI 1"
    port.look()
    assert port.alive
    del plugs.names[1]
    port.look()
    assert not port.alive
    plugs.names.append("USB Synth:MIDI 1 24:0")
    assert opened(plugs, ALSA, port.again, monkeypatch).alive
    assert plugs.opened == ["USB Synth:MIDI 1 20:0", "USB Synth:MIDI 1 24:0"]


def test_a_port_of_our_own_cannot_be_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    port = opened(Plugs(), COREMIDI, "virtual", monkeypatch)
    port.look()
    assert port.alive
    assert port.again == "virtual"


def test_on_jack_the_list_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plugs = Plugs("synth:in")
    port = opened(plugs, JACK, "synth", monkeypatch)
    assert port.frail
    plugs.get_ports = SimpleNamespace  # type: ignore[method-assign,assignment]
    port.look()
    assert port.alive


def test_a_system_that_lists_no_ports_is_said_in_a_sentence_and_the_port_is_not_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> list[str]:
        raise rtmidi_ports.rtmidi.RtMidiError("error looking for ports")

    plugs = Plugs("synth:in")
    port = opened(plugs, ALSA, "synth", monkeypatch)
    plugs.get_ports = fail  # type: ignore[method-assign]
    with pytest.raises(PortError, match="does not list its ports"):
        port.look()
    assert port.alive
