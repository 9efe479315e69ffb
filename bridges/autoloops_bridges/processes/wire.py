"""Lines of messages over a stream socket, without ever waiting for the other side."""

import socket
from collections import deque
from typing import Final

# What may wait for a peer that does not read: about ten seconds of sixteen parts.
MAX_WAITING_BYTES: Final = 4 << 20
MAX_LINE_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 16


class Wire:
    """One end of a stream socket that carries lines.

    A line is dropped and counted when the peer does not read for long; one torn by a peer that died ends at the line
    feed with which its successor begins.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self.dropped = 0
        self._stream = stream
        self._out: deque[bytes] = deque([b"\n"])
        self._out_bytes = 1
        self._in = bytearray()
        self._skipping = False

    def fileno(self) -> int:
        """The descriptor, for ``select``."""
        return self._stream.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out)

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        return self._out_bytes

    def send(self, line: bytes) -> None:
        """Send a whole line, line feed included, as soon as the peer takes it."""
        if self._out_bytes + len(line) > MAX_WAITING_BYTES:
            self.dropped += 1
            return
        self._out.append(line)
        self._out_bytes += len(line)
        self.flush()

    def flush(self) -> None:
        """Send what the peer takes at this moment."""
        while self._out:
            try:
                sent = self._stream.send(self._out[0])
            except BlockingIOError:
                return
            except OSError:
                # Nobody is at the other end; whoever takes its place starts with an empty queue.
                self.dropped += len(self._out)
                self._out.clear()
                self._out_bytes = 0
                return
            self._out_bytes -= sent
            if sent < len(self._out[0]):
                self._out[0] = self._out[0][sent:]
                return
            self._out.popleft()

    def receive(self) -> list[bytes]:
        """The lines that have come in, without their line feeds; empty ones are left out."""
        while True:
            try:
                chunk = self._stream.recv(_CHUNK)
            except OSError:
                break
            self._in += chunk
            if len(chunk) < _CHUNK:
                break
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        if self._skipping and lines:
            lines, self._skipping = lines[1:], False
        if len(self._in) > MAX_LINE_BYTES:
            self._in.clear()
            self.dropped += not self._skipping
            self._skipping = True
        return [line for line in lines if line]
