"""A JACK server that dies while a port is opened leaves a sentence and no client."""

from types import SimpleNamespace
from typing import Any

import pytest

from autoloops_engine.errors import PortError

jack_client = pytest.importorskip("autoloops_bridges.midi.jack_client")
jack_ports = pytest.importorskip("autoloops_bridges.midi.jack_ports")

STEPS = ["set_shutdown_callback", "get_ports", "register", "set_process_callback", "activate"]


class DyingClient:
    """A client whose server dies at one step of opening a port."""

    samplerate = 48_000
    blocksize = 128

    def __init__(self, dies_at: str) -> None:
        self.dies_at = dies_at
        self.closed = 0
        self.midi_outports = self.midi_inports = SimpleNamespace(register=self._register)

    def _register(self, name: str) -> Any:
        self._step("register")
        return SimpleNamespace(name=f"AutoLoops:{name}", is_input=False)

    def __getattr__(self, step: str) -> Any:
        return lambda *_, **__: self._step(step)

    def _step(self, step: str) -> list[str]:
        if step == self.dies_at:
            raise jack_ports.jack.JackError("the server is gone")
        return []

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("dies_at", STEPS)
def test_a_server_that_dies_meanwhile_is_said_in_a_sentence(dies_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = DyingClient(dies_at)
    monkeypatch.setattr(jack_client, "open_client", lambda name: client)
    wanted = "synth" if dies_at == "get_ports" else "virtual"
    with pytest.raises(PortError, match="server went away"):
        jack_ports.JackOutput(wanted)
    assert client.closed == 1
    with pytest.raises(PortError, match="server went away"):
        jack_ports.JackInput(wanted, lambda: None)
    assert client.closed == 2


def test_a_port_that_is_not_there_leaves_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    client = DyingClient("never")
    monkeypatch.setattr(jack_client, "open_client", lambda name: client)
    with pytest.raises(PortError, match="no MIDI port whose name contains 'synth'"):
        jack_ports.JackOutput("synth")
    assert client.closed == 1


def test_a_server_that_dies_while_its_ports_are_listed_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    client = DyingClient("get_ports")
    monkeypatch.setattr(jack_ports, "open_client", lambda name: client)
    with pytest.raises(PortError, match="server went away"):
        jack_ports.output_names()
    assert client.closed == 1
