"""Every address of the table through real UDP to one running engine: set, ask, bad type, out of range, unknown.

The cases are made from the table itself, so a new line is tried as soon as it is there. What cannot be guessed from a
line, such as the name of a model, stands in ``EXAMPLES``.
"""

import itertools
import socket
import time
from collections.abc import Iterator, Sequence

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from tests.integration.playing import Playing, playing

from autoloops_bridges.control.rows import Argument, Direction, Kind, Row, Type
from autoloops_bridges.control.vocabulary import TABLE
from autoloops_bridges.osc import codec

Given = float | str | bool | bytes
Answer = tuple[str, tuple[object, ...]]

# Arguments that mean something, where the table alone does not tell.
EXAMPLES: dict[str, tuple[Given, ...]] = {
    "/al/PART/model": ("melody-2bar",),
    "/al/PART/port": ("midi_out",),
    "/al/sync/multiple": (2.0,),
    "/al/parts/add": ("bass",),
    "/al/learn": ("/al/melody/knob/3",),
    "/al/learn/forget": ("/al/melody/knob/3",),
}
# Lists that are another one than at rest; a latent point is as long as the model wants it.
LISTS: dict[str, tuple[Given, ...]] = {
    "/al/scale": ("f#", "dorian"),
    "/al/chords": ("Am7 | Dm7 G7",),
    "/al/PART/rests": (3, 5),
    "/al/PART/freeze": (1, 2, 20),
    "/al/PART/corners": (1, 2),
    "/al/PART/link": ("twin",),
}
# Where the range of the table has more than what makes sense.
BETWEEN: dict[str, Given] = {"grid": 16}
# Verbs that can always be done; the others may have nothing to do in an engine that just started, and say so.
ALWAYS = frozenset(
    f"/al/{verb}"
    for verb in ("start", "continue", "stop", "panic", "ping", "listen", "sync", "learn", "PART/fire", "PART/restart")
)
TOKENS = itertools.count()
WAIT_S = 10.0
# What the placeholders of a line stand for; ``NAME`` is the name of an attribute unless the line wants another.
WORDS = {"PART": "melody", "I": "1", "N": "2"}
VOICE = {"PART": "drums", "NAME": "kick"}
# The part that nothing else is tried on, as it is gone afterwards.
SPARE = {"PART": "spare"}
# The part that keeps its model: what it played can be frozen.
TWIN = {"PART": "twin"}
SPECIAL_WORDS = {
    "/al/PART/voice/NAME": VOICE,
    "/al/PART/frozen/NAME": VOICE,
    "/al/PART/remove": SPARE,
    "/al/PART/freeze": TWIN,
}
PARTS = ("melody", "twin", "drums", "spare", "bass")


