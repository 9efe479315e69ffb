"""Whether two lists of values are the same. Pure."""

import math

from autoloops_engine.session.surface import Value, Values


def alike(one: Values, other: Values) -> bool:
    """Whether two values are the same but for the rounding of 32-bit floats."""
    return len(one) == len(other) and all(a == b or _close(a, b) for a, b in zip(one, other, strict=True))


def _close(a: Value, b: Value) -> bool:
    return isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)
