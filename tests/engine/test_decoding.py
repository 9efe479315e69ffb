"""What the worker is asked for a bar, and what its answer becomes."""

import numpy as np
import pytest

from autoloops_engine.codecs.registry import MELODY
from autoloops_engine.constraints.harmony import FREE
from autoloops_engine.inference.requests import decode
from autoloops_engine.latent import latent_space, point_at
from autoloops_engine.session.decoding import record_of, request_for, sounding_bar
from autoloops_engine.session.loop import Loop
from autoloops_engine.session.rendering import BarRecord
from autoloops_engine.session.settings import Settings
from autoloops_engine.session.wanted import Asked, Slot, Wanted
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import STEP_UB, STEPS_PER_BAR

DECODER = StubDecoder()


def loop(seed: int) -> Loop:
    """Two bars as one point has them, with noise of this seed."""
    space = latent_space(DECODER.manifest)
    return Loop("melody", MELODY, Settings(point_at(space, space.new_point(3)), seed), FREE, 0, 0, 2, 0)


def answer(asked: Asked, bar_id: int) -> BarRecord:
    return record_of(asked, decode(DECODER, request_for(asked, 1)), None, bar_id)


def first() -> BarRecord:
    """Bar 1, which the player knows as 11."""
    return answer(Asked(Wanted(Slot.NEXT, 1, 0, 1, 0), 0, None, loop(7), None), 11)


def spliced(from_step: int, seed: int = 8) -> Asked:
    """Bar 1 with other noise from a step on."""
    return Asked(Wanted(Slot.SPLICE, 1, 0, 2, 11, from_step), 0, first(), loop(seed), None)


def test_the_first_bar_begins_afresh() -> None:
    request = request_for(Asked(Wanted(Slot.NEXT, 1, 0, 1, 0), 0, None, loop(7), None), 5)
    assert (request.ticket, request.state, request.first_step) == (5, None, 0)


def test_a_bar_goes_on_where_the_one_before_it_ends() -> None:
    before = first()
    asked = Asked(Wanted(Slot.NEXT, 1, 1, 1, before.id), 1, before, loop(7), None)
    request = request_for(asked, 1)
    assert request.state is not None
    assert np.array_equal(request.state, before.states[-1])
    assert (request.previous, request.first_step) == (before.steps.tokens[-1], 0)
    record = answer(asked, 12)
    assert (record.id, record.after_id) == (12, before.id)
    assert record.sounding == before.sounding_at(STEPS_PER_BAR)


@pytest.mark.parametrize("step", [1, 6, 15])
def test_a_splice_goes_on_from_the_step_before_and_keeps_what_is_over(step: int) -> None:
    asked = spliced(step)
    old = first()
    request = request_for(asked, 1)
    assert request.state is not None
    assert np.array_equal(request.state, old.states[step - 1])
    assert (request.previous, request.first_step) == (old.steps.tokens[step - 1], step)
    record = answer(asked, 12)
    assert record.steps.tokens[:step] == old.steps.tokens[:step]
    assert len(record.steps.tokens) == len(record.states) == STEPS_PER_BAR
    assert np.array_equal(record.states[:step], old.states[:step])
    assert record.after_id == old.after_id
    assert all(note.start_ub >= step * STEP_UB for note in sounding_bar(asked, record).notes)


def test_other_noise_makes_another_rest_of_the_bar() -> None:
    assert answer(spliced(2, seed=7), 12).steps.tokens == first().steps.tokens
    assert answer(spliced(2, seed=8), 12).steps.tokens != first().steps.tokens


def test_a_splice_at_the_bar_line_is_a_bar_of_its_own_behind_the_same_bar() -> None:
    asked = spliced(0)
    assert request_for(asked, 1).state is None
    alone = answer(Asked(Wanted(Slot.NEXT, 1, 0, 1, 0), 0, None, loop(8), None), 13)
    record = answer(asked, 12)
    assert record.steps.tokens == alone.steps.tokens
    assert record.after_id == first().after_id
