"""What is printed for a log: a line stays a line, whatever it tells of, and nobody is told what they know."""

import pytest

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.report import Printer, hint_lines

PATIENCE_S = 5.0


def test_text_of_others_stays_a_line_and_ends_no_printing(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()
    for text in ("/al/chords Am\nDm: refused.", "caf\udce9.toml is gone.", "\x1b[2Jkeys", "bar 1 \u00b7 \u25b6"):
        printer.line(text)
    printer.close(PATIENCE_S)
    assert capsys.readouterr().out.splitlines() == [
        "/al/chords Am Dm: refused.",
        "caf?.toml is gone.",
        "?[2Jkeys",
        "bar 1 \u00b7 \u25b6",
    ]
    assert printer.dropped == 0


@pytest.mark.parametrize(("midi_out", "told"), [("virtual", True), ("fluid", False), ("none", False)])
def test_who_named_a_port_is_not_told_how_to_get_one(midi_out: str, told: bool) -> None:
    options = PlayOptions(midi_out=midi_out)
    lines = hint_lines(options, ("127.0.0.1", 7400))
    assert lines[0].startswith("Try: ")
    assert any(line.startswith("To hear it on") for line in lines) is told
