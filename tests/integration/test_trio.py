"""Three parts from one latent point, through ONNX and through the real processes."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from tests.integration.playing import PATIENCE_S, Playing, alive, playing
from tests.integration.trio_model import write_trio

from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.inference.views import views_of
from autoloops_engine.inference.warm_up import warm_up
from autoloops_engine.session.casting import cast
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.surface import Target

PARTS = ("melody", "bass", "drums")


class Counted:
    """Counts how often each graph runs."""

    def __init__(self, decoder: OnnxDecoder) -> None:
        self.runs: dict[str, int] = {}
        self._run = decoder._run
        decoder._run = self.run  # type: ignore[method-assign]

    def run(self, name: str, *inputs: Any) -> Any:
        self.runs[name] = self.runs.get(name, 0) + 1
        return self._run(name, *inputs)


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trio(tmp_path_factory.mktemp("trio"))


def test_each_part_runs_its_own_graph_and_the_conductor_runs_once_for_all(trio: Path) -> None:
    decoder = open_decoder(trio)
    counted = Counted(decoder)
    views = views_of(decoder)
    for bar in range(16):
        for part in PARTS:
            decode(views[part], DecodeRequest(part, 0, np.ones(6, np.float32), bar, seed=3))
    assert counted.runs == {"start": 1, "bar-melody": 16, "bar-bass": 16, "bar-drums": 16}
    decode(views["bass"], DecodeRequest("bass", 0, np.zeros(6, np.float32), 0, seed=3))
    assert counted.runs["start"] == 2


def test_the_rest_of_a_bar_is_what_the_whole_bar_would_have_been(trio: Path) -> None:
    views = views_of(open_decoder(trio))
    z = np.linspace(-1, 1, 6, dtype=np.float32)
    for part, step in (("melody", 3), ("bass", 15), ("drums", 8)):
        whole = decode(views[part], DecodeRequest(part, 0, z, 9, seed=3))
        rest = decode(
            views[part],
            DecodeRequest(
                part, 0, z, 9, seed=3, state=whole.states[step - 1], previous=whole.tokens[step - 1], first_step=step
            ),
        )
        assert rest.tokens == whole.tokens[step:]
        assert all(np.array_equal(one, other[step:]) for one, other in zip(rest.extras, whole.extras, strict=True))


def test_every_part_warms_up(trio: Path) -> None:
    clock = iter(range(1_000))
    for view in views_of(open_decoder(trio)).values():
        assert len(warm_up(view, lambda: next(clock), 3)) == 3


def test_a_turn_of_a_knob_runs_the_conductor_once(trio: Path) -> None:
    decoder = open_decoder(trio)
    cast_parts = [cast(part, channel, decoder, family="trio") for channel, part in enumerate(PARTS, 1)]
    session = Session([part.setup for part in cast_parts], 7, 120.0)
    performance = Performance(session, {part.setup.name: part.decoder for part in cast_parts}, 120.0)
    session.act(Target("start"), (), 0)
    performance.run_until(5_000_000)
    counted = Counted(decoder)
    session.set(Target("knob", "bass", 1), (0.9,), performance.now_us)
    performance.run_until(20_000_000)
    assert counted.runs["start"] == 1
    assert min(counted.runs[f"bar-{part}"] for part in PARTS) >= 7


def values(engine: Playing, name: str) -> list[tuple[object, ...]]:
    """What the three parts answer for a value."""
    answers = []
    for part in PARTS:
        engine.send(f"/al/{part}/{name}")
        answers.append(engine.hear_until(f"/al/{part}/{name}").arguments)
    return answers


def wait_for(engine: Playing, name: str, *wanted: tuple[object, ...]) -> None:
    """Ask for a value of the three parts until it is this one; who sets a value gets no echo of it."""
    until_s = time.monotonic() + PATIENCE_S
    while (found := values(engine, name)) != list(wanted):
        assert time.monotonic() < until_s, f"{name} is {found}"
        engine.hear(0.1)


def test_it_plays_and_goes_on_from_one_point_when_main_is_killed(trio: Path) -> None:
    with playing("--model", str(trio), "--seed", "5", "--tempo", "240") as engine:
        engine.listen()
        for part in PARTS:
            engine.hear_until(f"/al/{part}/note")
        engine.send("/al/drums/knob/2", 0.9)
        engine.hear_until("/al/melody/knob/2", pytest.approx(0.9))
        engine.send("/al/bass/link", "none")
        wait_for(engine, "link", ("drums",), ("none",), ("melody",))
        engine.send("/al/melody/knob/1", 0.2)
        engine.ping()
        before = values(engine, "z")
        assert before[0] == before[2] != before[1]
        old = engine.child("main")
        os.kill(old, signal.SIGKILL)
        until_s = time.monotonic() + PATIENCE_S
        while alive(old):
            assert time.monotonic() < until_s
            engine.hear(0.05)
        engine.listen()
        assert values(engine, "z") == before
        assert values(engine, "link") == [("drums",), ("none",), ("melody",)]
        assert values(engine, "length") == [(16,)] * 3
        assert values(engine, "model") == [("tiny-trio",)] * 3
        for part in PARTS:
            engine.hear_until(f"/al/{part}/note")
        assert engine.end() == 0


def test_parts_are_swapped_into_one_point_while_playing(trio: Path) -> None:
    with playing("--seed", "5", "--tempo", "240") as engine:
        engine.listen()
        engine.hear_until("/al/bar")
        for part in PARTS:
            engine.send(f"/al/{part}/model", str(trio))
        wait_for(engine, "model", *[("tiny-trio",)] * 3)
        assert values(engine, "link") == [("bass", "drums"), ("melody", "drums"), ("melody", "bass")]
        assert len(set(values(engine, "z"))) == 1
        assert values(engine, "length") == [(16,)] * 3
        engine.send("/al/melody/model", "melody-2bar")
        wait_for(engine, "model", ("melody-2bar",), *[("tiny-trio",)] * 2)
        assert values(engine, "link") == [("none",), ("drums",), ("bass",)]
        assert values(engine, "length") == [(2,), (16,), (16,)]
        engine.hear_until("/al/melody/note")
        assert not engine.all("/al/error")
        assert engine.end() == 0
