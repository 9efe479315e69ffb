"""What there is to be seen in main, for whoever draws it."""

from collections.abc import Callable
from dataclasses import dataclass

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.stats import Stats
from autoloops_engine.inference.budget import DecodeBudget
from autoloops_engine.session.core import Session


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to be seen in main.

    Attributes:
        options: What the performer asked for.
        osc: Where OSC is heard: host and port.
        session: The session.
        stats: What the players counted.
        budget: The decode budget.
        listeners: How many receive everything over OSC.
    """

    options: PlayOptions
    osc: tuple[str, int]
    session: Session
    stats: Stats
    budget: DecodeBudget
    listeners: Callable[[], int]
