"""Logs are JSON lines that carry the request id; traces go where they are asked for and nowhere else."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from core.api.app import create_app
from tests.support import callers, lifespan

_SCRIPT = """
import logging
from core.foundation.settings import load_settings
from core.foundation.telemetry import REQUEST_ID, configure_logs, log
configure_logs(load_settings())
REQUEST_ID.set("request-7")
log("room").info("happened", thingId="1")
log("room").debug("not shown")
logging.getLogger("library").warning("careful %s", "now")
try:
    1 / 0
except ZeroDivisionError:
    log("room").exception("failed")
"""


def _lines(**environment: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return run.stdout.splitlines()


def test_each_record_is_a_line_of_json_with_the_request_id() -> None:
    ours, library, failed = (json.loads(line) for line in _lines())
    assert ours.pop("at").endswith("Z")
    assert ours == {"room": "room", "event": "happened", "thingId": "1", "requestId": "request-7", "level": "info"}
    assert (library["event"], library["logger"], library["level"]) == ("careful now", "library", "warning")
    assert (failed["event"], failed["requestId"]) == ("failed", "request-7")
    assert "ZeroDivisionError" in failed["exception"]


def test_level_and_form_are_settings() -> None:
    assert len(_lines(LOG_LEVEL="error")) == 1
    text = "\n".join(_lines(LOG_FORMAT="text"))
    assert "happened" in text
    assert not text.startswith("{")


async def test_each_request_is_one_line_without_its_address(
    make_settings: Callable[..., Any], cache: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    application = create_app(make_settings(log_level="info"))
    async with lifespan.started(application), lifespan.client_of(application) as api:
        owner = await callers.sign_up(api, "acme")
        capsys.readouterr()
        await owner.request("GET", "/auth/members", params={"tenantId": "acme"}, headers={"X-Request-Id": "mine"})
        await api.get("/health")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 1  # health is not logged
    line = lines[0]
    assert (line["event"], line["method"], line["route"], line["status"]) == ("request", "GET", "/auth/members", 200)
    assert (line["requestId"], line["caller"]) == ("mine", f"user:{owner.user_id}")
    assert set(line) == {"event", "level", "at", "requestId", "method", "route", "status", "ms", "caller", "tenant"}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Something that takes traces."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.path.encode() + b" " + self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    server.shutdown()
    server.server_close()
    thread.join()


async def test_traces_are_sent_to_the_collector_that_is_set(
    make_settings: Callable[..., Any], cache: Any, collector: tuple[str, list[bytes]]
) -> None:
    address, bodies = collector
    application = create_app(make_settings(otel_exporter_otlp_endpoint=address))
    async with lifespan.started(application), lifespan.client_of(application) as api:
        await api.get("/.well-known/jwks.json")
    assert bodies
    sent = b"".join(bodies)
    assert sent.startswith(b"/v1/traces ")
    assert b"cloudbill-api" in sent
    assert b"/.well-known/jwks.json" in sent


async def test_without_a_collector_nothing_is_traced(api: httpx.AsyncClient) -> None:
    assert (await api.get("/health")).status_code == 200
    application: Any = api._transport.app
    assert application.state.traces is None
