"""Secrets change while requests go on: what docs/runbooks/rotate-secrets.md says, done against real servers."""

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
import redis
from psycopg import sql

from core.billing.payments.providers.stripe_signature import sign
from core.foundation.crypto import new_encryption_key
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from tests.support import environment
from tests.support.callers import PASSWORD
from tests.support.processes import Process, answers, cloudbill
from tests.support.servers import ROOT, Servers

Start = Callable[..., Process]


class Traffic:
    """Requests one after the other to whoever is behind the balancer; `failed` are those that were not answered 200."""

    def __init__(self, token: str) -> None:
        self.targets: list[str] = []
        self.answered = 0
        self.failed: list[str] = []
        self._headers = {"Authorization": f"Bearer {token}"}
        self._ended = threading.Event()

    def _send(self) -> None:
        numbers = itertools.count()
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not self._ended.is_set():
                target = self.targets[next(numbers) % len(self.targets)]
                try:
                    answer = client.get(f"{target}/auth/members", headers=self._headers, params={"tenantId": "acme"})
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answered += 1
                else:
                    self.failed.append(answer.text)

    def wait_for_more(self, requests: int = 20) -> None:
        """Until so many more were answered."""
        wanted, give_up_at = self.answered + requests, time.monotonic() + 30
        while self.answered < wanted:
            assert time.monotonic() < give_up_at, self.failed[:3]
            time.sleep(0.01)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While it flows."""
        sender = threading.Thread(target=self._send)
        sender.start()
        try:
            yield
        finally:
            self._ended.set()
            sender.join()


@pytest.fixture
def serve(start_process: Start) -> Callable[[str, Settings], Process]:
    """The API with these settings, once it is ready: as the balancer sees it."""

    def start(name: str, settings: Settings) -> Process:
        port = free_port()
        process = start_process(name, settings.model_copy(update={"port": port}), "api")
        process.url = f"http://127.0.0.1:{port}"
        process.wait_until(answers(f"{process.url}/readyz"))
        return process

    return start


def _as(url: str, user: str, word: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{word}@{parts.hostname}:{parts.port}"))


@pytest.fixture
def logins(servers: Servers, database_name: str) -> Iterator[list[dict[str, str]]]:
    """Two pairs of addresses for application and operator, whose logins nobody made yet."""
    mark = uuid4().hex[:8]
    pairs = [
        {
            f"database_{role}_url": _as(servers.url(role, database_name), f"{role}_{mark}_{number}", f"word-{number}")
            for role in ("app", "operator")
        }
        for number in (1, 2)
    ]
    yield pairs
    with psycopg.connect(servers.url("admin", "postgres"), autocommit=True) as connection:
        for url in (url for pair in pairs for url in pair.values()):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(urlsplit(url).username or "")))


@pytest.fixture
def cache_user(servers: Servers) -> Iterator[tuple[redis.Redis, str]]:
    """A user of the cache with the password `old`."""
    administrator = redis.Redis.from_url(servers.cache.format(number=0))
    user = f"cloudbill-{uuid4().hex[:8]}"
    administrator.execute_command("ACL", "SETUSER", user, "on", ">old", "~*", "&*", "+@all")
    yield administrator, user
    administrator.execute_command("ACL", "DELUSER", user)
    administrator.close()


def _command(settings: Settings, *words: str) -> str:
    done = subprocess.run(
        cloudbill(*words), cwd=ROOT, env=environment.of_process(settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _signed_up(url: str) -> str:
    body = {"email": "owner@acme.test", "password": PASSWORD, "tenantId": "acme"}
    answer = httpx.post(f"{url}/auth/register", json=body, timeout=20)
    assert answer.status_code == 201, answer.text
    return answer.json()["accessToken"]


def _webhook(url: str, secret: str) -> int:
    body = b'{"id":"evt_1","object":"event","type":"ping","created":1,"livemode":false,"data":{"object":{}}}'
    signature = sign(body, secret=secret, at=datetime.now(UTC))
    return httpx.post(f"{url}/webhooks/stripe", content=body, headers={"Stripe-Signature": signature}).status_code


def test_every_secret_of_the_api_changes_and_no_request_fails(
    servers: Servers,
    make_settings: Callable[..., Settings],
    serve: Callable[[str, Settings], Process],
    logins: list[dict[str, str]],
    cache_user: tuple[redis.Redis, str],
) -> None:
    administrator, user = cache_user
    cache_url = servers.cache.format(number=0)
    was = make_settings(redis_url=_as(cache_url, user, "old"), **logins[0])
    _command(was, "migrate")
    old_key = was.encryption_key
    assert old_key is not None
    first = serve("first", was)
    traffic = Traffic(_signed_up(first.url))
    traffic.targets = [first.url]
    with traffic.flowing():
        traffic.wait_for_more()
        # Both are valid: a second login, a second password, the new key beside the old, both of Stripe's secrets.
        now = make_settings(
            **logins[1],
            redis_url=_as(cache_url, user, "new"),
            encryption_key=f"{new_encryption_key()},{old_key.get_secret_value()}",
            stripe_secret_key="sk_test_rolled",
            stripe_webhook_secret=f"whsec_new,{environment.STRIPE_WEBHOOK_SECRET}",
            metrics_token="a-new-token",
        )
        assert f"Logins: {urlsplit(now.app_url).username}, " in _command(now, "migrate")
        administrator.execute_command("ACL", "SETUSER", user, ">new")
        assert "signs from now on" in _command(now, "keys", "rotate")
        traffic.wait_for_more()
        # The services are rolled: the new one is ready before the old one goes.
        second = serve("second", now)
        traffic.targets = [first.url, second.url]
        traffic.wait_for_more(40)
        assert [_webhook(second.url, secret) for secret in ("whsec_new", environment.STRIPE_WEBHOOK_SECRET)] == [
            200
        ] * 2
        traffic.targets = [second.url]
        traffic.wait_for_more()
        assert first.stop() == 0
        # Nobody uses the old ones any more: they end.
        with psycopg.connect(servers.url("admin", "postgres"), autocommit=True) as connection:
            former = sql.Identifier(urlsplit(was.app_url).username or "")
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(former))
        administrator.execute_command("ACL", "SETUSER", user, "<old")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(was.app_url)
        traffic.wait_for_more(40)
    assert traffic.failed == []
    assert traffic.answered >= 160
    assert httpx.get(f"{second.url}/readyz").json()["status"] == "ready"
    assert httpx.get(f"{second.url}/metrics").status_code == 401
    assert httpx.get(f"{second.url}/metrics", headers={"Authorization": "Bearer a-new-token"}).status_code == 200
