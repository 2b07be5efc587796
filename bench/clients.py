"""Keep-alive HTTP clients in one cheap process: plain sockets and a selector, which cost little of the machine."""

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What the clients saw."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]

    @property
    def a_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """A latency in milliseconds."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


class _Client:
    __slots__ = ("buffer", "end", "requests", "sent_at", "socket")

    def __init__(self, port: int, requests: "Requests") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.buffer = b""
        self.sent_at = 0.0

    def send(self) -> None:
        self.buffer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.requests.next())

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
        return int(self.buffer[9:12]) if len(self.buffer) >= head_end + 4 + length else 0


class Requests:
    """Calls of gpt-4o that cost 0.0075 each, by turns for each payer; a payer is a token and a user or None."""

    def __init__(self, payers: list[tuple[str, str | None]], *, prefix: str) -> None:
        self._payers = payers
        self._prefix = prefix
        self._count = 0

    def next(self) -> bytes:
        """The next request, whole."""
        token, user = self._payers[self._count % len(self._payers)]
        self._count += 1
        who = f'"userId":"{user}",' if user else ""
        body = (
            f'{{{who}"model":"gpt-4o","inputTokens":1000,"outputTokens":500,'
            f'"idempotencyKey":"{self._prefix}-{self._count}"}}'
        )
        return (
            "POST /api/usage/reconcile HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def measure(port: int, requests: Requests, *, clients: int, seconds: float, warm_up: float) -> Measured:
    """Sends for `warm_up` and then `seconds`; only the latter count."""
    selector = selectors.EpollSelector()
    for _ in range(clients):
        client = _Client(port, requests)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send()
    begin = time.perf_counter() + warm_up
    end = begin + seconds
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    waiting = clients
    while waiting:
        for ready, _ in selector.select(5):
            client: _Client = ready.data
            status = client.receive()
            if not status:
                continue
            now = time.perf_counter()
            if begin <= now < end:
                latencies.append(now - client.sent_at)
            statuses[status] = statuses.get(status, 0) + 1
            if now < end:
                client.send()
            else:
                waiting -= 1
                selector.unregister(client.socket)
                client.socket.close()
    return Measured(seconds, latencies, statuses)


def main() -> None:
    """Reads one measurement as JSON from standard input and prints what was measured."""
    order = json.load(sys.stdin)
    requests = Requests([tuple(payer) for payer in order["payers"]], prefix=order["prefix"])
    measured = measure(
        order["port"], requests, clients=order["clients"], seconds=order["seconds"], warm_up=order["warm_up"]
    )
    json.dump({"seconds": measured.seconds, "latencies": measured.latencies, "statuses": measured.statuses}, sys.stdout)


if __name__ == "__main__":
    main()
