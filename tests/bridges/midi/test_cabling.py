"""Connections come back with their ports, and stay away when somebody parted them."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.midi.cabling import LEAVING_US, Cabling

SYNTH = "synth:in"


def joined() -> Cabling:
    cabling = Cabling()
    assert cabling.look({SYNTH}, (), 0) == []
    return cabling


def test_what_the_performer_connects_is_remembered() -> None:
    assert joined().names == (SYNTH,)


def test_a_port_that_leaves_and_returns_is_connected_again() -> None:
    cabling = joined()
    for _ in range(5):
        assert cabling.look((), (), 0) == []
        assert cabling.away() == {SYNTH}
    assert cabling.look((), {SYNTH}, 0) == [SYNTH]
    cabling.joined(SYNTH)
    assert cabling.away() == frozenset()


def test_a_port_that_refuses_is_tried_again() -> None:
    cabling = Cabling([SYNTH])
    for _ in range(3):
        assert cabling.look((), {SYNTH}, 0) == [SYNTH]


def test_a_port_that_left_and_returned_while_nobody_looked_is_connected_again() -> None:
    cabling = joined()
    assert cabling.appeared(SYNTH)
    assert not cabling.appeared("other:in")
    assert cabling.look((), {SYNTH}, 0) == [SYNTH]


def test_what_the_performer_parts_stays_parted() -> None:
    cabling = joined()
    for now_us in (0, LEAVING_US):
        assert cabling.look((), {SYNTH}, now_us) == []
    assert cabling.names == ()
    assert not cabling.appeared(SYNTH)
    assert cabling.look((), {SYNTH}, 0) == []


def test_a_port_that_is_just_leaving_is_not_taken_for_parted() -> None:
    cabling = joined()
    # The server first takes the connection away and then the port, however often somebody looks meanwhile.
    for now_us in (0, 1, LEAVING_US - 1):
        assert cabling.look((), {SYNTH}, now_us) == []
    assert cabling.look((), (), 0) == []
    assert cabling.look((), {SYNTH}, 0) == [SYNTH]


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_only_what_is_there_and_not_connected_is_to_be_connected(looks: list[tuple[bool, bool]]) -> None:
    cabling = Cabling([SYNTH])
    for is_joined, is_there in looks:
        wanted = cabling.look({SYNTH} if is_joined else (), {SYNTH} if is_there or is_joined else (), 0)
        assert wanted in ([], [SYNTH])
        assert not (wanted and (is_joined or not is_there))
