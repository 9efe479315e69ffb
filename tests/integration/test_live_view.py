"""The live view in a real terminal: what is drawn, what keys do, and in which state the terminal is left."""

import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from tests.integration.conftest import END_S, Require, ended

PATIENCE_S = 30.0
LOOK_S = 0.05
PLAY = (sys.executable, "-m", "autoloops_bridges", "play", "--midi-out", "none", "--midi-in", "none", "--seed", "5")
NOTES = re.compile("[▀▄█]")
# The ruler, and the first row of the roll below the digits.
FIRST_ROLL_ROW = 4


class Pane:
    """A terminal of 80 times 24 characters in which a shell runs."""

    def __init__(self, tmux: str, path: str) -> None:
        self._tmux = [tmux, "-u", "-S", path, "-f", os.devnull]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PS1": "$ ", "OMP_NUM_THREADS": "1"}
        environment.pop("TMUX", None)
        self._run("new-session", "-d", "-x", "80", "-y", "24", "sh", environment=environment)

    def type(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._run("send-keys", *keys)

    def lines(self) -> list[str]:
        """What is on the screen."""
        return self._run("capture-pane", "-p").splitlines()

    def wait_for(self, condition: Callable[[list[str]], bool], what: str) -> list[str]:
        """Look until the screen is as expected."""
        until_s = time.monotonic() + PATIENCE_S
        while not condition(lines := self.lines()):
            assert time.monotonic() < until_s, f"{what} never came:\n" + "\n".join(lines)
            time.sleep(LOOK_S)
        return lines

    def wait_for_text(self, text: str) -> list[str]:
        """Look until a text is on the screen."""
        return self.wait_for(lambda lines: any(text in line for line in lines), text)

    def play(self, *options: str) -> None:
        """Start the engine and wait until it draws."""
        command = " ".join((*PLAY, "--osc-port", "0", *options))
        self.type("-l", f"{command}; echo status $?")
        self.type("Enter")
        self.wait_for_text("▶ playing")

    def child(self, name: str) -> int:
        """The process id of the parent (``play``), ``main`` or ``player``."""
        shell = int(self._run("display-message", "-p", "#{pane_pid}"))
        (parent,) = children(shell)
        if name == "play":
            return parent
        (pid,) = (pid for pid in children(parent) if f"processes.{name}" in command_line(pid))
        return pid

    def close(self) -> None:
        """End the terminal and all that runs in it."""
        self._run("kill-server")

    def _run(self, *words: str, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run([*self._tmux, *words], capture_output=True, text=True, env=environment, timeout=END_S)
        assert done.returncode == 0, done.stderr
        return done.stdout


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.fixture
def pane(require: Require) -> Iterator[Pane]:
    tmux = require("tmux")
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="al") as folder:
        opened = Pane(tmux, f"{folder}/tmux")
        yield opened
        opened.close()


def ruler(lines: list[str]) -> str:
    return lines[FIRST_ROLL_ROW - 1]


def bar(lines: list[str]) -> int:
    found = re.search(r"bar (\d+)", ruler(lines))
    return int(found[1]) if found else 0


def assert_given_back(pane: Pane) -> None:
    """The shell's own screen is there, with a cursor, and shows what is typed."""
    pane.type("-l", "stty -a | tr ';' ' '; echo given back")
    pane.type("Enter")
    lines = pane.wait_for(lambda lines: any(line == "given back" for line in lines), "an answer of the shell")
    words = " ".join(lines).split()
    assert {"icanon", "echo", "ixon"} <= set(words)
    assert "▶" not in " ".join(lines)
    assert pane._run("display-message", "-p", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]


class TestInATerminal:
    def test_bars_are_drawn_and_the_playhead_moves(self, pane: Pane) -> None:
        pane.play("--tempo", "240")
        first = pane.wait_for(lambda lines: "▼" in ruler(lines) and bar(lines) >= 2, "a playhead")
        assert any(NOTES.search(line) for line in first[FIRST_ROLL_ROW:18])
        assert "▸1 melody" in first[FIRST_ROLL_ROW]
        pane.wait_for(lambda lines: "▼" in ruler(lines) and ruler(lines) != ruler(first), "another place")
        pane.wait_for(lambda lines: bar(lines) > bar(first), "another bar")
        assert all(len(line) <= 80 for line in pane.lines())

    def test_keys_mute_stop_change_the_tempo_and_end(self, pane: Pane) -> None:
        pane.play()
        pane.type("m")
        pane.wait_for_text("MUTED")
        pane.wait_for_text("/al/melody/mute 1 from the keyboard")
        pane.type("m")
        pane.wait_for(lambda lines: not any("MUTED" in line for line in lines), "no mute")
        pane.type("+", "+", "+")
        pane.wait_for_text("/al/tempo 123 from the keyboard")
        pane.type("f")
        pane.wait_for_text("/al/melody/fire new from the keyboard")
        pane.type("Up", "F5", "Space")
        stopped = pane.wait_for_text("■ stopped")
        assert "▼" not in ruler(stopped)
        pane.type("Space")
        pane.wait_for_text("▶ playing")
        pane.type("q")
        pane.wait_for_text("status 0")
        assert_given_back(pane)

    def test_ctrl_c_ends_and_ctrl_z_and_ctrl_s_do_nothing(self, pane: Pane) -> None:
        pane.play("--tempo", "240")
        pane.type("C-z", "C-s")
        now = bar(pane.lines())
        pane.wait_for(lambda lines: bar(lines) > now + 1, "two bars more")
        pane.type("C-c")
        pane.wait_for_text("status 0")
        assert_given_back(pane)

    def test_the_end_of_the_bars_asked_for_gives_the_terminal_back(self, pane: Pane) -> None:
        pane.play("--tempo", "240", "--bars", "3")
        pane.wait_for_text("status 0")
        assert_given_back(pane)

    def test_a_terminal_that_changes_its_size_is_filled_anew(self, pane: Pane) -> None:
        pane.play()
        pane._run("resize-window", "-x", "120", "-y", "30")
        pane.wait_for(lambda lines: len(lines) == 30 and "quit" in lines[29], "keys on the last row")
        pane._run("resize-window", "-x", "50", "-y", "12")
        pane.wait_for(lambda lines: "▶ playing" in lines[0] and "BPM" in lines[0], "a transport in one row")

    def test_a_wrong_model_is_told_on_the_shell_s_screen(self, pane: Pane, tmp_path: Path) -> None:
        command = " ".join((*PLAY, "--osc-port", "0", "--model", f"melody={tmp_path}"))
        pane.type("-l", f"{command}; echo status $?")
        pane.type("Enter")
        lines = pane.wait_for_text("status 1")
        assert "manifest.json is missing" in "".join(lines)
        assert_given_back(pane)

    def test_a_main_process_that_is_replaced_has_its_view_and_its_keys_again(self, pane: Pane) -> None:
        pane.play("--tempo", "240")
        os.kill(pane.child("main"), signal.SIGKILL)
        pane.wait_for_text("was replaced")
        pane.type("m")
        pane.wait_for_text("MUTED")
        now = bar(pane.lines())
        pane.wait_for(lambda lines: bar(lines) > now, "another bar")
        pane.type("q")
        pane.wait_for_text("status 0")
        assert_given_back(pane)

    def test_q_works_while_the_main_process_hangs(self, pane: Pane) -> None:
        pane.play()
        os.kill(pane.child("main"), signal.SIGSTOP)
        pane.type("q")
        pane.wait_for_text("status 0")
        assert_given_back(pane)

    def test_a_parent_that_is_killed_leaves_the_terminal_in_order(self, pane: Pane) -> None:
        pane.play()
        main = pane.child("main")
        os.kill(pane.child("play"), signal.SIGKILL)
        pane.wait_for(lambda _: not Path(f"/proc/{main}").exists(), "the end of main")
        assert_given_back(pane)

    def test_in_the_background_it_prints_lines_and_leaves_the_terminal_alone(self, pane: Pane) -> None:
        pane.type("-l", " ".join((*PLAY, "--osc-port", "0", "--tempo", "480", "--bars", "4")) + " &")
        pane.type("Enter")
        lines = pane.wait_for_text("bar    4  melody")
        assert not any("▶" in line for line in lines)

    def test_plain_prints_lines(self, pane: Pane) -> None:
        pane.type("-l", " ".join((*PLAY, "--osc-port", "0", "--tempo", "480", "--bars", "3", "--plain")))
        pane.type("Enter")
        pane.wait_for_text("bar    3  melody")


def ping(port: int) -> float:
    """How long the engine takes to answer, in seconds."""
    message = OscMessageBuilder("/al/ping").build().dgram
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        # Before the engine is there, a socket of the same address could be given its port and answer itself.
        client.bind(("127.0.0.2", 0))
        client.connect(("127.0.0.1", port))
        begun_s = time.monotonic()
        client.send(message)
        assert client.recv(1024).startswith(b"/al/pong")
        return time.monotonic() - begun_s


def first_ping(port: int) -> None:
    """Ping until the engine is there."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            ping(port)
            return
        except ConnectionRefusedError:
            assert time.monotonic() < until_s


def takes_more(terminal: int) -> bool:
    """Whether there is room for more on a terminal that nobody reads."""
    return bool(select.select([], [terminal], [], 0)[1])


def test_a_terminal_that_nobody_reads_holds_up_neither_osc_nor_the_end(free_port: int) -> None:
    outer, inner = pty.openpty()
    # Large frames, so that the terminal's buffer is soon full.
    ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 220, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    command = [*PLAY, "--osc-port", str(free_port), "--tempo", "240"]
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=subprocess.DEVNULL, env=environment)
    try:
        first_ping(free_port)
        (main,) = (pid for pid in children(process.pid) if "processes.main" in command_line(pid))
        until_s = time.monotonic() + PATIENCE_S
        while takes_more(inner):
            assert time.monotonic() < until_s
            ping(free_port)
        slowest_s = max(ping(free_port) for _ in range(200))
        assert slowest_s < 0.25
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0
        assert not Path(f"/proc/{main}").exists()
    finally:
        ended(process)
        os.close(outer)
        os.close(inner)
