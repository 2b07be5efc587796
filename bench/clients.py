"""Keep-alive HTTP clients in one cheap process: plain sockets and a selector, which cost little of the machine."""

import json
import selectors
import socket
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

Payer = tuple[str, str | None]
"""A token, and a user or None."""


@dataclass(frozen=True)
class Measured:
    """What the clients saw; latencies by the kind of request."""

    seconds: float
    latencies: dict[str, list[float]]
    statuses: dict[int, int]

    def a_second(self, kind: str) -> float:
        """Answers a second."""
        return len(self.latencies[kind]) / self.seconds

    def percentile(self, kind: str, share: float) -> float:
        """A latency in milliseconds."""
        latencies = sorted(self.latencies[kind])
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000


class _Client:
    __slots__ = ("body_at", "buffer", "calls", "kind", "request", "sent_at", "socket")

    def __init__(self, port: int, calls: "Calls") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.calls = calls
        self.kind, self.request = next(calls)
        self.buffer = b""
        self.body_at = 0
        self.sent_at = 0.0

    def send(self) -> None:
        self.buffer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.request)

    def go_on(self) -> None:
        """The next request, which may depend on the answer to this."""
        self.kind, self.request = self.calls.send(self.buffer[self.body_at :])
        self.send()

    def receive(self) -> int:
        """The status once the answer is whole, else 0."""
        piece = self.socket.recv(65536)
        if not piece:
            raise SystemExit("the API closed a connection")
        self.buffer += piece
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return 0
        head = self.buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None])
        self.body_at = head_end + 4
        return int(self.buffer[9:12]) if len(self.buffer) >= head_end + 4 + length else 0


Calls = Generator[tuple[str, bytes], bytes]
"""What one client asks, a kind and a whole request at a time; it is sent the body of each answer."""


def settling(payers: Sequence[Payer], prefix: str) -> Calls:
    """Calls of gpt-4o that cost 0.0075 each, by turns for each payer."""
    for number, (token, user) in enumerate(cycle(payers)):
        yield "settle", _post("reconcile", token, {**_CALL, **_who(user), "idempotencyKey": f"{prefix}-{number}"})


def reserving(payers: Sequence[Payer], prefix: str) -> Calls:
    """The same calls, the most that each may cost kept back before."""
    for number, (token, user) in enumerate(cycle(payers)):
        asked = {**_who(user), "idempotencyKey": f"{prefix}-{number}"}
        hold = yield "reserve", _post("holds", token, {**asked, **_MOST})
        yield "settle", _post("reconcile", token, {**asked, **_CALL, "holdId": json.loads(hold)["holdId"]})


SCRIPTS = {"settling": settling, "reserving": reserving}
_CALL = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
_MOST = {"model": "gpt-4o", "inputTokens": 1000, "maxOutputTokens": 4000}


def _who(user: str | None) -> dict[str, str]:
    return {"userId": user} if user else {}


def _post(route: str, token: str, content: dict[str, object]) -> bytes:
    body = json.dumps(content, separators=(",", ":"))
    return (
        f"POST /api/usage/{route} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def measure(port: int, calls: Sequence[Calls], *, seconds: float, warm_up: float) -> Measured:
    """A client for each of `calls`. Sends for `warm_up` and then `seconds`; only the latter count."""
    selector = selectors.EpollSelector()
    for one in calls:
        client = _Client(port, one)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send()
    begin = time.perf_counter() + warm_up
    end = begin + seconds
    latencies: dict[str, list[float]] = {}
    statuses: dict[int, int] = {}
    waiting = len(calls)
    while waiting:
        for ready, _ in selector.select(5):
            client: _Client = ready.data
            status = client.receive()
            if not status:
                continue
            now = time.perf_counter()
            if begin <= now < end:
                latencies.setdefault(client.kind, []).append(now - client.sent_at)
            statuses[status] = statuses.get(status, 0) + 1
            if now < end:
                client.go_on()
            else:
                waiting -= 1
                selector.unregister(client.socket)
                client.socket.close()
    return Measured(seconds, latencies, statuses)


def main() -> None:
    """Reads one measurement as JSON from standard input and prints what was measured."""
    order = json.load(sys.stdin)
    payers = [(token, user) for token, user in order["payers"]]
    clients = order["clients"]
    calls = [
        # Each begins with another payer, and takes one in `clients` of them.
        SCRIPTS[order["script"]](
            list(islice(cycle(payers), number, number + clients * len(payers), clients)), f"{order['prefix']}-{number}"
        )
        for number in range(clients)
    ]
    measured = measure(order["port"], calls, seconds=order["seconds"], warm_up=order["warm_up"])
    json.dump({"seconds": measured.seconds, "latencies": measured.latencies, "statuses": measured.statuses}, sys.stdout)


if __name__ == "__main__":
    main()
