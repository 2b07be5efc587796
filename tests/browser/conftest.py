"""A whole installation in front of a real browser: API, worker, Stripe simulator and console, as `make up` starts them.

It starts once for all stories of a run; each story has tenants and a browser window of its own. Where no Chromium is
found the stories are skipped and say so.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic import SecretStr

from console.serve import build
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings, load_settings
from core.operations.backups.restoring import Restores
from tests.browser.books import Books
from tests.support import environment
from tests.support.browser import find_chromium
from tests.support.callers import PASSWORD, create_installation_user
from tests.support.processes import Process, answers, cloudbill
from tests.support.servers import PREFIX, ROOT, Keeper, Servers

# Kept between runs, apart from an installation of the person who tests: building takes longer than all stories.
BUILT = ROOT / ".cloudbill" / "browser-tests"
CACHE = 63
INSTALLATION = ("operator", "finance")
NOTICE_SECRET = "browser-tests-tell-of-alarms"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who can sign in."""

    email: str
    tenant: str = ""
    password: str = PASSWORD


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The addresses of a running installation, and the people in it."""

    console: str
    api: httpx.Client
    api_process: Process
    cache_url: str
    stripe: str
    """The address of the provider's simulator."""
    operator: Person
    finance: Person
    notices: str
    """The path, secret and all, that takes the notices of Cloud Monitoring."""
    owner_url: str
    start_backups: Callable[[], Process]
    """Starts what looks after the backups."""

    def sign_up(self, name: str, **fields: Any) -> Person:
        """A new tenant's owner."""
        slug = f"{name.lower().replace(' ', '-')}-{uuid4().hex[:6]}"
        person = Person(email=f"owner@{slug}.test", tenant=slug)
        body = {"email": person.email, "password": PASSWORD, "tenantId": slug, "tenantName": name, **fields}
        self._expect(201, self.api.post("/auth/register", json=body))
        return person

    def invite(self, owner: Person, role: str, *, email: str = "") -> Person:
        """Somebody else in the owner's tenant, perhaps known from another one."""
        person = Person(
            email=email or f"{role.replace('_', '-')}-{uuid4().hex[:6]}@{owner.tenant}.test", tenant=owner.tenant
        )
        wanted = {"email": person.email, "role": role}
        invited = self._expect(201, self.as_person(owner, "POST", "/auth/invitations", json=wanted))
        body = {
            "email": person.email,
            "password": PASSWORD,
            "tenantId": owner.tenant,
            "invitationToken": invited["token"],
        }
        self._expect(201, self.api.post("/auth/register", json=body))
        return person

    def as_person(self, person: Person, method: str, path: str, **request: Any) -> httpx.Response:
        """One request to the API as that person."""
        wanted = {"email": person.email, "password": person.password}
        issued = self._expect(200, self.api.post("/auth/login", json=wanted))
        return self.api.request(method, path, headers={"authorization": f"Bearer {issued['accessToken']}"}, **request)

    def _expect(self, status: int, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where the browser is."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium found: install one (Debian: apt-get install chromium) or name its path in CHROMIUM")
    return found


