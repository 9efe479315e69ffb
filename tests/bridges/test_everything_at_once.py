"""The whole vocabulary in any order, with parts that come and go, models that stall, ports that are unplugged and
processes that are killed.

No note is left sounding, no bar is silent, time never goes backwards, and every undo restores exactly.
``AUTOLOOPS_EXAMPLES`` says how many performances are tried (default 15; 500 to judge).
"""

import os

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router
from autoloops_bridges.control.rows import Argument, Direction, Kind, Row, Type
from autoloops_bridges.control.vocabulary import TABLE
from autoloops_bridges.processes.book import LedgeredSink
from autoloops_engine.codecs.registry import DRUMS, MELODY
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.requests import DecodeRequest
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, PartGone, Quit, TransportState
from autoloops_engine.philox import Stream, normal
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event
from autoloops_engine.player.events import Kind as EventKind
from autoloops_engine.player.ledger import LEDGER_SIZE, NoteLedger
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder, tiny_manifest

EXAMPLES = int(os.environ.get("AUTOLOOPS_EXAMPLES", "15"))
PARTS = ("melody", "bass", "drums")
# The last one plays when somebody adds it.
NAMES = (*PARTS, "lead")
DECODE_US = 3_000
STALLED_US = 5_000_000
# Each line is drawn through a point in whole micro-beats, of which a million are a beat.
ROUNDING_UB = 2
VOICES = ("kick", "snare", "closed-hat", "ride")
# What belongs to the edge (listeners, learning, files) and not to the music.
ELSEWHERE = ("/al/listen", "/al/ping", "/al/sync", "/al/learn", "/al/PART/model", "/al/stats")
WORDS = {
    "/al/scale": ["a minor", "off", "F# dorian", "x"],
    "/al/chords": ["Am7 | Dm7 G7", "off", "Q"],
    "/al/PART/link": ["bass", "melody", "lead", "none"],
    "/al/PART/port": ["moog", "box", "midi_out"],
    "/al/parts/add": list(NAMES),
}
ADD = Target("parts/add")
# The clock alone moves this one.
MOVING = {"position"}
# What is heard at once, or takes time of its own, is no step of undo.
NO_STEPS = {"undo", "redo", "start", "continue", "stop", "panic", "position", "sync/multiple", "tap", "nudge"}
NO_STEPS |= {"hear", "ear"}


def in_reach(row: Row) -> bool:
    return row.direction is not Direction.OUT and not row.template.startswith(ELSEWHERE)


ROWS = [row for row in TABLE if in_reach(row) and row.kind is not Kind.STREAM]


def values_of(row: Row, argument: Argument) -> "st.SearchStrategy[object]":
    if argument.choices:
        return st.sampled_from(argument.choices)
    if argument.type is Type.STRING:
        return st.sampled_from(WORDS.get(row.template, ["off"]))
    if argument.type is Type.BOOL:
        return st.integers(0, 1)
    low = -2.0 if argument.low is None else argument.low
    high = low + 64 if argument.high is None else min(argument.high, low + 400)
    if argument.type is Type.INT:
        return st.integers(int(low), int(high))
    return st.floats(low, high)


@st.composite
def commands(draw: st.DrawFn) -> tuple[str, tuple[object, ...]]:
    row = draw(st.sampled_from(ROWS))
    part, number = draw(st.sampled_from(NAMES)), draw(st.integers(1, 4))
    name = "density" if "attr" in row.segments else draw(st.sampled_from(VOICES))
    # Only drums have voices.
    part = part if "attr" in row.segments or "NAME" not in row.segments else "drums"
    address = row.template.replace("PART", part).replace("NAME", name).replace("/I", f"/{number}")
    arguments: list[object] = []
    for argument in row.arguments:
        count = draw(st.integers(1, 4)) if argument.many else 1
        if not (argument.optional and draw(st.booleans())):
            arguments += [draw(values_of(row, argument)) for _ in range(count)]
    return address, tuple(arguments)


class Instrument:
    """What is played: knows which notes sound, and remembers what no instrument should hear."""

    name = "instrument"
    lead_us = 0

    def __init__(self) -> None:
        # Parts may share a channel: each is to end what it struck.
        self.sounding: set[tuple[int, int, str]] = set()
        self.wrongs: list[str] = []

    def send(self, event: Event, now_us: int) -> None:
        key = event.channel, event.number, event.part
        if event.kind is EventKind.ON:
            if key in self.sounding:
                self.wrongs.append(f"{key} was struck while it sounded, at {event.at_us}")
            self.sounding.add(key)
        elif event.kind is EventKind.OFF and event.part:
            self.sounding.discard(key)
        elif event.kind is EventKind.OFF:
            # What a player left that died: nobody knows any more whose it was.
            self.sounding = {each for each in self.sounding if each[:2] != key[:2]}

    def flush(self, now_us: int) -> None: ...

    def close(self) -> None: ...


