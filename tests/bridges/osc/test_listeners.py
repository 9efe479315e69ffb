"""Who listens, how long, and where answers go; how often values are echoed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.osc.echo import ECHO_INTERVAL_US, EchoThrottle
from autoloops_bridges.osc.errors import ERRORS_PER_S, MAX_PEERS, ErrorBudget
from autoloops_bridges.osc.listeners import MAX_LISTENERS, SILENCE_US, ListenerRegistry
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Listener
from autoloops_engine.session.surface import Target

MAX = ("127.0.0.1", 50001)
PD = ("127.0.0.1", 50002)
TABLET = ("10.0.0.7", 8000)
KNOB = Target("knob", "melody", 1)


def test_a_listener_receives_where_it_sends_from_or_on_the_port_it_names() -> None:
    registry = ListenerRegistry()
    registry.listen(PD, None, 0, 0)
    registry.listen(MAX, 9000, 50_000, 0)
    assert registry.destinations() == (PD, ("127.0.0.1", 9000))
    assert registry.listeners() == (Listener("127.0.0.1", 50002, 0), Listener("127.0.0.1", 9000, 50_000))


def test_silence_of_a_minute_ends_a_listener_and_any_packet_from_its_host_keeps_it() -> None:
    registry = ListenerRegistry()
    registry.listen(PD, None, 0, 0)
    registry.listen(TABLET, None, 0, 0)
    registry.heard("127.0.0.1", 1_000_000)
    assert registry.next_deadline_us() == SILENCE_US
    registry.advance(SILENCE_US - 1)
    assert registry.destinations() == (PD, TABLET)
    registry.advance(SILENCE_US)
    assert registry.destinations() == (PD,)
    registry.advance(SILENCE_US + 1_000_000)
    assert registry.destinations() == ()
    assert registry.next_deadline_us() is None


def test_static_destinations_never_expire_even_if_they_ask_again() -> None:
    registry = ListenerRegistry([TABLET])
    assert registry.take_change()
    registry.listen(TABLET, None, 20_000, 0)
    registry.advance(10 * SILENCE_US)
    assert registry.listeners() == (Listener(*TABLET, 20_000),)


def test_changes_are_told_once() -> None:
    registry = ListenerRegistry()
    assert not registry.take_change()
    registry.listen(PD, None, 0, 0)
    assert registry.take_change()
    registry.listen(PD, None, 0, 1)
    assert not registry.take_change()
    registry.listen(PD, None, 10_000, 2)
    assert registry.take_change()
    registry.forget(PD, None)
    assert registry.take_change()


def test_answers_go_to_the_sender_and_to_the_port_it_named() -> None:
    registry = ListenerRegistry()
    registry.listen(MAX, 9000, 0, 0)
    registry.listen(PD, None, 0, 0)
    assert registry.reply_to(MAX) == (MAX, ("127.0.0.1", 9000))
    assert registry.reply_to(TABLET) == (TABLET,)


def test_a_client_with_a_new_port_for_each_message_is_answered_where_its_host_listens() -> None:
    registry = ListenerRegistry()
    registry.listen(("127.0.0.1", 40001), 9000, 0, 0)
    assert registry.reply_to(("127.0.0.1", 40002)) == (("127.0.0.1", 40002), ("127.0.0.1", 9000))


def test_listening_ends_by_port_or_for_all_that_the_sender_asked_for() -> None:
    registry = ListenerRegistry()
    registry.listen(MAX, 9000, 0, 0)
    registry.listen(MAX, 9001, 0, 0)
    registry.listen(PD, None, 0, 0)
    registry.forget(PD, 9001)
    assert registry.destinations() == (("127.0.0.1", 9000), PD)
    registry.forget(MAX, None)
    assert registry.destinations() == (PD,)
    with pytest.raises(UsageError, match="listen 0 9000"):
        registry.forget(MAX, None)


def test_listeners_are_bounded() -> None:
    registry = ListenerRegistry()
    for port in range(1, MAX_LISTENERS + 1):
        registry.listen(PD, port, 0, 0)
    with pytest.raises(UsageError, match="listeners already"):
        registry.listen(PD, 999, 0, 0)
    registry.listen(PD, 1, 5000, 0)


def test_an_echo_goes_out_at_once_then_at_thirty_a_second() -> None:
    echo = EchoThrottle()
    echo.touch(KNOB)
    assert echo.next_deadline_us() == 0
    assert echo.advance(1000) == [KNOB]
    echo.touch(KNOB)
    assert echo.advance(1001) == []
    assert echo.next_deadline_us() == 1000 + ECHO_INTERVAL_US
    echo.touch(KNOB)
    assert echo.advance(1000 + ECHO_INTERVAL_US) == [KNOB]
    assert echo.next_deadline_us() is None


@given(st.lists(st.tuples(st.integers(0, 50_000), st.integers(1, 3)), min_size=1, max_size=100))
def test_the_last_touch_of_every_target_comes_through_and_no_target_above_its_rate(
    touches: list[tuple[int, int]],
) -> None:
    echo = EchoThrottle()
    now_us = 0
    sent: dict[Target, list[int]] = {}
    last_touch_us: dict[Target, int] = {}
    for elapsed_us, knob in touches:
        now_us += elapsed_us
        target = Target("knob", "melody", knob)
        echo.touch(target)
        last_touch_us[target] = now_us
        for done in echo.advance(now_us):
            sent.setdefault(done, []).append(now_us)
    while (deadline_us := echo.next_deadline_us()) is not None:
        for done in echo.advance(deadline_us):
            sent.setdefault(done, []).append(deadline_us)
    for target, touched_us in last_touch_us.items():
        times = sent[target]
        assert times[-1] >= touched_us
        assert all(later - earlier >= ECHO_INTERVAL_US for earlier, later in pairwise(times))


def test_errors_are_told_up_to_a_bound_and_again_after_a_while() -> None:
    budget = ErrorBudget()
    assert [budget.take(PD, 0) for _ in range(ERRORS_PER_S + 5)] == [True] * ERRORS_PER_S + [False] * 5
    assert budget.take(MAX, 0)
    assert not budget.take(PD, 10_000)
    assert budget.take(PD, 20_000)
    assert sum(budget.take(PD, 5_000_000) for _ in range(100)) == ERRORS_PER_S


def test_the_error_budget_forgets_the_peers_of_long_ago() -> None:
    budget = ErrorBudget()
    for _ in range(ERRORS_PER_S):
        budget.take(PD, 0)
    for port in range(MAX_PEERS):
        budget.take(("10.0.0.1", port), 0)
    assert budget.take(PD, 0)
