"""An endpoint for webhooks that keeps what it gets, for tests of the sender."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import stripe

SECRET = "whsec_of_the_tests"


class Receiver:
    """Verifies each delivery as Stripe's library does, and answers 200, or what `answers` holds next."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.bodies: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/stripe"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def wait_for(self, count: int) -> list[str]:
        """The types of the first events, once there are `count`; fails after ten seconds."""
        for _ in range(500):
            if len(self.events) >= count:
                return self.types
            time.sleep(0.02)
        raise AssertionError(f"only {self.types} arrived, {count} were expected")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signature = self.headers["Stripe-Signature"]
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    # Raises, and so answers nothing, where the signature does not hold.
                    receiver.events.append(stripe.Webhook.construct_event(body, signature, SECRET))
                    receiver.bodies.append((body, signature))
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
