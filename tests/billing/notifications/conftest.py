"""Facts as rooms tell them, a mail server and a listener for webhooks, both real and on this machine."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from core.foundation.embedded.ports import free_port
from core.foundation.ids import new_id
from core.foundation.outbox import tell
from core.foundation.runtime import Runtime
from core.identity.tenants.repository import find_tenant_by_slug
from core.worker.app import run_until_idle
from tests.support.callers import Caller

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

Tell = Callable[..., Awaitable[UUID]]
Work = Callable[[], Awaitable[None]]


@pytest.fixture
def tell_fact(runtime: Runtime) -> Tell:
    """`await tell_fact(tenant, "invoice.paid", {...}, customer=id, subject=id)`; the subject."""

    async def told(
        tenant: Caller,
        kind: str,
        document: dict[str, Any],
        *,
        customer: UUID | str | None = None,
        subject: UUID | None = None,
        fact: str = "",
    ) -> UUID:
        subject = subject or new_id()
        async with runtime.database.nobody() as session:
            row = await find_tenant_by_slug(session, tenant.tenant or "")
        assert row is not None
        async with runtime.database.tenant(row.id) as session:
            await tell(
                session,
                tenant_id=row.id,
                kind=kind,
                subject_id=subject,
                customer_id=UUID(str(customer)) if customer else None,
                occurred_at=AT,
                document=document,
                fact=fact,
            )
        return subject

    return told


@pytest.fixture
def work(runtime: Runtime) -> Work:
    """Runs every job that is due."""

    async def run() -> None:
        await run_until_idle(runtime)

    return run


async def customer_of(tenant: Caller, **fields: Any) -> str:
    """A customer of the tenant's with an address; its id."""
    body = {"externalId": "ada", "name": "Ada Lovelace", "email": "ada@example.test", **fields}
    answer = await tenant.post("/billing/customers", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["customerId"]


async def messages(tenant: Caller, **query: Any) -> list[dict[str, Any]]:
    """The tenant's messages, oldest first, each with its text."""
    listed = (await tenant.get("/notification/messages", **query)).json()["data"]
    return [(await tenant.get(f"/notification/messages/{one['messageId']}")).json() for one in reversed(listed)]


@dataclass
class MailServer:
    """A mail server that keeps what it is given; `answers` decides what it says to a recipient and to a text."""

    port: int
    taken: list[Envelope] = field(default_factory=list)
    to_recipient: list[str] = field(default_factory=list)
    to_text: list[str | None] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self.to_recipient:
            return self.to_recipient.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        del session
        answer = self.to_text.pop(0) if self.to_text else "250 OK"
        self.taken.append(envelope)
        if answer is None:  # the line breaks after the text came
            assert server.transport is not None
            server.transport.abort()
            return "250 nobody hears this"
        return answer


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A real SMTP server, without TLS."""
    kept = MailServer(free_port())
    controller = Controller(kept, hostname="127.0.0.1", port=kept.port)
    controller.start()
    yield kept
    controller.stop()


@dataclass
class Listener:
    """An endpoint of a tenant's: keeps every call, answers with `status` in turn, the last for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    body: bytes = b"thanks"
    location: str | None = None

    def kinds(self) -> list[str]:
        """What was told, in the order of the calls."""
        import orjson

        return [orjson.loads(body)["type"] for _, body in self.calls]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """An HTTP server on this machine that webhooks are sent to."""
    kept = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = kept.statuses.pop(0) if len(kept.statuses) > 1 else kept.statuses[0]
            self.send_response(status)
            if kept.location:
                self.send_header("location", kept.location)
            self.end_headers()
            self.wfile.write(kept.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


async def soon(condition: Callable[[], bool]) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
