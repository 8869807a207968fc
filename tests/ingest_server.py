"""A server that answers as Moose's ingest API does, for tests of what sends to it."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NO_KEY = "Unauthorized: Invalid or missing token"


class Ingest:
    """A server that answers like Moose's ingest API: an array is taken whole or refused."""

    def __init__(self, port: int = 0) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.failures: list[int] = []
        self.failure = "Error"
        """What a failure says; a page, if a proxy before Moose says it."""
        self.refuse: Callable[[dict[str, Any]], bool] = lambda _record: False
        self.connections: set[tuple[str, Any]] = set()
        """By method, as whoever asks seldom may do so on a new one each time."""
        self.keys: dict[str, str] = {}
        """What the header Authorization has to be, by method; without one nothing is asked for."""
        self.unauthorized = 0
        self.closed = False
        ingest = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                ingest.connections.add((self.command, self.client_address))
                if ingest.admits(self):
                    self.answer(200, '{"entries": []}')
                else:
                    self.answer(401, NO_KEY)

            def do_POST(self) -> None:
                ingest.connections.add((self.command, self.client_address))
                if ingest.closed:
                    self.close_connection = True
                    return
                records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not ingest.admits(self):
                    self.answer(401, NO_KEY)
                elif ingest.failures:
                    self.answer(ingest.failures.pop(0), ingest.failure)
                elif any(map(ingest.refuse, records)):
                    self.answer(400, "Invalid JSON: packet_count")
                else:
                    ingest.taken += [(self.path, record) for record in records]
                    self.answer(200, "SUCCESS")

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Content-Type", "text/html" if text.startswith("<") else "text/plain")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def admits(self, request: BaseHTTPRequestHandler) -> bool:
        """Whether a request has the key that it needs."""
        said = request.headers["Authorization"]
        admitted: bool = said == self.keys.get(request.command, said)
        self.unauthorized += not admitted
        return admitted

    def packets(self) -> list[dict[str, Any]]:
        return [record for path, record in self.taken if path == "/ingest/raw_ant_hr_packet"]

    def close(self) -> None:
        """Go away: nothing is answered any more, on no connection."""
        self.closed = True
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
