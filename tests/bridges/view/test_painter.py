"""The painter: what goes to the terminal, and that a terminal that stands still holds up nothing."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from rich.text import Text
from tests.bridges.view.staging import part, shown

from autoloops_bridges.view.painter import Canvas, Painter, _terminal_size
from autoloops_bridges.view.render import rows
from autoloops_bridges.view.screen import ENTER, LEAVE

PATIENCE_S = 5.0
SIZE = (80, 24)


class TestCanvas:
    def test_the_first_frame_is_whole_and_the_next_only_what_changed(self) -> None:
        canvas = Canvas()
        first = canvas.paint([Text("one  "), Text("two  ")], (5, 2))
        assert first == b"\x1b[1;1Hone  \x1b[2;1Htwo  "
        assert canvas.paint([Text("one  "), Text("2    ")], (5, 2)) == b"\x1b[2;1H2    "
        assert canvas.paint([Text("one  "), Text("2    ")], (5, 2)) == b""

    @pytest.mark.parametrize(
        "odd", ["\n", "\r\n", "\t", "\x1b[2J", "\x9b2J", "\x85", "\u2028", "\u202e", "\x00", "\udce9"]
    )
    def test_text_of_others_breaks_no_row_and_commands_no_terminal(self, odd: str) -> None:
        text = f"one{odd}two"
        snapshot = shown(part("melody"), control=text, remarks=(text,), outputs=(text,), following=text)
        painted = Canvas().paint(rows(snapshot, *SIZE), SIZE).decode()
        assert painted.count("two") == 4
        assert odd not in painted

    def test_another_size_paints_all_anew(self) -> None:
        canvas = Canvas()
        canvas.paint([Text("one")], (3, 1))
        assert canvas.paint([Text("one"), Text("two")], (3, 2)) == b"\x1b[1;1Hone\x1b[2;1Htwo"

    def test_what_others_wrote_on_the_screen_is_painted_over_before_long(self) -> None:
        canvas = Canvas()
        frames = [canvas.paint([Text("one")], (3, 1)) for _ in range(30)]
        assert sum(frame != b"" for frame in frames) == 3

    def test_a_colour_alone_is_a_change(self) -> None:
        canvas = Canvas()
        canvas.paint([Text("one", "red")], (3, 1))
        assert b"one" in canvas.paint([Text("one", "green")], (3, 1))

    def test_without_colours_there_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert b"\x1b[31m" not in Canvas().paint([Text("one", "red")], (3, 1))


class Pipe:
    """A terminal of which the test holds the other end."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.terminal = open(writing, "wb", buffering=0)  # noqa: PTH123, SIM115

    def fill(self) -> None:
        """Let it take nothing more."""
        os.set_blocking(self.terminal.fileno(), False)
        while self.terminal.write(b"." * 4096) is not None:
            pass
        os.set_blocking(self.terminal.fileno(), True)

    def read_until(self, what: bytes) -> bytes:
        data = b""
        while what not in data:
            data += os.read(self.reading, 65536)
        return data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.terminal.close()
    os.close(pipe.reading)


def wait_for(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s
        threading.Event().wait(0.005)


class TestPainter:
    def test_it_enters_draws_and_leaves(self, pipe: Pipe) -> None:
        painter = Painter(pipe.terminal, lambda: SIZE)
        assert pipe.read_until(ENTER).startswith(ENTER)
        painter.show(shown(part("melody")))
        drawn = pipe.read_until(b"\x1b[24;1H")
        assert b"melody" in drawn
        painter.close(PATIENCE_S)
        assert pipe.read_until(LEAVE).endswith(LEAVE)

    def test_a_terminal_that_takes_nothing_holds_up_neither_showing_nor_closing(self, pipe: Pipe) -> None:
        pipe.fill()
        painter = Painter(pipe.terminal, lambda: SIZE)
        begun_s = time.monotonic()
        for at in range(1_000):
            painter.show(shown(part(f"bar{at}")))
        assert painter.busy
        painter.close(0.1)
        assert time.monotonic() - begun_s < 1.0
        # Whoever reads again is back on the first screen, and saw nothing of what is long past.
        drawn = pipe.read_until(LEAVE)
        assert drawn.endswith(LEAVE)
        assert b"bar1" not in drawn

    def test_a_terminal_that_goes_away_ends_the_drawing_only(self, pipe: Pipe) -> None:
        def gone() -> tuple[int, int]:
            raise OSError("no such device")

        painter = Painter(pipe.terminal, gone)
        painter.show(shown(part("melody")))
        wait_for(lambda: not painter.busy)
        painter.show(shown(part("melody")))
        painter.close(PATIENCE_S)
        assert painter.busy

    def test_a_terminal_that_was_never_told_its_size_is_drawn_on_all_the_same(
        self, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "get_terminal_size", lambda terminal: os.terminal_size((0, 0)))
        painter = Painter(pipe.terminal, _terminal_size)
        painter.show(shown(part("melody")))
        assert b"melody" in pipe.read_until(b"melody")
        painter.close(PATIENCE_S)
