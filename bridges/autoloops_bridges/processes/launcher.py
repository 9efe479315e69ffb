"""``autoloops play``: a thin parent that starts the two processes, replaces the one that dies and ends them together.

``autoloops replay`` has a process that plays a record in the player's place, and no main.

::

    parent ──life line──▶ main ◀──wire──▶ player
       └─────life line────────────────────▶ ┘
            UDP socket: main receives and answers, the player sends timed events
            shared memory: heartbeats, sounding notes, connections, session

A child whose life line closes ends every note and leaves, so the parent's death, however sudden, is the end of both.
The parent keeps both ends of the wire and the UDP socket, so that a successor finds them as they were.
"""

import contextlib
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from types import FrameType
from typing import Final, NamedTuple

from msgspec.structs import replace

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.osc.addresses import udp_addresses
from autoloops_bridges.processes.birth import give_birth
from autoloops_bridges.processes.options import Address, PlayOptions
from autoloops_bridges.processes.shared import open_shared
from autoloops_bridges.processes.supervisor import HUNG_MAIN_US, HUNG_PLAYER_US, Watch, cause_of
from autoloops_bridges.view.keys import Keyboard
from autoloops_bridges.view.screen import can_show
from autoloops_engine.errors import PortError

MAIN: Final = "main"
PLAYER: Final = "player"
# Enough for the bursts of a busy surface while a model is loaded.
_RECEIVE_BUFFER_BYTES: Final = 4 << 20
_LEAVE_S: Final = 3.0
_MAX_SEED: Final = 2**31 - 1
_TICK_S: Final = 0.05
# A first process that dies this often before it ever worked will not work at all.
_HOPELESS: Final = 3


class _Death(NamedTuple):
    name: str
    generation: int


class _Signal(NamedTuple):
    number: int


def launch(options: PlayOptions) -> int:
    """Play until told to end or until what was asked for has sounded.

    Returns:
        The exit status: 0 after an orderly end.

    Raises:
        PortError: the OSC port cannot be had, or a host to send to is not known.
        AutoLoopsError: there is no room for the shared memory.
    """
    if options.seed is None:
        options = replace(options, seed=secrets.randbelow(_MAX_SEED + 1))
    if not can_show():
        options = replace(options, plain=True)
    happened: queue.SimpleQueue[_Death | _Signal] = queue.SimpleQueue()
    _watch_signals(happened)
    with bind_osc(options.osc_host, options.osc_port) as osc:
        options = replace(options, osc_send=tuple(resolved(each, osc.family) for each in options.osc_send))
        family = _Family(options, osc, happened)
        keyboard = None if options.plain else Keyboard(family.press, lambda: happened.put(_Signal(signal.SIGINT)))
        try:
            return family.live()
        finally:
            family.part()
            if keyboard is not None:
                keyboard.close()


