"""The picture in the README: the view as it is, and nothing of the machine on which it was made."""

import re
from html import unescape
from pathlib import Path

from autoloops_bridges.commands.bundles import default_parts
from autoloops_bridges.view.picture import HEIGHT, WIDTH, picture, rehearsed
from autoloops_bridges.view.render import rows

ROOT = Path(__file__).parents[3]
PICTURE = "docs/images/live-view.svg"


def test_it_shows_what_the_view_draws_of_every_bundled_part() -> None:
    rehearsal = rehearsed()
    drawn = "".join(row.plain for row in rows(rehearsal.shown(), WIDTH, HEIGHT))
    title, *words = re.findall(r"<text[^>]*>([^<]*)</text>", picture(rehearsal))
    assert "".join(unescape("".join(words)).split()) == "".join(drawn.split())
    assert unescape(title).split() == ["autoloops", "play"]
    for part in default_parts():
        assert part in drawn


def test_the_readme_shows_it_and_it_loads_nothing_from_elsewhere() -> None:
    assert f"({PICTURE})" in (ROOT / "README.md").read_text(encoding="utf-8")
    svg = (ROOT / PICTURE).read_text(encoding="utf-8")
    assert "url(http" not in svg
    assert 'url("http' not in svg
    assert str(Path.home()) not in svg
    assert str(ROOT) not in svg
    assert "live-matrix" in svg
