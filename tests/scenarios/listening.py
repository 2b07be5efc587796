"""Where webhooks go: one listener on this machine, with an address for each tenant."""

import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Call = tuple[dict[str, str], bytes]


class Ears:
    """Keeps every call by its address; `refuse` answers the next calls there with a status."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Call]] = defaultdict(list)
        self.refuse: dict[str, list[int]] = defaultdict(list)
        ears = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                name = self.path.rpartition("/")[2]
                status = ears.refuse[name].pop(0) if ears.refuse[name] else 200
                if status == 200:
                    ears.heard[name].append(({key.lower(): value for key, value in self.headers.items()}, body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def url(self, name: str) -> str:
        """A tenant's address."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
