"""What a main process leaves is kept, and what cannot be kept is told."""

from pathlib import Path

from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.succession import Keeper, Left, read_left
from autoloops_engine.session.state import SessionState
from autoloops_engine.units import US_PER_S


def test_what_is_too_long_to_be_kept_is_told_once_and_what_was_kept_stays(tmp_path: Path) -> None:
    shared = Shared(tmp_path / "engine.bin")
    models = {"melody": "a"}
    keeper = Keeper(shared, lambda: Left(SessionState(1, 120.0, {}, None), (), dict(models), ""))
    assert keeper.advance(0) == ()
    told: list[str] = []
    for second in range(1, 4):
        models["melody"] = "b" * (1 << 20) * second
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
