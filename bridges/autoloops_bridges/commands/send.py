"""``autoloops send``: one OSC message to the running engine, and what it answers."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from autoloops_bridges.commands.link import LARGEST_DATAGRAM, connect, reaching, unpack
from autoloops_bridges.control.dispatch import Command, Router, is_begun
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.codec import Message
from autoloops_bridges.processes.options import DEFAULT_OSC_PORT
from autoloops_engine.errors import AutoLoopsError

PATIENCE_S: Final = 1.0
QUIET_S: Final = 0.05
# What is only begun when it is asked for has failed by then, if it fails.
OUTCOME_S: Final = 1.0
# The engine sees the same files.
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Value = int | float | str


def send(
    address: Annotated[str, typer.Argument(help="What to set, ask or do, for example /al/tempo.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARG", help="Numbers or words.")] = None,
    osc_host: Annotated[str, typer.Option(help="Host on which the engine listens.")] = "127.0.0.1",
    osc_port: Annotated[int, typer.Option(min=1, max=65_535, help="UDP port.")] = DEFAULT_OSC_PORT,
) -> None:
    """Send one OSC message to the engine.

    What it answers is printed: a value without arguments asks, as in "autoloops send /al/tempo".
    Models and files are loaded, and what was played in is taken up, while the music goes on: for a second it waits
    whether that fails; later failures are told where play runs, and to listeners.
    Numbers are sent as numbers, negative ones too: "autoloops send /al/melody/z/1 -0.5".
    """
    if not address.startswith("/"):
        raise typer.BadParameter(f"An OSC address starts with a slash, unlike {address!r}.", param_hint="ADDRESS")
    values = [parse_value(word) for word in arguments or ()]
    if osc_host in _HERE and address.endswith("/load"):
        values = [_whole_path(value) for value in values]
    refusals = []
    for name, answer in converse(osc_host, osc_port, address, values):
        if name == "/al/error":
            refusals.append(" ".join(show_value(value) for value in answer[1:]))
        else:
            typer.echo(" ".join([name, *(show_value(value) for value in answer)]))
    if refusals:
        raise AutoLoopsError(f"{address}: {'; '.join(refusals)}")


def _whole_path(value: Value) -> Value:
    """The name of a file in this folder as the engine finds it, which was started in another; else what it was."""
    return str(Path(value).absolute()) if isinstance(value, str) and Path(value).is_file() else value


def parse_value(word: str) -> Value:
    """A word of the command line as OSC sends it: an integer of at most 64 bits, a finite float, or text."""
    for kind in (int, float):
        try:
            value = kind(word)
        except ValueError:
            continue
        if isinstance(value, int) and value.bit_length() > 63:
            continue
        if math.isfinite(value) and "_" not in word:
            return value
    return word


def show_value(value: object) -> str:
    """A value as it can be typed; OSC floats have about seven digits."""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def converse(host: str, port: int, address: str, values: Sequence[Value]) -> Iterator[Message]:
    """Send a message and yield what comes back until the engine has dealt with it.

    A ping goes behind the message, and the engine answers in order; but long answers come in several bursts, so the
    conversation ends when nothing more has come for a while after the pong: a longer one if the engine has only begun
    what was asked for and not refused it.

    Raises:
        PortError: nothing answers there.
    """
    token = f"send-{os.getpid()}"
    command = Router().dispatch(address, values)
    quiet_s = OUTCOME_S if isinstance(command, Command) and is_begun(command) else QUIET_S
    answered, deadline = False, time.monotonic() + PATIENCE_S
    with reaching(host, port), connect(host, port) as link:
        link.send(codec.encode(address, values))
        link.send(codec.encode("/al/ping", [token]))
        while True:
            link.settimeout(max(1e-6, deadline - time.monotonic()))
            try:
                datagram = link.recv(LARGEST_DATAGRAM)
            except TimeoutError:
                if answered:
                    return
                raise
            for message in unpack(datagram):
                if message == ("/al/pong", (token,)):
                    answered = True
                else:
                    if message.address == "/al/error":
                        quiet_s = QUIET_S
                    yield message
            if answered:
                deadline = time.monotonic() + quiet_s
