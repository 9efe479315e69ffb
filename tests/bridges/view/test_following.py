"""How following goes, on the screen and in the log."""

import pytest
from tests.bridges.view.staging import part, rehearsal, shown

from autoloops_bridges.view.following import FollowingNews, following_line
from autoloops_bridges.view.render import rows
from autoloops_engine.messages import SyncState
from autoloops_engine.session.surface import Target

LINK = SyncState("link", 121.5, -1_500, 400, locked=True, peers=2, remark="", holds_tempo=False)
LOST = SyncState("midi", 120.0, 0, 300, locked=False, peers=0, remark="The clock fell silent.", holds_tempo=True)
OWN = SyncState("internal", 120.0, 0, 0, locked=True, peers=0, remark="", holds_tempo=False)


@pytest.mark.parametrize(
    ("sync", "multiple", "line"),
    [
        (None, 1.0, ""),
        (OWN, 1.0, ""),
        (OWN, 2.0, "double time"),
        (LINK, 1.0, "link 121.50 BPM  locked  phase -1.5 ms  jitter 0.4 ms  2 peers"),
        (LOST, 0.5, "midi 120.00 BPM  coasting  phase +0.0 ms  jitter 0.3 ms  half time"),
    ],
)
def test_a_line_says_how_following_goes(sync: SyncState | None, multiple: float, line: str) -> None:
    assert following_line(sync, multiple) == line


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)])
def test_the_line_has_a_row_of_its_own_where_there_is_something_to_say(size: tuple[int, int]) -> None:
    line = following_line(LINK, 1.0)
    drawn = [row.plain for row in rows(shown(part(), following=line), *size)]
    assert sum(row.startswith(" link 121.50 BPM  locked") for row in drawn) == 1
    assert len(drawn) == size[1]
    assert not any("BPM  locked" in row.plain for row in rows(shown(part()), *size))


def test_the_view_hears_of_it_and_tells_a_remark_once() -> None:
    stage = rehearsal()
    for _ in range(3):
        stage.watch.heard(LOST)
    stage.session.set(Target("sync/multiple"), (2.0,), 0)
    seen = stage.shown()
    assert seen.following.startswith("midi 120.00 BPM  coasting")
    assert seen.following.endswith("double time")
    assert not seen.locked
    assert seen.remarks.count(LOST.remark) == 1


def test_the_log_gets_a_line_when_something_changes() -> None:
    news = FollowingNews()
    assert news.heard(OWN) == ""
    assert news.heard(LINK) == f"sync {following_line(LINK, 1.0)}"
    assert news.heard(LINK) == ""
    assert news.heard(LOST).endswith("The clock fell silent.")
