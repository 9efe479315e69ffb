"""``autoloops play --resume``: what the command line makes of the session that was played last."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.processes.last_session import LastSession, LastSessionFile, complete_last, last_session_path
from autoloops_bridges.processes.left import Left
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.record.lines import Control
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.latent import latent_space
from autoloops_engine.session.core import Session
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import US_PER_S


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def state(*parts: str) -> SessionState:
    space = latent_space(StubDecoder().manifest)
    session = Session([PartSetup(name, 3, space, 2) for name in parts], 7, 150.0)
    return session.state()


def left(models: dict[str, str], performance: str = "this", seed: int = 7) -> Left:
    return Left(msgspec.structs.replace(state(*models), seed=seed), (), models, "", "", performance)


def leave(last: LastSession) -> None:
    last_session_path().parent.mkdir(parents=True, exist_ok=True)
    last_session_path().write_bytes(msgspec.json.encode(last))


def test_without_a_last_session_a_new_one_begins_and_it_is_said(autoloops: Run, launched: list[PlayOptions]) -> None:
    autoloops("play", "--resume", "--parts", "melody", "--tempo", "99")
    (options,) = launched
    assert (options.parts, options.tempo_bpm, options.resume) == (("melody",), 99.0, "")
    assert "no session yet to go on with" in options.remarks[0]


def test_the_last_session_says_who_plays_what(autoloops: Run, launched: list[PlayOptions]) -> None:
    bundle = str(find_bundle("melody-2bar"))
    leave(LastSession(left({"low": bundle, "melody": bundle})))
    autoloops("play", "--resume", "--osc-port", "0")
    (options,) = launched
    assert (options.parts, options.seed, options.tempo_bpm) == (("low", "melody"), 7, 150.0)
    assert options.models == {"low": bundle, "melody": bundle}
    assert options.channels == {"low": 3, "melody": 3}
    assert (options.resume, options.remarks) == (str(last_session_path()), ())


@pytest.mark.parametrize("words", [("--parts", "melody"), ("--tempo", "90"), ("--seed", "1")])
def test_what_the_last_session_says_is_not_said_twice(
    autoloops: Run, launched: list[PlayOptions], words: tuple[str, str]
) -> None:
    leave(LastSession(left({"melody": str(find_bundle("melody-2bar"))})))
    status, _, error = autoloops("play", "--resume", *words)
    assert status == 2
    assert words[0] in error
    assert not launched


def test_of_bundles_that_are_gone_the_performer_is_told_and_the_others_play(
    autoloops: Run, launched: list[PlayOptions]
) -> None:
    leave(LastSession(left({"melody": "/gone/my-melody", "bass": "/moved/bass-2bar", "pad": "/gone/pad"})))
    autoloops("play", "--resume")
    (options,) = launched
    assert options.parts == ("melody", "bass")
    assert options.models == {name: str(find_bundle(f"{name}-2bar")) for name in options.parts}
    assert [remark.split(":")[0] for remark in options.remarks] == [
        "melody begins anew with melody-2bar",
        "pad is left out",
    ]


def test_what_came_in_the_last_second_is_found_where_the_processes_shared_it(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "engine.bin")
    file = LastSessionFile(last_session_path(), shared.path, lambda: msgspec.json.encode(left({})))
    file.advance(0)
    file.close(5.0)
    noted = Control(1, "/al/melody/mute", (1,))
    shared.session.write(msgspec.json.encode(left({}, seed=8)))
    assert shared.journal.note(shared.session.number, msgspec.json.encode([noted]))
    last = complete_last(last_session_path())
    assert last == LastSession(left({}, seed=8), "", (noted,))
    shared.begin()
    assert complete_last(last_session_path()) == last


def test_what_another_performance_left_in_the_same_place_is_not_taken(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "engine.bin")
    shared.session.write(msgspec.json.encode(left({}, "another")))
    leave(LastSession(left({}), str(shared.path)))
    assert complete_last(last_session_path()) == LastSession(left({}))


def test_the_file_is_written_once_a_second_while_anything_changes_and_at_the_end(tmp_path: Path) -> None:
    kept = [msgspec.json.encode(left({}, seed=0))]
    file = LastSessionFile(last_session_path(), tmp_path / "none.bin", lambda: kept[-1])
    puts: list[bytes] = []
    file._file.put = puts.append  # type: ignore[assignment, method-assign]
    for now_us in range(0, 10 * US_PER_S, US_PER_S // 30):
        if now_us < 5 * US_PER_S:
            kept.append(msgspec.json.encode(left({}, seed=now_us)))
        assert file.advance(now_us) == ()
    assert 5 <= len(puts) <= 7
    kept.append(msgspec.json.encode(left({}, seed=99)))
    file.close(1.0)
    assert msgspec.json.decode(puts[-1], type=LastSession).left == left({}, seed=99)


def test_a_disk_that_cannot_have_the_session_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = msgspec.json.encode(left({}))
    file = LastSessionFile(tmp_path / "file" / "last.json", tmp_path / "none.bin", lambda: kept)
    told = file.advance(0)
    file.close(5.0)
    told += (*file.advance(1), *file.advance(2))
    assert len(told) == 1
    assert "--resume will not find all of it" in told[0]


def test_memory_of_another_version_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "engine.bin"
    other.write_bytes(b"in use")
    leave(LastSession(left({}), str(other)))
    assert complete_last(last_session_path()) == LastSession(left({}))
    assert other.read_bytes() == b"in use"


def test_a_session_that_is_gone_on_with_is_what_it_was_but_for_the_bars() -> None:
    decoder = StubDecoder()
    setups = [PartSetup(name, 1, latent_space(decoder.manifest), 2) for name in ("melody", "bass")]
    session, again = Session(setups, 7, 150.0), Session(setups, 1, 150.0)
    session.set(Target("knob", "melody", 1), (0.9,), 0)
    session.set(Target("mute", "bass"), (1,), 0)
    session.act(Target("store", "", 1), (), 0)
    session.act(Target("fire", "melody"), ("new", "now"), 0)
    session.act(Target("glide", "melody", 1), (4,), 0)
    again.take_messages()
    again.resume(session.state())
    was, found = session.state(), again.state()
    assert found.parts["bass"] == was.parts["bass"]
    assert found.parts["melody"].settings == was.parts["melody"].settings
    assert np.allclose(found.parts["melody"].habits.motion.glide_to, was.parts["melody"].habits.motion.glide_to)
    assert any(type(message).__name__ == "Mute" for message in again.take_messages())
