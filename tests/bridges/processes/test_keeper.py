"""What a main process leaves is kept, and what cannot be kept is told."""

from pathlib import Path

import msgspec

from autoloops_bridges.processes.left import Left, read_left
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.succession import Keeper
from autoloops_engine.inference.views import views_of
from autoloops_engine.session.casting import cast
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import TrioStub, tiny_trio_manifest
from autoloops_engine.units import US_PER_S


def test_what_is_too_long_to_be_kept_is_told_once_and_what_was_kept_stays(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "engine.bin")
    models = {"melody": "a"}
    keeper = Keeper(shared, lambda: Left(SessionState(1, 120.0, {}, None), (), dict(models), ""))
    assert keeper.advance(0) == ()
    told: list[str] = []
    for second in range(1, 4):
        models["melody"] = "b" * (4 << 20) * second
        told += keeper.advance(second * US_PER_S)
    (remark,) = told
    assert "too long to be kept" in remark
    left = read_left(shared)
    assert left is not None
    assert left.models == {"melody": "a"}
    models["melody"] = "c"
    assert keeper.advance(4 * US_PER_S) == ()
    left = read_left(shared)
    assert left is not None
    assert left.models == models


def test_a_trio_of_sixteen_bars_fits_with_all_that_can_be_frozen_lined_up_and_in_motion(tmp_path: Path) -> None:
    model = TrioStub(tiny_trio_manifest(latent_size=512))
    parts = tuple(views_of(model))
    setups = [cast(part, channel, model, family="trio").setup for channel, part in enumerate(parts, 1)]
    session = Session(setups, 7, 120.0)
    performance = Performance(session, views_of(model), 120.0)
    session.act(Target("start"), (), 0)
    performance.run_until(34 * US_PER_S)
    for slot in range(1, 5):
        session.act(Target("fire", "melody"), ("new", "bar"), performance.now_us)
        performance.run_until(performance.now_us + 3 * US_PER_S)
        session.act(Target("store", "", slot), (), performance.now_us)
    for part in parts:
        session.set(Target("freeze", part), tuple(range(1, 257)), performance.now_us)
        session.set(Target("corners", part), (1, 2, 3, 4), performance.now_us)
        session.set(Target("walk", part), (1.0,), performance.now_us)
        session.act(Target("back", part), (2, "loop"), performance.now_us)
    performance.run_until(performance.now_us + 3 * US_PER_S)
    shared = Shared(tmp_path / "engine.bin")
    left = Left(session.state(), (), {}, "")
    assert Keeper(shared, lambda: left).advance(0) == ()
    taken = read_left(shared)
    assert taken == left
    assert len(msgspec.json.encode(left)) < 1 << 20
