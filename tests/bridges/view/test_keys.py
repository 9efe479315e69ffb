"""Keys: what a terminal sends, what they do, and that the terminal is given back."""

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.bridges.view.staging import rehearsal

from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.view.desk import Desk
from autoloops_bridges.view.keys import keys_in
from autoloops_bridges.view.watched import LastMove, WatchedSurface
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import SyncState
from autoloops_engine.session.surface import Target

PATIENCE_S = 5.0


class TestKeysIn:
    @pytest.mark.parametrize(
        ("data", "keys"),
        [
            (b" fvmpt+-19", b" fvmpt+-19"),
            (b"=", b"+"),
            (b"M", b"m"),
            (b"xyz0\r\n\t", b""),
            (b"\x1b[A\x1b[1;5Bm", b"m"),
            (b"\x1bOP\x1b[15~", b""),
            (b"\x1bm", b""),
            (b"\x1b", b""),
            (b"\x1b[2 q", b""),
            (b"\x1b[200~q\x1b[201~", b"q"),
            ("ümü".encode(), b"m"),
        ],
    )
    def test_only_keys_that_mean_something_come_through(self, data: bytes, keys: bytes) -> None:
        assert keys_in(data) == keys


class TestDesk:
    def test_space_starts_and_stops(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_until(stage.now_us + 1_000_000)
        assert stage.session.playing
        stage.press(" ")
        assert not stage.session.playing

    def test_m_mutes_and_unmutes_the_selected_part_only(self) -> None:
        stage = rehearsal("melody", "bass")
        stage.press("2m")
        assert [stage.session.get(Target("mute", part)) for part in ("melody", "bass")] == [(0,), (1,)]
        stage.press("m")
        assert stage.session.get(Target("mute", "bass")) == (0,)

    @pytest.mark.parametrize("key", ["f", "v"])
    def test_f_and_v_fire_the_selected_part_only(self, key: str) -> None:
        stage = rehearsal("melody", "bass")
        before = {part: stage.session.get(Target("z", part)) for part in ("melody", "bass")}
        stage.press(f"2{key}")
        assert stage.session.get(Target("z", "melody")) == before["melody"]
        assert stage.session.get(Target("z", "bass")) != before["bass"]

    def test_plus_and_minus_go_to_whole_tempos_and_stop_at_the_ends(self) -> None:
        stage = rehearsal(tempo_bpm=98.4)
        stage.press("+")
        assert stage.session.get(Target("tempo")) == (99.0,)
        stage.press("--")
        assert stage.session.get(Target("tempo")) == (97.0,)
        stage.session.set(Target("tempo"), (20.4,), 0)
        stage.press("--")
        assert stage.session.get(Target("tempo")) == (20.0,)
        stage.session.set(Target("tempo"), (999.0,), 0)
        stage.press("+")
        assert stage.session.get(Target("tempo")) == (999.0,)

    def test_t_taps_the_tempo(self) -> None:
        stage = rehearsal()
        for _ in range(3):
            stage.press("t")
            stage.run_until(stage.now_us + 400_000)
        assert stage.session.get(Target("tempo")) == pytest.approx((150.0,))

    @pytest.mark.parametrize("key", ["+", "-", "t"])
    def test_the_tempo_of_a_master_stays_and_nothing_breaks(self, key: str) -> None:
        stage = rehearsal()
        stage.session.on_player(SyncState("midi", 120.0, 0, 0, locked=True, peers=1, remark="", holds_tempo=True))
        stage.press(key * 4)
        assert stage.session.get(Target("tempo")) == (120.0,)

    def test_p_is_panic(self) -> None:
        last = LastMove()
        Desk(WatchedSurface(rehearsal().session, last, lambda: "keys")).press("p", 0, playing=True)
        assert last.move is not None
        assert last.move.target == Target("panic")

    def test_keys_act_on_the_part_that_is_there_when_the_selected_one_has_left(self) -> None:
        stage = rehearsal("melody", "bass")
        stage.press("2")
        stage.session.act(Target("remove", "bass"), (), stage.now_us)
        stage.performance.settle()
        assert stage.shown().selected == 0
        stage.press("m")
        assert stage.session.get(Target("mute", "melody")) == (1,)
        stage.session.act(Target("remove", "melody"), (), stage.now_us)
        stage.press("mfv1 ")
        assert stage.shown().parts == ()

    def test_numbers_without_a_part_and_keys_without_a_meaning_do_nothing(self) -> None:
        stage = rehearsal("melody", "bass")
        stage.press("2")
        stage.press("39x")
        assert stage.shown().selected == 1
        assert stage.shown().control == ""


class TestWatchedSurface:
    def test_a_refused_move_is_noted_with_its_reason_and_still_refused(self) -> None:
        last = LastMove()
        surface = WatchedSurface(rehearsal().session, last, lambda: "10.0.0.2:9000")
        with pytest.raises(UsageError):
            surface.set(Target("tempo"), (5,), 0)
        assert last.move is not None
        assert (last.move.values, last.move.source) == ((5,), "10.0.0.2:9000")
        assert "20" in last.move.refused

    def test_asking_is_no_move(self) -> None:
        last = LastMove()
        inner = MemorySurface()
        surface = WatchedSurface(inner, last, lambda: "x")
        assert surface.parts() == inner.parts()
        assert surface.targets() == inner.targets()
        assert surface.get(Target("tempo")) == inner.get(Target("tempo"))
        assert surface.touched() == ()
        assert last.move is None


if sys.platform != "win32":
    import pty
    import termios

    from autoloops_bridges.view.keys import Keyboard
    from autoloops_bridges.view.screen import LEAVE, can_show, key_by_key, line_by_line

    @dataclass
    class Terminal:
        """Both ends of a pseudo-terminal; the inner one stands for standard input and output."""

        outer: int
        inner: int
        monkeypatch: pytest.MonkeyPatch
        pressed: bytearray = field(default_factory=bytearray)
        left: threading.Event = field(default_factory=threading.Event)
        news: threading.Event = field(default_factory=threading.Event)

        def keyboard(self) -> Keyboard:
            self.stand_in()
            return Keyboard(self.press, self.left.set)

        def stand_in(self) -> None:
            for name, mode in (("stdin", "r"), ("stdout", "w")):
                stream = open(self.inner, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
                self.monkeypatch.setattr(sys, name, stream)

        def press(self, keys: bytes) -> None:
            self.pressed += keys
            self.news.set()

        def mode(self) -> list[object]:
            return termios.tcgetattr(self.inner)

    @pytest.fixture
    def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
        outer, inner = pty.openpty()
        with monkeypatch.context() as context:
            yield Terminal(outer, inner, context)
        os.close(outer)
        os.close(inner)

    class TestKeyboard:
        def test_keys_come_singly_and_unseen(self, terminal: Terminal) -> None:
            keyboard = terminal.keyboard()
            os.write(terminal.outer, b"\x1b[Am")
            assert terminal.news.wait(PATIENCE_S)
            keyboard.close()
            assert terminal.pressed == b"m"
            assert os.read(terminal.outer, 1024) == LEAVE

        def test_q_leaves_and_what_was_pressed_before_is_done(self, terminal: Terminal) -> None:
            keyboard = terminal.keyboard()
            os.write(terminal.outer, b"mqf")
            assert terminal.left.wait(PATIENCE_S)
            keyboard.close()
            assert terminal.pressed == b"m"

        def test_the_terminal_is_given_back_as_it_was(self, terminal: Terminal) -> None:
            before = terminal.mode()
            keyboard = terminal.keyboard()
            assert terminal.mode() != before
            keyboard.close()
            assert terminal.mode() == before

        def test_ctrl_s_and_ctrl_z_are_ordinary_characters_and_ctrl_c_is_not(self, terminal: Terminal) -> None:
            keyboard = terminal.keyboard()
            _, _, _, flags, _, _, characters = termios.tcgetattr(terminal.inner)
            input_flags = termios.tcgetattr(terminal.inner)[0]
            keyboard.close()
            assert flags & termios.ISIG
            assert characters[termios.VINTR] == b"\x03"
            assert characters[termios.VSUSP] == b"\x00"
            assert not input_flags & termios.IXON

        def test_a_terminal_that_goes_away_ends_the_reading(self, terminal: Terminal) -> None:
            keyboard = terminal.keyboard()
            nowhere = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nowhere, terminal.outer)
            os.close(nowhere)
            keyboard.close()
            assert terminal.pressed == b""

        def test_what_a_dead_parent_left_is_undone(self, terminal: Terminal) -> None:
            before = terminal.mode()
            key_by_key(terminal.inner)
            line_by_line(terminal.inner)
            assert terminal.mode() == before

        def test_a_mode_that_another_program_set_stays(self, terminal: Terminal) -> None:
            mode = termios.tcgetattr(terminal.inner)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(terminal.inner, termios.TCSANOW, mode)
            before = terminal.mode()
            line_by_line(terminal.inner)
            assert terminal.mode() == before

    class TestCanShow:
        def test_a_terminal_on_both_sides_is_needed(self, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
            monkeypatch.setenv("TERM", "xterm-256color")
            terminal.stand_in()
            assert can_show()
            with open(os.devnull) as nothing:  # noqa: PTH123
                monkeypatch.setattr(sys, "stdin", nothing)
                assert not can_show()

        @pytest.mark.parametrize("name", ["dumb", ""])
        def test_a_terminal_that_only_prints_is_not_drawn_on(
            self, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str
        ) -> None:
            monkeypatch.setenv("TERM", name)
            terminal.stand_in()
            assert not can_show()
