"""A proxy in front of an emulated cloud that answers at times as a real one does: slowly, half, not at all, not yet."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, bytes]
QUERY_ERROR = "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"
S3_ERROR = "<Error><Code>{}</Code><Message>{}</Message></Error>"


@dataclass(frozen=True)
class Asked:
    """One request, and what it is called: DescribeDBInstances, or of S3 `PUT /bucket/name`."""

    name: str
    path: str
    body: bytes
    region: str


@dataclass
class Fault:
    """What happens to the next `times` requests whose name matches."""

    name: re.Pattern[str]
    times: int
    answer: Callable[[Asked], Answer | None] | None = None
    """Instead of the cloud's own. None: the connection is closed without a word."""
    alter: Callable[[bytes], bytes] | None = None
    """Of the cloud's own answer."""
    cut: bool = False
    """The answer ends in its middle."""
    hang: threading.Event | None = None
    """No answer until this is set."""
    met: int = 0


@dataclass
class Faults:
    """The proxy: what it was asked, and what is to go wrong."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)

    def count(self, name: str) -> int:
        """How often something was asked, repetitions included."""
        return sum(one.name == name for one in self.asked)

    def refuse(
        self, name: str, status: int, code: str, *, times: int = 10**6, says: str = "no", s3: bool = False
    ) -> Fault:
        """An error of the cloud's own form."""
        text = (S3_ERROR if s3 else QUERY_ERROR).format(code, says).encode()
        return self._add(Fault(re.compile(name), times, answer=lambda _: (status, text)))

    def hang_up(self, name: str, *, times: int = 10**6) -> Fault:
        """The connection ends without an answer."""
        return self._add(Fault(re.compile(name), times, answer=lambda _: None))

    def cut(self, name: str, *, times: int = 10**6) -> Fault:
        """Half an answer."""
        return self._add(Fault(re.compile(name), times, cut=True))

    def alter(self, name: str, old: str, new: str, *, times: int = 10**6) -> Fault:
        """Another answer than the emulator's, which is always done at once."""
        return self._add(
            Fault(re.compile(name), times, alter=lambda body: re.sub(old.encode(), new.encode(), body, flags=re.DOTALL))
        )

    def once_asked(self, what: str, name: str, old: str, new: str) -> Fault:
        """Another answer from when `what` was asked on: what the emulator does not do then."""

        def alter(body: bytes) -> bytes:
            return re.sub(old.encode(), new.encode(), body, flags=re.DOTALL) if self.count(what) else body

        return self._add(Fault(re.compile(name), 10**6, alter=alter))

    def heal(self) -> None:
        """Nothing goes wrong any more; what was asked is forgotten."""
        self._faults.clear()
        self.asked.clear()

    def next_for(self, asked: Asked) -> Fault | None:
        """The fault that this request meets."""
        self.asked.append(asked)
        for fault in self._faults:
            if fault.met < fault.times and fault.name.fullmatch(asked.name):
                fault.met += 1
                return fault
        return None

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault


@contextmanager
def faults_before(target: str) -> Iterator[Faults]:
    """Listens on a port of its own and passes on to `target`."""
    faults, there = Faults(), urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self._body()
            fault = faults.next_for(_asked(self.command, self.path, dict(self.headers.items()), body))
            if fault and fault.hang:
                fault.hang.wait(30)
            if fault and fault.answer:
                made = fault.answer(faults.asked[-1])
                if made is None:
                    self.close_connection = True
                    return
                self._say(made[0], {"Content-Type": "text/xml"}, made[1])
                return
            status, headers, answer = self._ask(body)
            if fault and fault.alter:
                answer = fault.alter(answer)
            self._say(status, headers, answer, cut=bool(fault and fault.cut))

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                found = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return found
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS} | {
                "Content-Length": str(len(body))
            }
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                connection.close()

        def _say(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            is_head = self.command == "HEAD"
            for name, value in headers.items():
                if name.lower() not in _HOPS and not (name.lower() == "content-length" and not is_head):
                    self.send_header(name, value)
            if not is_head:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not is_head:
                self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    faults.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_HOPS = ("connection", "keep-alive", "transfer-encoding", "server", "date", "expect")


def _asked(method: str, path: str, headers: dict[str, str], body: bytes) -> Asked:
    lowered = {name.lower(): value for name, value in headers.items()}
    region = re.search(r"Credential=[^/]+/\d+/([^/]+)/", lowered.get("authorization", ""))
    name = f"{method} {path.partition('?')[0]}"
    if target := lowered.get("x-amz-target"):
        name = target.rpartition(".")[2]
    elif lowered.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        name = parse_qs(body.decode()).get("Action", [name])[0]
    return Asked(name, path, body, region[1] if region else "")
