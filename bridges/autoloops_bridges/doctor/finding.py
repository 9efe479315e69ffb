"""One thing that was looked at, and what to do about it. Pure."""

from enum import Enum

from msgspec import Struct


class Verdict(Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """What was found.

    Attributes:
        name: What was looked at.
        verdict: ``fail``: it will not play as asked; ``warn``: it plays, less well than it could.
        says: What is the case, in a sentence or less.
        todo: What to do about it; empty when nothing has to be done.
    """

    name: str
    verdict: Verdict
    says: str
    todo: str = ""


def ok(name: str, says: str) -> Finding:
    """All is well."""
    return Finding(name, Verdict.OK, says)


def warn(name: str, says: str, todo: str) -> Finding:
    """It plays, less well than it could."""
    return Finding(name, Verdict.WARN, says, todo)


def fail(name: str, says: str, todo: str) -> Finding:
    """It will not play as asked."""
    return Finding(name, Verdict.FAIL, says, todo)


def exit_status(findings: list[Finding]) -> int:
    """0 when nothing failed, else 1."""
    return int(any(finding.verdict is Verdict.FAIL for finding in findings))
