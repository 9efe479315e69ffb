"""Which address of a host is meant. A name such as ``localhost`` often has one of each family, and only one works."""

import socket
from typing import NamedTuple


class UdpAddress(NamedTuple):
    """What a UDP socket of ``family`` can be bound or send to."""

    family: int
    address: tuple[object, ...]


def udp_addresses(host: str, port: int) -> list[UdpAddress]:
    """The addresses of a host, at least one: those by IPv4 first, where AutoLoops and most OSC programs listen.

    Blocks: while a name server is asked.

    Args:
        host: A name or a number.
        port: 0 to 65535.

    Raises:
        OSError: there is no such host.
    """
    found = [UdpAddress(each[0], each[4]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)]
    return sorted(found, key=lambda each: each.family != socket.AF_INET)
