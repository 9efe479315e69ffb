"""The mappings that come with AutoLoops: whole, with their sources named, and of use in a rig."""

import pytest

from autoloops_bridges.cli import main
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.preset_files import preset_names, preset_text
from autoloops_bridges.control.rig_file import read_rig
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.bundle.load import load_bundle

PARTS = ("melody", "bass", "drums")
RIG = '[ports.desk]\nin = "desk"\nout = "desk"\npreset = "{}"\n'


def entries(name: str, parts: tuple[str, ...] = PARTS, rig: str = RIG) -> tuple[MapEntry, ...]:
    found = read_rig(rig.format(name), parts, preset_text)
    assert found.problems == ()
    return found.presets


def test_the_presets_promised_are_there() -> None:
    assert {"nanokontrol2", "launch-control-xl", "launchpad", "launchpad-x"} <= set(preset_names())
    assert preset_text("toaster") is None


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_names_its_source_and_that_nobody_tried_it(name: str) -> None:
    text = preset_text(name)
    assert text is not None
    assert "# Source: " in text
    assert "# Never tried on the hardware." in text
    assert read_rig(text.replace("feedback", "# feedback"), PARTS).problems == ()


@pytest.mark.parametrize("name", preset_names())
def test_every_line_of_a_preset_works_and_no_control_comes_twice(name: str) -> None:
    text = preset_text(name)
    assert text is not None
    mapped = entries(name)
    assert len(mapped) == text.count("[[map]]")
    controls = [(entry.source, entry.channel, entry.number) for entry in mapped]
    assert len(set(controls)) == len(controls)
    assert {entry.port for entry in mapped} == {"desk"}
    known = {attribute.name for attribute in load_bundle(find_bundle("melody-2bar")).manifest.attributes}
    assert {entry.target.rpartition("/")[2] for entry in mapped if "/al/melody/attr/" in entry.target} <= known


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_leaves_out_the_parts_that_do_not_play_and_lights_that_are_not_there(name: str) -> None:
    assert all("/al/melody" in entry.target or entry.target.count("/") == 2 for entry in entries(name, ("melody",)))
    assert not any(entry.light for entry in entries(name, rig=RIG.replace('out = "desk"\n', "")))


def test_presets_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in ((["presets"], "nanokontrol2"), (["presets", "launchpad"], "[[map]]")):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
        assert says in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["presets", "toaster"])
    assert end.value.code == 2