class Client:
    """One client of the engine; each has an error budget of its own."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(WAIT_S)

    def close(self) -> None:
        self._socket.close()

    def say(self, address: str, *arguments: Given) -> list[Answer]:
        """Everything that the engine answers to a message."""
        token = f"token {next(TOKENS)}"
        self._socket.send(_message(address, arguments))
        self._socket.send(_message("/al/ping", (token,)))
        return self._until(token)

    def _until(self, token: str) -> list[Answer]:
        answers: list[Answer] = []
        while True:
            message = OscMessage(self._socket.recv(65_536))
            if (message.address, tuple(message.params)) == ("/al/pong", (token,)):
                return answers
            answers.append((message.address, tuple(message.params)))

    def errors(self, address: str, *arguments: Given) -> list[str]:
        """Why the engine refuses a message; empty: it does not."""
        answers = self.say(address, *arguments)
        assert all(given[0] == address for name, given in answers if name == "/al/error")
        return [str(given[1]) for name, given in answers if name == "/al/error"]

    def values(self, addresses: Sequence[str]) -> list[Answer]:
        """The values at these addresses."""
        token = f"token {next(TOKENS)}"
        for each in addresses:
            self._socket.send(_message(each, ()))
        self._socket.send(_message("/al/ping", (token,)))
        return self._until(token)

    def refused(self, address: str, *arguments: Given) -> None:
        """Sees that the engine answers a message by one error, a sentence."""
        (reason,) = self.errors(address, *arguments)
        assert reason.endswith("."), reason
        assert reason[0].isupper() or reason.split()[0].islower(), reason


def _message(address: str, arguments: Sequence[Given]) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return bytes(builder.build().dgram)


@pytest.fixture(scope="module")
def engine() -> Iterator[Playing]:
    parts = ("--parts", "melody,twin,drums,spare", "--model", "twin=melody-2bar", "--model", "spare=bass-2bar")
    with playing(*parts, "--seed", "3", "--tempo", "900", "--stopped") as engine:
        # The loops play through once: what is frozen stays as it sounded.
        engine.listen()
        engine.send("/al/start")
        while engine.hear_until("/al/bar").arguments[0] != 5:
            pass
        engine.send("/al/stop")
        for store in ("/al/melody/store/1", "/al/melody/store/2"):
            engine.send(store)
        yield engine


@pytest.fixture
def client(engine: Playing) -> Iterator[Client]:
    client = Client(engine.port)
    yield client
    client.close()


@pytest.fixture(scope="module")
def attribute(engine: Playing) -> str:
    """The name of an attribute fader of the part that plays."""
    engine.listen()
    engine.send("/al/sync")
    return engine.hear_until_prefix("/al/melody/attr/").rpartition("/")[2]


@pytest.fixture
def address(row: Row, attribute: str) -> str:
    """An address of this line of the table."""
    return addressed(row, attribute)


@pytest.fixture(scope="module")
def everything(attribute: str) -> list[str]:
    """The addresses of all values that change only when they are set."""
    return [addressed(row, attribute) for row in rows(Kind.VALUE)]


def addressed(row: Row, attribute: str) -> str:
    words = {**WORDS, "NAME": attribute, **SPECIAL_WORDS.get(row.template, {})}
    return "/al/" + "/".join(words.get(segment, segment) for segment in row.segments)


def fitting(argument: Argument) -> Given:
    """A value that an argument takes, and that is not the one at rest where that can be avoided."""
    if argument.name in BETWEEN:
        return BETWEEN[argument.name]
    if argument.choices:
        return argument.choices[-1]
    if argument.type in {Type.STRING, Type.ANY}:
        return "word"
    if argument.type is Type.BOOL:
        return 1
    low = argument.low if argument.low is not None else 0.0
    high = min(argument.high if argument.high is not None else low + 8, low + 200)
    value = low + (high - low) * 0.75
    return round(value) if argument.type is Type.INT else value


def unfitting(argument: Argument) -> list[Given]:
    """Values of a wrong type for an argument, and values out of its range."""
    if argument.type is Type.ANY:
        return []
    if argument.type is Type.STRING:
        return [b"blob", "no such choice" if argument.choices else 0.5]
    values: list[Given] = [b"blob", "nonsense", 7 if argument.type is Type.BOOL else float("nan")]
    if argument.type is not Type.BOOL:
        values += [argument.low - 1] if argument.low is not None else []
        values += [argument.high + 1] if argument.high is not None else []
    if argument.type is Type.INT:
        values.append(float(fitting(argument)) + 0.5)
    return values


def required(row: Row) -> list[Given]:
    """As few arguments as the line takes."""
    if row.template in EXAMPLES:
        return list(EXAMPLES[row.template])
    return [fitting(argument) for argument in row.arguments if not argument.optional]


def rows(*kinds: Kind, direction: Direction | None = None) -> list[Row]:
    return [row for row in TABLE if row.kind in kinds and (direction is None) == (row.direction is not Direction.OUT)]


def by_template(found: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", found, ids=[row.template for row in found])


def holds(answered: Sequence[object], values: Sequence[object]) -> bool:
    """Whether an answer begins with these values, as far as OSC's floats go."""
    return len(answered) >= len(values) and all(
        one == other or (isinstance(other, float) and one == pytest.approx(other, rel=1e-5, abs=1e-5))
        for one, other in zip(answered, values, strict=False)
    )


def refusals(row: Row) -> Iterator[list[Given]]:
    """For each argument of a line a wrong type, and values out of its range; those before it fit."""
    for at, argument in enumerate(row.arguments):
        ahead = [fitting(each) for each in row.arguments[:at]]
        for value in unfitting(argument):
            # A number alone is a button, pressed or let go, where a verb needs nothing.
            button = row.kind is Kind.VERB and not any(not each.optional for each in row.arguments)
            if ahead or not (button and argument.type is Type.STRING and isinstance(value, float)):
                yield [*ahead, value]
        if argument.many:
            yield from ([*ahead, fitting(argument), value] for value in unfitting(argument))
    if not any(argument.many for argument in row.arguments):
        yield [*[fitting(argument) for argument in row.arguments], 1, 1]