@pytest.fixture
def chromium(chromium_path: str) -> Iterator[Browser]:
    """The browser, anew for each story: while Playwright runs, no other test of this process can have an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def installation(
    chromium_path: str, servers: Servers, keeper: Keeper, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Everything, running."""
    build(BUILT)
    name = f"{PREFIX}browser_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    servers.create_database(name)
    settings = _settings(servers, name, tmp_path_factory.mktemp("heads"))
    folder = tmp_path_factory.mktemp("installation")
    with ExitStack() as running:
        running.callback(servers.drop_database, name)

        def start(command: str, **changes: Any) -> Process:
            env = environment.of_process(_changed(settings, **changes))
            process = Process(command, cloudbill(*command.split()), env=env, folder=folder, keeper=keeper)
            process.start()
            running.callback(process.kill)
            return process

        home = running.enter_context(_home())
        simulator, console = start("stripe-simulator"), start("console")
        api, _ = (start(command, cloudbill_home=home) for command in ("api", "worker"))
        simulator.wait_until(answers(f"http://127.0.0.1:{settings.stripe_port}/health"))
        api.wait_until(answers(f"http://127.0.0.1:{settings.port}/readyz"))
        console.wait_until(answers(f"http://127.0.0.1:{settings.console_port}/health"), seconds=120)
        operator, finance = (Person(email=f"{role}-{uuid4().hex[:6]}@installation.test") for role in INSTALLATION)
        for person, role in zip((operator, finance), INSTALLATION, strict=True):
            create_installation_user(settings.owner_url, person.email, role)
        client = running.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", trust_env=False))
        yield Installation(
            console=f"http://127.0.0.1:{settings.console_port}",
            api=client,
            api_process=api,
            cache_url=servers.cache.format(number=CACHE),
            stripe=f"http://127.0.0.1:{settings.stripe_port}",
            operator=operator,
            finance=finance,
            notices=f"/operations/alerts?auth_token={NOTICE_SECRET}",
            owner_url=settings.owner_url,
            start_backups=lambda: start(
                "backup watch", cloudbill_home=home, database_backup_url=SecretStr(servers.url("backup", name))
            ),
        )


def _changed(settings: Settings, **changes: Any) -> Settings:
    """With changes that count as given, so that they reach the process."""
    return load_settings(**{**{name: getattr(settings, name) for name in settings.model_fields_set}, **changes})


@contextmanager
def _home() -> Iterator[Path]:
    """A folder for backups and restored copies, which PostgreSQL's account can enter."""
    home = Path(tempfile.mkdtemp(prefix="cloudbill-browser-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        restores = Restores(load_settings(cloudbill_home=home))
        for copy in restores.names():
            restores.drop(copy)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def books(installation: Installation) -> Books:
    """Made once for all stories of finance."""
    return Books(installation)


@pytest.fixture
def open_window(installation: Installation, chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`open_window(person, color_scheme="dark")`: a window of one's own, signed in if somebody is named.

    Whatever the page logs as an error fails the story: a page that works leaves none.
    """
    complaints: list[str] = []
    with ExitStack() as opened:

        def open_one(person: Person | None = None, **options: Any) -> Page:
            options = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options}
            context = chromium.new_context(base_url=installation.console, **options)
            opened.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            if person:
                sign_in(page, person)
                # One is led to a page of one's own; a click before that would be overtaken by it.
                page.wait_for_url("**/tenants/*" if person.tenant else installation.console + "/")
                expect(page.get_by_role("heading", level=1)).to_be_visible()
            return page

        yield open_one
    assert complaints == []


def sign_in(page: Page, person: Person) -> None:
    """Through the form, as anybody does."""
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()


def _settings(servers: Servers, database: str, heads: Path) -> Settings:
    simulator = free_port()
    return load_settings(
        cloudbill_home=BUILT,
        database_url=servers.url("owner", database),
        database_app_url=servers.url("app", database),
        database_operator_url=servers.url("operator", database),
        redis_url=servers.cache.format(number=CACHE),
        encryption_key=environment.ENCRYPTION_KEY,
        ledger_heads_path=heads / "heads",
        stripe_secret_key="sk_test_tests",
        stripe_webhook_secret=environment.STRIPE_WEBHOOK_SECRET,
        stripe_api_base=f"http://127.0.0.1:{simulator}",
        stripe_port=simulator,
        port=(port := free_port()),
        console_port=(console := free_port()),
        api_url=f"http://127.0.0.1:{port}",
        console_url=f"http://127.0.0.1:{console}",
        rate_limit_max_requests=1_000_000,
        log_level="warning",
        alert_webhook_secret=NOTICE_SECRET,
    )
