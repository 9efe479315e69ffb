"""What was recorded of a performer's doings, done again."""

from typing import Final

from autoloops_bridges.control.dispatch import Refusal, Route, Router
from autoloops_bridges.control.rows import Kind
from autoloops_bridges.record.lines import Control
from autoloops_engine.errors import UsageError
from autoloops_engine.session.core import Session

# They leave nothing behind but what the player has been told.
_PASSING: Final = frozenset({"start", "continue", "stop", "panic", "position", "tap", "nudge", "hear"})
# They read what sounded, which nobody has later.
_LOOKING_BACK: Final = frozenset({"freeze", "frozen"})
_router: Final = Router()


def do_again(session: Session, control: Control, at_us: int) -> None:
    """Set or do it; what does not fit any more is left out."""
    route = _router.route(control.address)
    if isinstance(route, Refusal):
        return
    try:
        if route.row.kind is Kind.VALUE:
            session.set(route.target, control.arguments, at_us)
        else:
            session.act(route.target, control.arguments, at_us)
    except UsageError:
        # A part that is gone, or plays another model.
        return


def leaves_something(control: Control) -> bool:
    """Whether the session is another by it."""
    route = _router.route(control.address)
    return isinstance(route, Route) and route.target.name not in _PASSING


def is_repeatable(control: Control) -> bool:
    """Whether a session that is not told what sounded since, and when, comes to the same by it."""
    route = _router.route(control.address)
    return isinstance(route, Route) and route.row.kind is Kind.VALUE and route.target.name not in _LOOKING_BACK
