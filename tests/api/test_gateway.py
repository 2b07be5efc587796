"""The gateway: four services behind one address answer as one, and what breaks behind it is said in our form."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from core.api.app import ROUTERS
from core.api.gateway.app import create_gateway, services_of
from core.api.groups import GROUPS, group_of, is_of_each_process
from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings, SettingsInvalid, load_settings
from tests.support import callers, lifespan
from tests.support.callers import issue_key
from tests.support.processes import Process, answers

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, list[bytes]], Awaitable[None]]


def test_every_route_is_of_one_group_or_of_each_process() -> None:
    loose = [
        route.path  # type: ignore[attr-defined]
        for router in ROUTERS
        for route in router.routes
        if group_of(route.path) is None and not is_of_each_process(route.path)  # type: ignore[attr-defined]
    ]
    assert loose == []
    assert [group_of(path) for path in ("/auth/health", "/api/usage/holds", "/webhooks/stripe", "/notification")] == [
        "auth",
        "billing",
        "payment",
        "notification",
    ]
    assert (group_of("/"), group_of("/authority"), group_of("/api"), group_of("//auth")) == (None, None, None, None)


def test_a_gateway_without_its_services_says_what_is_missing() -> None:
    with pytest.raises(SettingsInvalid, match="AUTH_SERVICE_URL, PAYMENT_SERVICE_URL"):
        services_of(load_settings(billing_service_url="http://b", notification_service_url="http://n"))
    with pytest.raises(SettingsInvalid, match="CLOUDBILL_SERVICES: must be a comma-separated list of auth, billing"):
        load_settings(cloudbill_services="auth,billings")


async def test_four_processes_behind_the_gateway_tell_one_story(
    make_settings: Callable[..., Settings],
    cache: object,
    start_process: Callable[..., Process],
    own_stripe: Simulator,
) -> None:
    ports = {group: free_port() for group in GROUPS}
    urls = {f"{group}_service_url": f"http://127.0.0.1:{port}" for group, port in ports.items()}
    shared = {"stripe_api_base": own_stripe.url, "trusted_proxies": "127.0.0.1", "rate_limit_max_requests": 1000}
    services = {
        group: start_process(group, make_settings(port=port, cloudbill_services=group, **shared), "api")
        for group, port in ports.items()
    }
    at = free_port()
    gateway = start_process("gateway", make_settings(port=at, **urls), "gateway")
    for group, port in ports.items():
        services[group].wait_until(answers(f"http://127.0.0.1:{port}/readyz"))
    gateway.wait_until(answers(f"http://127.0.0.1:{at}/readyz"))

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{at}", trust_env=False) as client:
        for group in GROUPS:
            health = (await client.get(f"/{group}/health")).json()
            assert health == {"status": "healthy", "service": group}
        owner = await callers.sign_up(client, "acme")
        product = {"code": "own-product", "name": "Own"}
        assert (await owner.post("/billing/products", product, key="once")).status_code == 201
        assert (await owner.post("/billing/products", product, key="once")).json()["replayed"] is True
        purchase = await owner.post("/api/purchases", {"packageCode": "starter"}, key="a-purchase")
        assert (purchase.status_code, purchase.json()["status"]) == (201, "pending")
        assert (await owner.get("/notification/messages")).json() == {"data": [], "nextCursor": None}
        refused = await owner.get("/notification/messages/019b76da-a800-7000-8000-0000000000e0")
        assert (refused.status_code, refused.json()["code"]) == (404, "message_not_found")
        named = await client.get("/auth/health", headers={"x-request-id": "mine-1"})
        assert named.headers.get_list("x-request-id") == ["mine-1"]
        document = (await client.get("/openapi.json")).json()
        assert {"/auth/login", "/billing/plans", "/api/purchases", "/notification/messages"} <= document["paths"].keys()

        # One service has its own group only.
        async with httpx.AsyncClient(base_url=urls["auth_service_url"], trust_env=False) as alone:
            assert (await alone.get("/billing/plans")).status_code == 404

        # Whatever service is asked, a caller has one limit.
        key = await issue_key(owner, "billing:read", "purchases:read", rateLimit=8)
        paths = ("/billing/plans", "/api/purchases", "/notification/messages")
        statuses = [(await key.get(paths[number % 3])).status_code for number in range(24)]
        assert 4 <= statuses.count(200) <= 8
        assert set(statuses) == {200, 429}

        services["payment"].kill()
        gone = await owner.get("/api/purchases")
        assert (gone.status_code, gone.json()["code"]) == (502, "service_unreachable")
        assert gone.headers["content-type"] == "application/problem+json"
        assert gone.json()["requestId"] == gone.headers["x-request-id"]
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["payment"]) == (503, "unhealthy")
        assert (await owner.get("/billing/plans")).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused_by_name_though_its_service_hangs_up(chunked: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: list[bytes]) -> None:
        await asyncio.sleep(0.2)  # closes while it is still written to

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 20_000

    async with behind(serve) as application, lifespan.client_of(application) as client:
        sent = pieces() if chunked else b"x" * 2_000_000
        refused = await client.post("/webhooks/stripe", content=sent)
        assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
        # A thousand events may be more, and are the service's to judge.
        larger = await client.post("/billing/usage/events", content=b"x" * 2_000_000)
        assert larger.json()["code"] == "service_unreachable"


@asynccontextmanager
async def behind(serve: Serve, **changes: Any) -> AsyncIterator[Any]:
    """A gateway in this process, all of whose services are this one server."""

    serving: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer, head.rstrip().split(b"\r\n"))
        finally:
            writer.close()

    async def end() -> None:
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes their transports

    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        stack.callback(server.close)
        stack.push_async_callback(end)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        application = create_gateway(
            load_settings(**{f"{group}_service_url": url for group in GROUPS}, log_level="warning", **changes)
        )
        await stack.enter_async_context(lifespan.started(application))
        yield application


async def answered(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()


async def test_a_caller_cannot_write_what_the_services_believe() -> None:
    heads: list[list[bytes]] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter, head: list[bytes]) -> None:
        heads.append([line.lower() for line in head])
        await answered(
            writer, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\nx-a: 2\r\nconnection: close\r\n\r\nok"
        )

    async with behind(serve) as application, lifespan.client_of(application) as client:
        given = {
            "x-forwarded-for": "10.9.9.9",
            "x-real-ip": "10.9.9.9",
            "forwarded": "for=10.9.9.9",
            "x-request-id": "an id with spaces",
            "connection": "x-secret",
            "x-secret": "of the connection",
            "authorization": "Bearer token",
        }
        answer = await client.get("/auth/me/%2e%2e/x?a=%20b&a=c", headers=given)
    assert (answer.text, answer.headers.get_list("x-a"), "connection" in answer.headers) == ("ok", ["1", "2"], False)
    (head,) = heads
    assert head[0] == b"get /auth/me/%2e%2e/x?a=%20b&a=c http/1.1"
    assert b"x-forwarded-for: 127.0.0.1" in head
    assert b"authorization: bearer token" in head
    assert b"x-forwarded-host: api.test" in head
    assert not [line for line in head if b"10.9.9.9" in line or b"x-secret" in line or b"spaces" in line]


async def test_bodies_pass_piece_by_piece_in_both_directions() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: list[bytes]) -> None:
        assert b"transfer-encoding: chunked" in [line.lower() for line in head]
        got.append(await reader.readuntil(b"first"))
        arrived.set()
        got.append(await reader.readuntil(b"0\r\n\r\n"))
        await answered(writer, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n")
        await go_on.wait()
        await answered(writer, b"4\r\nlate\r\n0\r\n\r\n")

    sent: asyncio.Queue[Any] = asyncio.Queue()
    parts = iter([(b"first", True), (b"second", False)])

    async def receive() -> dict[str, Any]:
        body, more = next(parts)
        if not more:
            await asyncio.wait_for(arrived.wait(), 5)  # the first part was there before the second was given
        return {"type": "http.request", "body": body, "more_body": more}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/billing/usage/events",
        "raw_path": b"/billing/usage/events",
        "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked"), (b"host", b"api.test")],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    async with behind(serve) as application:
        passing = asyncio.create_task(application(scope, receive, sent.put))
        assert (await asyncio.wait_for(sent.get(), 5))["status"] == 200
        assert (await asyncio.wait_for(sent.get(), 5))["body"] == b"early"
        go_on.set()
        await passing
        assert (await sent.get())["body"] == b"late"


async def test_a_slow_service_is_504_and_one_that_breaks_off_is_502_or_a_broken_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: list[bytes]) -> None:
        if b"/slow" in head[0]:
            await asyncio.sleep(1)
        elif b"/half" in head[0]:
            await answered(writer, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    async with behind(serve, gateway_timeout="300ms") as application, lifespan.client_of(application) as client:
        slow = await client.get("/billing/slow")
        assert (slow.status_code, slow.json()["code"]) == (504, "service_timeout")
        broken = await client.get("/payment/broken")
        assert (broken.status_code, broken.json()["code"], broken.headers["retry-after"]) == (
            502,
            "service_unreachable",
            "2",
        )
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/payment/half")
        nothing = await client.get("/nothing")
        assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")
        assert nothing.headers["x-content-type-options"] == "nosniff"
        ready = await client.get("/readyz")
        assert ready.json()["status"] == "not_ready"
