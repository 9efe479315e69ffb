"""``autoloops send``, against an engine that answers what the test says."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.commands.send import parse_value, show_value
from autoloops_bridges.osc import codec


class Engine:
    """Answers pings, and whatever the script says, on a port of its own."""

    def __init__(self, script: dict[str, list[bytes]]) -> None:
        self.heard: list[codec.Message] = []
        self.after_pong: list[bytes] = []
        self.later: tuple[float, bytes] | None = None
        self._script = script
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = str(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while (packet := self._socket.recvfrom(65_535))[0]:
            data, peer = packet
            message = codec.parse(data)
            assert isinstance(message, codec.Message)
            if message.address == "/al/ping":
                for answer in (codec.encode("/al/pong", [str(message.arguments[0])]), *self.after_pong):
                    self._socket.sendto(answer, peer)
                if self.later is not None:
                    after_s, answer = self.later
                    threading.Timer(after_s, self._socket.sendto, (answer, peer)).start()
            else:
                self.heard.append(message)
                for answer in self._script.get(message.address, []):
                    self._socket.sendto(answer, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine(
        {
            "/al/tempo": [codec.encode("/al/tempo", [120.5])],
            "/al/nope": [codec.encode("/al/error", ["/al/nope", "there is no such address"])],
        }
    )
    yield running
    running.close()


def test_prints_the_answer_to_a_question(autoloops: Run, engine: Engine) -> None:
    assert autoloops("send", "/al/tempo", "--osc-port", engine.port) == (0, "/al/tempo 120.5\n", "")


def test_a_file_that_is_to_be_loaded_is_the_one_in_this_folder(
    autoloops: Run, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoloops_bridges.commands.send.OUTCOME_S", 0.05)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tune.mid").touch()
    for words in (
        ["/al/melody/load", "tune.mid", "0.5"],
        ["/al/melody/load", "elsewhere.mid"],
        ["/al/ear", "tune.mid"],
    ):
        assert autoloops("send", *words, "--osc-port", engine.port)[0] == 0
    said = [message.arguments for message in engine.heard]
    # What is not here may be where the engine was started.
    assert said == [(str(tmp_path / "tune.mid"), 0.5), ("elsewhere.mid",), ("tune.mid",)]


def test_keeps_the_types_of_its_arguments(autoloops: Run, engine: Engine) -> None:
    words = ("/al/melody/z/1", "-0.5", "-3", "7", "word", "--osc-port", engine.port)
    assert autoloops("send", *words) == (0, "", "")
    ((address, values),) = engine.heard
    assert address == "/al/melody/z/1"
    assert values == (-0.5, -3, 7, "word")
    assert [type(value) for value in values] == [float, int, int, str]


def test_prints_what_comes_in_a_later_burst(autoloops: Run, engine: Engine) -> None:
    engine.after_pong = [codec.encode("/al/melody/seed", [7])]
    assert autoloops("send", "/al/sync", "--osc-port", engine.port) == (0, "/al/melody/seed 7\n", "")


def test_an_error_of_the_engine_is_a_failure(autoloops: Run, engine: Engine) -> None:
    status, out, err = autoloops("send", "/al/nope", "--osc-port", engine.port)
    assert (status, out) == (1, "")
    assert err == "autoloops: /al/nope: there is no such address\n"


def test_waits_for_what_is_only_begun_and_tells_that_it_failed(autoloops: Run, engine: Engine) -> None:
    failed = codec.encode("/al/error", ["/al/melody/load", "There is no file nosuch.mid."])
    engine.later = (0.2, failed)
    status, out, err = autoloops("send", "/al/melody/load", "nosuch.mid", "--osc-port", engine.port)
    assert (status, out) == (1, "")
    assert err == "autoloops: /al/melody/load: There is no file nosuch.mid.\n"


def test_says_when_nothing_listens(autoloops: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, _, err = autoloops("send", "/al/start", "--osc-port", str(port))
    assert status == 1
    assert err == f"autoloops: Nothing listens on 127.0.0.1 port {port}: start autoloops play first.\n"


def test_says_when_who_listens_is_no_engine(autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoloops_bridges.commands.send.PATIENCE_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        status, _, err = autoloops("send", "/al/start", "--osc-port", str(deaf.getsockname()[1]))
    assert status == 1
    assert "gives no answer" in err


def test_an_address_starts_with_a_slash(autoloops: Run) -> None:
    status, _, err = autoloops("send", "al/start")
    assert status == 2
    assert "starts with a slash" in err


@pytest.mark.parametrize(
    ("word", "value"),
    [("1", 1), ("-0.5", -0.5), ("1e3", 1000.0), ("nan", "nan"), ("inf", "inf"), ("1_000", "1_000"), ("new", "new")],
)
def test_reads_numbers_as_numbers(word: str, value: object) -> None:
    assert parse_value(word) == value
    assert type(parse_value(word)) is type(value)


def test_reads_an_integer_too_large_for_osc_as_a_float() -> None:
    assert parse_value(str(2**70)) == float(2**70)


def test_shows_floats_as_typed() -> None:
    assert [show_value(v) for v in (0.10000000149011612, 7, "new")] == ["0.1", "7", "new"]
