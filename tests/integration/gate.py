"""A way to a server that can be shut, or can swallow everything without a word."""

import socket
import threading
from contextlib import suppress


class Gate:
    """Passes connections on to a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open = True
        self._passing = threading.Event()
        self._passing.set()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.turned_away = 0
        """How many connections were refused."""
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Break all connections, and refuse new ones."""
        self._open = False
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Take everything and pass nothing on, as a network that is gone."""
        self._passing.clear()

    def open(self) -> None:
        """Pass everything on; what was swallowed is lost with its connections."""
        if not self._passing.is_set():
            self.shut()
            self._passing.set()
        self._open = True

    def close(self) -> None:
        self.shut()
        self._passing.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        self._sockets.add(client)
        self._passing.wait()
        try:
            if not self._open:
                self.turned_away += 1
                raise ConnectionError
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            self._sockets.discard(client)
            client.close()
            return
        self._sockets.add(server)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._passing.wait()
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()
        self._sockets.discard(source)
