"""What is printed for a log: a line stays a line, whatever it tells of."""

import pytest

from autoloops_bridges.processes.report import Printer

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
