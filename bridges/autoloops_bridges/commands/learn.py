"""``autoloops learn``: MIDI learn with the running engine, step by step in the terminal."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer

from autoloops_bridges.commands.link import LARGEST_DATAGRAM, connect, reaching, unpack
from autoloops_bridges.commands.send import parse_value, show_value
from autoloops_bridges.osc import codec
from autoloops_bridges.processes.options import DEFAULT_OSC_PORT
from autoloops_engine.errors import AutoLoopsError, PortError

STATUS: Final = "/al/learn/status"
# The engine gives up after a minute without a move; then nothing more can come.
PATIENCE_S: Final = 65.0
ANSWER_S: Final = 1.0
_GOOD: Final = frozenset({"learned", "undone", "forgotten"})
_LAST: Final = _GOOD | {"conflict", "cancelled", "failed"}


def learn(
    address: Annotated[
        str,
        typer.Argument(help="What the control is to have, for example /al/melody/knob/3. [default: what is set next]"),
    ] = "",
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARG", help="What a press does, as in /al/melody/fire vary now."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of what the control has already.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Leave the control what it has already.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last change of the mapping back.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Take every mapping to ADDRESS out.")] = False,
    osc_host: Annotated[str, typer.Option(help="Host on which the engine listens.")] = "127.0.0.1",
    osc_port: Annotated[int, typer.Option(min=1, max=65_535, help="UDP port.")] = DEFAULT_OSC_PORT,
) -> None:
    """Give a control of a MIDI controller to a parameter: move it when asked, done.

    The mapping is written into the rig file that play was given. A control that has something already is shown, and
    nothing is changed unless --replace or --both says how.
    """
    if replace + both + undo + forget > 1:
        raise typer.BadParameter("Only one of --replace, --both, --undo and --forget makes sense.")
    if forget and not address:
        raise typer.BadParameter("--forget needs an address.", param_hint="ADDRESS")
    settled = {"replace": replace, "both": both}
    how = next((word for word, chosen in settled.items() if chosen), "")
    values = [parse_value(word) for word in arguments or ()]
    if undo:
        first: tuple[str, Sequence[codec.Argument]] = ("/al/learn/undo", ())
    else:
        first = ("/al/learn/forget", (address,)) if forget else ("/al/learn", (address, *values) if address else ())
    with _listening(osc_host, osc_port) as link:
        link.send(codec.encode(*first))
        _follow(link, how)


def _follow(link: socket.socket, how: str) -> None:
    """Print each step until it is over; a conflict is settled as ``how`` says."""
    for state, target, control, text in _steps(link):
        if state == "conflict" and how:
            link.send(codec.encode(f"/al/learn/{how}", ()))
            continue
        shown = " ".join(filter(None, (target, f"({control})" if control else "")))
        typer.echo(f"{shown}: {text}" if shown else text)
        if state == "conflict":
            link.send(codec.encode("/al/learn/cancel", ()))
            raise AutoLoopsError("Nothing was changed: run it again with --replace or --both.")
        if state in _LAST:
            if state not in _GOOD:
                raise AutoLoopsError("Nothing was learnt.")
            return
    raise PortError("The engine says nothing any more: is autoloops play still running?")


def _steps(link: socket.socket) -> Iterator[tuple[str, str, str, str]]:
    """The steps as the engine tells them.

    Raises:
        AutoLoopsError: the engine refuses.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        link.settimeout(left_s)
        try:
            datagram = link.recv(LARGEST_DATAGRAM)
        except TimeoutError:
            return
        for address, values in unpack(datagram):
            words = [show_value(value) for value in values]
            if address == STATUS and len(words) == 4:
                yield words[0], words[1], words[2], words[3]
                deadline_s = time.monotonic() + PATIENCE_S
            elif address == "/al/error" and words and words[0].startswith("/al/learn"):
                raise AutoLoopsError(" ".join(words[1:]))


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A link that the engine tells everything; whatever was being learnt is cancelled when the command is interrupted.

    Raises:
        PortError: nothing answers there.
    """
    with reaching(host, port), connect(host, port) as link:
        link.send(codec.encode("/al/listen", (1,)))
        link.send(codec.encode("/al/ping", ("learn",)))
        link.settimeout(ANSWER_S)
        while not any(message.address == "/al/pong" for message in unpack(link.recv(LARGEST_DATAGRAM))):
            pass
        try:
            yield link
        except KeyboardInterrupt:
            link.send(codec.encode("/al/learn/cancel", ()))
            raise
        finally:
            link.send(codec.encode("/al/listen", (0,)))
