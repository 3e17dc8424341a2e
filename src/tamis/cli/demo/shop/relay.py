"""The mail relay of the demonstration: takes mail over SMTP on loopback and throws it away, or is not there."""

import socket
import socketserver
import threading

HOST = "127.0.0.1"


class Relay:
    """A relay at a port that stays the same while it is away. Its socket listens only while it is there."""

    def __init__(self) -> None:
        self._server: _Server | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Be there."""
        if self._server is None:
            self._server = _Server((HOST, self.port), _Session)
            self.port = self._server.server_address[1]
            threading.Thread(
                target=self._server.serve_forever, args=(0.1,), name="relay", daemon=True
            ).start()

    def close(self) -> None:
        """Be away: whoever connects is refused."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _Session(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs that sends one mail."""

    timeout = 10.0

    def handle(self) -> None:
        """One connection."""
        self._say("220 relay ready")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self._say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
            if verb == b"QUIT":
                self._say("221 bye")
                self.request.shutdown(socket.SHUT_WR)
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
