"""The addresses of time, from OSC or a pad to what the player is told."""

import pytest

from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router, address_of
from autoloops_bridges.processes.controllers import Controllers
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Locate, MidiIn, NudgeBy, SetMultiple, SetPart, SetTempo, ToPlayer
from autoloops_engine.session.core import Session
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Values
from autoloops_engine.testing import StubDecoder
from autoloops_engine.time.swing import Swing
from autoloops_engine.units import UB_PER_BEAT

RIG = """
[[map]]
source = "note"
number = 36
target = "/al/tap"
"""


def session() -> Session:
    made = Session([PartSetup("melody", 1, latent_space(StubDecoder().manifest), 2)], 7, 120.0)
    made.take_messages()
    return made


def send(subject: Session, address: str, *arguments: object) -> list[ToPlayer]:
    command = Router().dispatch(address, arguments)
    assert isinstance(command, Command), command
    assert address_of(command.target) == address
    if command.action is Action.ACT:
        subject.act(command.target, command.values, 0)
    else:
        assert command.action is Action.SET
        subject.set(command.target, command.values, 0)
    return subject.take_messages()


def ask(subject: Session, address: str) -> Values:
    command = Router().dispatch(address, ())
    assert isinstance(command, Command)
    assert command.action is Action.ASK
    return subject.get(command.target)


@pytest.mark.parametrize(
    ("address", "arguments", "told"),
    [
        ("/al/tempo", (128,), SetTempo(128.0)),
        ("/al/tempo", ("128", 8), SetTempo(128.0, 8 * UB_PER_BEAT)),
        ("/al/position", (16,), Locate(16 * UB_PER_BEAT)),
        ("/al/nudge", (-12.5,), NudgeBy(-12_500)),
        ("/al/sync/multiple", (0.5,), SetMultiple(0.5)),
        ("/al/swing", (66.0,), SetPart("melody", 1, 2, swing=Swing(66.0, 16))),
        ("/al/swing", (66.0, 8.0), SetPart("melody", 1, 2, swing=Swing(66.0, 8))),
        ("/al/melody/swing", (58, 8), SetPart("melody", 1, 2, swing=Swing(58.0, 8))),
        ("/al/melody/offset", (-20,), SetPart("melody", 1, 2, offset_us=-20_000)),
    ],
)
def test_what_is_sent_reaches_the_player(address: str, arguments: tuple[object, ...], told: ToPlayer) -> None:
    assert send(session(), address, *arguments) == [told]


def test_what_was_set_is_answered() -> None:
    subject = session()
    for address, arguments in (
        ("/al/tempo", (133.0,)),
        ("/al/swing", (60.0, 8)),
        ("/al/melody/swing", (70.0, 16)),
        ("/al/melody/offset", (7.5,)),
        ("/al/sync/multiple", (2.0,)),
    ):
        send(subject, address, *arguments)
        assert ask(subject, address) == arguments
    assert ask(subject, "/al/position") == (0.0,)


@pytest.mark.parametrize("line", ["/al/nudge", "/al/tempo 128 8 1", "/al/nudge 1001", "/al/sync/multiple 3"])
def test_what_makes_no_sense_is_refused_at_the_door(line: str) -> None:
    address, *arguments = line.split()
    assert isinstance(Router().dispatch(address, arguments), Refusal)


def test_how_following_goes_cannot_be_set() -> None:
    assert isinstance(Router().dispatch("/al/sync/state", (1,)), Refusal)


def test_taps_on_a_pad_count_by_the_stamps_of_the_driver() -> None:
    """However late the main process reads them."""
    subject = session()
    controllers = Controllers(PlayOptions(rig=RIG), subject, lambda status: None)
    for tap in range(4):
        came = MidiIn("pad", bytes((0x99, 36, 100)), 1_000_000 + tap * 400_000)
        controllers.receive(came, came.at_us + tap % 2 * 35_000)
    told = [message for message in subject.take_messages() if isinstance(message, SetTempo)]
    assert told[-1].tempo_bpm == pytest.approx(150.0)