def refuses_what_does_not_fit(client: Client, row: Row, address: str, everything: Sequence[str]) -> None:
    """Sees that every argument is looked at, and that nothing at all changes for one that does not fit."""
    before = client.values(everything)
    assert [name for name, _ in before] == list(everything)
    for values in refusals(row):
        client.refused(address, *values)
    assert client.values(everything) == before


@by_template(rows(Kind.VALUE))
def test_a_value_is_set_and_asked(client: Client, row: Row, address: str) -> None:
    ((name, before),) = client.say(address)
    assert name == address
    if row.arguments[0].many:
        known = LISTS.get(row.template)
        values = list(known) if known else [float(str(each)) + 0.125 for each in before]
        assert not holds(before, values)
    else:
        values = required(row)
    for given in (values, [*values, *[fitting(argument) for argument in row.arguments if argument.optional]]):
        assert client.errors(address, *given) == []
        # What goes by way of the player is there a moment later; how long a ramp takes is not answered.
        until_s = time.monotonic() + WAIT_S
        while not holds(client.say(address)[0][1], values if row.template == "/al/tempo" else given):
            assert time.monotonic() < until_s, f"{address} {given} was never answered"


@by_template(rows(Kind.VALUE))
def test_a_value_refuses_what_does_not_fit_and_everything_stays(
    client: Client, row: Row, address: str, everything: list[str]
) -> None:
    refuses_what_does_not_fit(client, row, address, everything)


@by_template(rows(Kind.VALUE, direction=Direction.OUT))
def test_a_value_that_only_autoloops_sends_can_be_asked_and_not_set(client: Client, row: Row, address: str) -> None:
    answers = client.say(address)
    assert [name for name, _ in answers] == [address]
    client.refused(address, 1)


@by_template(rows(Kind.VERB))
def test_a_verb_refuses_what_does_not_fit_and_everything_stays(
    client: Client, row: Row, address: str, everything: list[str]
) -> None:
    refuses_what_does_not_fit(client, row, address, everything)
    if any(not argument.optional for argument in row.arguments):
        client.refused(address)


@by_template(rows(Kind.VERB))
def test_a_verb_acts(client: Client, row: Row, address: str) -> None:
    errors = client.errors(address, *required(row))
    assert not errors or (row.template not in ALWAYS and len(errors) == 1)
    assert all(error.endswith(".") for error in errors)


@by_template(rows(Kind.STREAM, direction=Direction.OUT))
def test_what_autoloops_sends_by_itself_cannot_be_sent_to_it(client: Client, row: Row, address: str) -> None:
    client.refused(address, *[fitting(argument) for argument in row.arguments])
    client.refused(address)


@by_template(list(TABLE))
def test_an_address_with_a_word_too_many_or_another_part_is_unknown(client: Client, row: Row, address: str) -> None:
    client.refused(address + "/nowhere")
    client.refused(address.rstrip("/") + "/")
    if "PART" in row.segments and row.kind is not Kind.STREAM:
        _, _, _, *rest = address.split("/")
        client.refused("/".join(["/al/nobody", *rest]), *required(row))
    if "I" in row.segments and row.kind is Kind.VALUE:
        for number in ("0", "-1", "1.5", "9999", "one"):
            client.refused(address.rpartition("/")[0] + f"/{number}")
    if "NAME" in row.segments:
        client.refused(address.rpartition("/")[0] + "/nothing")


def test_what_is_no_address_at_all_is_refused_with_a_sentence(client: Client) -> None:
    for address in ("/", "/al", "/al/", "/other/tempo", "/al//tempo", "/al/tempi", "/al/Melody/z", "/al/melody"):
        client.refused(address)


def test_every_address_that_is_told_by_sync_is_in_the_table(engine: Playing, attribute: str) -> None:
    known = {tuple(row.segments) for row in TABLE}
    shapes = set()
    for heard in engine.heard:
        assert isinstance(codec.parse(_message(heard.address, ())), codec.Message)
        words = heard.address.split("/")[2:]
        shapes.add(tuple("PART" if word in PARTS else word for word in words))
    for shape in shapes:
        assert shape in known or any(
            len(shape) == len(row) and all(a == b or b in {"I", "N", "NAME"} for a, b in zip(shape, row, strict=True))
            for row in known
        ), shape
