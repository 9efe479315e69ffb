"""From a bar that is asked for to the worker's request, and from its answer to the bar that sounds. Pure."""

import numpy as np

from autoloops_engine.constraints.bias import bar_bias
from autoloops_engine.inference.requests import FIRST_PREVIOUS, Decoded, DecodeRequest
from autoloops_engine.notes import Bar
from autoloops_engine.session.rendering import BarRecord, render
from autoloops_engine.session.shaping import shaped
from autoloops_engine.session.wanted import Asked, Slot


def request_for(asked: Asked, ticket: int) -> DecodeRequest:
    """What to ask the worker; the answer is recognised by ``ticket``."""
    loop, levers, lead, step = asked.loop, asked.levers, _lead(asked), asked.wanted.from_step
    settings = loop.settings
    bias = bar_bias(
        loop.codec,
        settings.bounds,
        loop.harmony,
        transpose=loop.transpose,
        loop_bar=asked.loop_bar,
        song_bar=asked.wanted.song_bar,
    )
    return DecodeRequest(
        loop.part,
        ticket,
        (settings.point.z() if levers is None else levers.z(settings.point)).astype(np.float32),
        asked.loop_bar,
        settings.seed,
        loop.pass_index,
        settings.temperature,
        # A whole bar, whose step is 0, goes on behind the last step of the bar before.
        None if lead is None else lead.states[step - 1],
        FIRST_PREVIOUS if lead is None else lead.steps.tokens[step - 1],
        0 if lead is None else step,
        bias if levers is None else levers.bias(bias),
    )


def record_of(asked: Asked, decoded: Decoded, last: BarRecord | None, bar_id: int) -> BarRecord:
    """What is to be kept of an answer.

    Args:
        asked: What was asked.
        decoded: The answer; of a splice it may be the rest of the bar alone.
        last: The same bar as it sounded in the last pass; None: it did not.
        bar_id: The number that the bar is to have.
    """
    loop, wanted, before, lead = asked.loop, asked.wanted, asked.before, _lead(asked)
    steps, states = shaped(asked, decoded, last), decoded.states
    after_id, sounding = wanted.after_id, None
    if wanted.slot is Slot.SPLICE:
        # The spliced bar takes the place of the one that was, behind the same bar.
        after_id = 0 if before is None else before.after_id
        if lead is not None:
            steps = lead.steps.spliced(wanted.from_step, steps)
            states = np.concatenate([lead.states[: wanted.from_step], states])
            sounding = lead.sounding
    elif lead is not None:
        sounding = lead.sounding_at(len(lead.steps.tokens))
    return BarRecord(
        bar_id,
        after_id,
        asked.loop_bar,
        wanted.version,
        loop.codec,
        steps,
        states,
        sounding,
        loop.transpose,
        loop.settings,
        loop.harmony,
    )


def sounding_bar(asked: Asked, record: BarRecord) -> Bar:
    """What the player gets of a bar that was asked for; of a splice what sounds from its step on."""
    transposed_before = record.transpose if asked.before is None else asked.before.transpose
    return render(record, asked.loop.settings, transposed_before, asked.wanted.from_step)


def _lead(asked: Asked) -> BarRecord | None:
    """The bar whose steps the decoder goes on from; None: it begins afresh."""
    replaces_all = asked.wanted.slot is Slot.SPLICE and asked.wanted.from_step == 0
    return None if replaces_all else asked.before