class _Family:
    """The two children, with what they share."""

    def __init__(
        self, options: PlayOptions, osc: socket.socket, happened: "queue.SimpleQueue[_Death | _Signal]"
    ) -> None:
        self._options = options
        self._osc = osc
        self._happened = happened
        self._shared = open_shared(osc.getsockname()[1])
        self._shared.begin()
        for_main, for_player = socket.socketpair()
        self._wires = {MAIN: for_main, PLAYER: for_player}
        self._watches = {PLAYER: Watch(HUNG_PLAYER_US), MAIN: Watch(HUNG_MAIN_US)}
        self._modules = {PLAYER: PLAYER, MAIN: MAIN}
        # Whose orderly end is the end of all.
        self._head = MAIN
        if options.replay is not None:
            self._head, self._modules[PLAYER] = PLAYER, "replayer"
            del self._watches[MAIN]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lives: dict[str, socket.socket] = {}
        self._due_us = dict.fromkeys(self._watches, 0)
        # Why the last one ended, and how long it had been silent if that is why it was killed.
        self._causes = dict.fromkeys(self._watches, "")
        self._silent_us: dict[str, int] = {}
        self._has_terminal = os.isatty(0)

    def live(self) -> int:
        """Until a signal comes or a child ends for good; the exit status."""
        while True:
            now_us = monotonic_us()
            for name, due_us in list(self._due_us.items()):
                if now_us >= due_us:
                    del self._due_us[name]
                    self._bear(name)
            try:
                event = self._happened.get(timeout=_TICK_S)
            except queue.Empty:
                if self._has_terminal and not os.isatty(0):
                    # The terminal went away; under make nobody passes its signal on.
                    return 0
                self._end_the_hung()
                continue
            if isinstance(event, _Signal):
                return 0
            status = self._bury(event)
            if status is not None:
                return status

    def press(self, keys: bytes) -> None:
        """Hand keys on to main, from any thread; while there is none they are lost."""
        try:
            self._lives[MAIN].send(keys)
        except (KeyError, OSError):
            return

    def part(self) -> None:
        """Let both end their notes and leave; who does not in time is ended."""
        for life in self._lives.values():
            life.close()
        for child in self._children.values():
            try:
                child.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._shared.end()

    def _bear(self, name: str) -> None:
        watch = self._watches[name]
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        sockets = {"osc": self._osc, "wire": self._wires[name], "life": theirs}
        module = f"autoloops_bridges.processes.{self._modules[name]}"
        watch.born(monotonic_us())
        child = give_birth(module, self._options, str(self._shared.path), watch.generation, self._causes[name], sockets)
        theirs.close()
        if name in self._lives:
            self._lives[name].close()
        self._lives[name] = ours
        self._children[name] = child
        death = _Death(name, watch.generation)
        threading.Thread(target=self._wait, args=(child, death), daemon=True).start()

    def _wait(self, child: subprocess.Popen[bytes], death: _Death) -> None:
        child.wait()
        self._happened.put(death)

    def _end_the_hung(self) -> None:
        now_us = monotonic_us()
        for name, watch in self._watches.items():
            child = self._children.get(name)
            alive = child is not None and name not in self._due_us
            beat_us = self._shared.last_beat_us(name)
            if child is not None and alive and watch.is_hung(beat_us, now_us):
                self._silent_us[name] = now_us - max(beat_us, watch.born_us)
                child.kill()

    def _bury(self, death: _Death) -> int | None:
        """A child is gone: the exit status if that is the end, else its successor is on its way."""
        watch, child = self._watches[death.name], self._children[death.name]
        if death.name == self._head and child.returncode == 0:
            return 0
        self._causes[death.name] = cause_of(child.returncode, self._silent_us.pop(death.name, None))
        worked = self._shared.last_beat_us(death.name) >= watch.born_us
        if death.name == self._head and child.returncode == 1 and death.generation == 0 and not worked:
            # It said on standard error what is wrong.
            return 1
        pause_us = watch.died(worked=worked)
        if watch.failures == watch.generation >= _HOPELESS:
            sys.stderr.write(f"The {death.name} process dies whenever it starts; `autoloops doctor` tells more.\n")
            return 1
        self._due_us[death.name] = monotonic_us() + pause_us
        return None


def bind_osc(host: str, port: int) -> socket.socket:
    """The UDP socket on which OSC comes in and from which it goes out.

    Raises:
        PortError: the address is not ours or the port is taken.
    """
    try:
        family, address = udp_addresses(host, port)[0]
        with contextlib.ExitStack() as unless_bound:
            osc = unless_bound.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            osc.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            osc.bind(address)
            unless_bound.pop_all()
    except OSError as error:
        raise PortError(
            f"OSC cannot listen on {host}:{port} ({error.strerror}); "
            "end whatever uses it, or choose another with --osc-port (0 takes a free one)."
        ) from error
    osc.setblocking(False)
    return osc


def resolved(address: Address, family: int) -> Address:
    """The address as a number that a socket of ``family`` can send to: once it plays, nobody waits for a name server.

    Raises:
        PortError: there is no such host, or none that the socket can send to.
    """
    try:
        found = udp_addresses(address.host, address.port)
    except OSError as error:
        raise PortError(f"There is no host {address.host} ({error.strerror}); check --osc-send.") from error
    fitting = [each for each in found if each.family == family]
    if not fitting:
        kind, listen = ("IPv4", "127.0.0.1") if family == socket.AF_INET else ("IPv6", "::1")
        raise PortError(
            f"{address.host} has no {kind} address, and OSC goes by {kind} when --osc-host is one such as {listen}; "
            "change --osc-send or --osc-host."
        )
    return Address(str(fitting[0].address[0]), address.port)


def _watch_signals(happened: "queue.SimpleQueue[_Death | _Signal]") -> None:
    def heard(number: int, frame: FrameType | None) -> None:
        happened.put(_Signal(number))

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), heard)