class Everything(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.decode_us = DECODE_US
        self.generation = 0
        self.players = 0
        self.router = Router()
        self.instrument = Instrument()
        self.ledger = NoteLedger(bytearray(LEDGER_SIZE))
        self.sink: LedgeredSink | None = LedgeredSink(self.instrument, self.ledger)
        decoder, drums = StubDecoder(), StubDecoder(tiny_manifest("tiny-drums", codec=DRUMS))
        self.space = latent_space(decoder.manifest)
        setups = [self.setup(name, i + 1) for i, name in enumerate(PARTS)]
        session = Session(setups, 7, 240.0)
        session.set_budget(2 * DECODE_US)

        def decode_us(_: DecodeRequest) -> int:
            return self.decode_us

        decoders = {**dict.fromkeys(NAMES, decoder), "drums": drums}
        self.joined = Performance(session, decoders, 240.0, decode_us=decode_us)
        self.kept_slots = b"{}"
        self.position = (0, 0)
        self.offered: set[str] = set()
        self.passed = 0
        # As a clock stands that has run for a while.
        self.go_on(3_000_000)
        self.act(Target("start"))
        self.go_on(200_000)

    @property
    def session(self) -> Session:
        return self.joined.session

    def setup(self, name: str, channel: int, port: str = "") -> PartSetup:
        return PartSetup(name, channel, self.space, 2, codec=DRUMS if name == "drums" else MELODY, port=port)

    def act(self, target: Target, *values: float | str) -> None:
        self.session.act(target, values, self.joined.now_us)
        self.carry()

    def carry(self) -> None:
        self.let_in()
        self.joined.settle()
        self.hear()

    def let_in(self) -> None:
        """The models of the parts that are wanted are loaded, and what was captured is encoded."""
        for name, _, channel, port in self.session.take_arrivals():
            self.session.join(self.setup(name, channel, port), self.joined.now_us)
        for phrase in self.session.take_phrases():
            # As some model would have encoded it.
            point = normal(7, Stream.PRIOR, len(phrase.bars), self.space.size).tolist()
            self.session.take_up(phrase, point, self.joined.now_us)

    def go_on(self, us: int) -> None:
        # In pieces, so that the instrument hears things before others are done.
        self.joined.run_until(self.joined.now_us + us)
        self.hear()

    def hear(self) -> None:
        for event in self.joined.events:
            if self.sink is not None:
                self.sink.send(event, self.joined.now_us)
        self.joined.events.clear()
        if self.sink is not None:
            self.sink.settle(self.joined.now_us)
        for message in self.joined.heard[self.passed :]:
            self.look_at(message)
        self.passed = len(self.joined.heard)

    def look_at(self, message: object) -> None:
        if isinstance(message, Frozen) and message.origin not in {"splice", "held"}:
            assert message.origin != "empty" or message.part not in self.offered, f"{message} is silent"
            if message.origin == "fresh":
                self.offered.add(message.part)
        if isinstance(message, PartGone):
            self.offered.discard(message.part)
        if isinstance(message, TransportState) and message.playing:
            # A start lies a moment ahead, so that its first note is not late; until then time stands still.
            begun = message.nudge.line_us(self.joined.now_us) >= message.time_us
            at_ub = message.song_at(self.joined.now_us) if begun else message.gearing.song_at(message.position_ub)
            epoch, before_ub = self.position
            assert message.epoch != epoch or at_ub >= before_ub - ROUNDING_UB, "time went backwards"
            self.position = (message.epoch, at_ub)

    def values(self) -> dict[Target, Values]:
        return {target: self.session.get(target) for target in self.session.targets() if target.name not in MOVING}

    def slots(self) -> Slots:
        """What the slots hold, as it is kept on the disk."""
        if (slots := self.session.take_slots()) is not None:
            self.kept_slots = msgspec.json.encode(slots)
        return msgspec.json.decode(self.kept_slots, type=Slots)

    # -- what may happen ---------------------------------------------------------------------------------------------

    @rule(command=commands())
    def command(self, command: tuple[str, tuple[object, ...]]) -> None:
        address, arguments = command
        self.do(self.router.dispatch(address, arguments))
        self.carry()

    def do(self, found: Command | Refusal) -> None:
        try:
            if isinstance(found, Command) and found.action is Action.SET:
                self.session.set(found.target, found.values, self.joined.now_us)
            elif isinstance(found, Command) and found.target == ADD:
                # What is left unsaid is completed on the way to the session.
                self.session.act(ADD, (found.values[0], "tiny", 5, ""), self.joined.now_us)
            elif isinstance(found, Command) and found.action is Action.ACT:
                self.session.act(found.target, found.values, self.joined.now_us)
            elif isinstance(found, Command) and found.action is Action.ASK:
                self.session.get(found.target)
        except UsageError:
            # Refused with a sentence; nothing may have changed.
            return

    @rule(us=st.integers(1, 3_000_000))
    def time_passes(self, us: int) -> None:
        self.go_on(us)

    @rule()
    def the_model_stalls(self) -> None:
        self.decode_us = STALLED_US

    @rule()
    def the_model_is_quick_again(self) -> None:
        self.decode_us = DECODE_US

    @rule(command=commands())
    def undo_restores(self, command: tuple[str, tuple[object, ...]]) -> None:
        address, arguments = command
        self.go_on(1_100_000)
        found = self.router.dispatch(address, arguments)
        if not isinstance(found, Command) or found.target.name in NO_STEPS:
            return
        before = self.values(), self.slots()
        self.do(found)
        self.let_in()
        if (self.values(), self.slots()) != before:
            try:
                self.session.act(Target("undo"), (), self.joined.now_us)
            except UsageError:
                return
            assert (self.values(), self.slots()) == before
        self.carry()

    @precondition(lambda self: self.sink is not None)
    @rule()
    def the_cable_is_pulled(self) -> None:
        self.sink = None
        self.joined.player.detach("out", self.joined.now_us)
        self.carry()

    @precondition(lambda self: self.sink is None)
    @rule()
    def the_cable_is_back(self) -> None:
        self.sink = LedgeredSink(self.instrument, self.ledger)
        self.joined.player.attach("out", 0, self.joined.now_us)
        self.sink.end_left_over(self.joined.now_us)
        self.carry()

    @rule(late_us=st.integers(0, 300_000))
    def the_player_is_killed(self, late_us: int) -> None:
        self.joined.events.clear()
        self.joined.now_us += late_us
        self.players += 1
        self.joined.player = Player(240.0, self.joined.now_us, self.players)
        self.offered.clear()
        self.joined.player.attach("out", 0, self.joined.now_us)
        self.sink = LedgeredSink(self.instrument, self.ledger)
        self.sink.end_left_over(self.joined.now_us)
        self.carry()

    @rule(late_us=st.integers(0, 2_000_000))
    def the_main_process_is_killed(self, late_us: int) -> None:
        kept = msgspec.json.decode(msgspec.json.encode(self.session.state()), type=SessionState)
        before, slots = self.values(), self.slots()
        # Whoever asked for these bars is gone.
        self.joined._running.clear()
        self.joined._waiting.clear()
        while late_us > 0:
            # Nobody listens to the player meanwhile.
            step_us = min(late_us, 20_000)
            late_us -= step_us
            self.joined.now_us += step_us
            self.joined.events += [event for _, event in self.joined.player.advance(self.joined.now_us)]
            self.joined.player.take_messages()
        self.generation += 1
        session = Session(self.session.cast(), 1, 240.0, self.generation)
        session.set_budget(2 * DECODE_US)
        session.restore_slots(slots)
        session.restore(kept)
        assert {target: session.get(target) for target in before} == before
        self.joined.session = session
        self.carry()

    # -- what must never happen --------------------------------------------------------------------------------------

    @invariant()
    def no_note_is_struck_while_it_sounds(self) -> None:
        assert self.instrument.wrongs == []

    def teardown(self) -> None:
        if self.sink is None:
            self.the_cable_is_back()
        self.decode_us = DECODE_US
        self.go_on(500_000)
        self.joined.player.handle(Quit(), self.joined.now_us)
        self.carry()
        assert self.instrument.sounding == set()


Everything.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # The same performances each time, unless more are asked for: to look for others is a task of its own.
    derandomize="AUTOLOOPS_EXAMPLES" not in os.environ,
    database=None,
)
TestEverything = Everything.TestCase
