"""How commands talk to the running engine: a connected UDP socket, and what goes wrong with it in a sentence."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

from autoloops_bridges.osc import codec
from autoloops_bridges.osc.addresses import udp_addresses
from autoloops_bridges.osc.codec import Message
from autoloops_engine.errors import PortError

LARGEST_DATAGRAM: Final = 65_535


def connect(host: str, port: int) -> socket.socket:
    """A connected UDP socket: the system then reports a port where nothing listens."""
    family, peer = udp_addresses(host, port)[0]
    link = socket.socket(family, socket.SOCK_DGRAM)
    try:
        link.connect(peer)
    except OSError:
        link.close()
        raise
    return link


@contextlib.contextmanager
def reaching(host: str, port: int) -> Iterator[None]:
    """Says in one sentence why an engine cannot be reached.

    Raises:
        PortError: nothing answers there.
    """
    try:
        yield
    except TimeoutError:
        raise PortError(f"{host} port {port} gives no answer: is it autoloops play that listens there?") from None
    except ConnectionError:
        raise PortError(f"Nothing listens on {host} port {port}: start autoloops play first.") from None
    except OSError as error:
        raise PortError(f"Cannot send to {host} port {port}: {error.strerror or error}.") from None


def unpack(datagram: bytes) -> list[Message]:
    """The messages of a datagram; none when it is no OSC."""
    elements = codec.split(datagram)
    parsed = [] if isinstance(elements, codec.Malformed) else [codec.parse(element.data) for element in elements]
    return [message for message in parsed if isinstance(message, codec.Message)]
