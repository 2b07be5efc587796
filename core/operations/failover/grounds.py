"""Where a failover happens: this machine, or a stack in a cloud. The steps are the same."""

import asyncio
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.serving import SERVING, at
from core.foundation.settings import Settings
from core.operations.clouds.base import Dns, Place, Say, Standbys, silently, standbys_of
from core.operations.clouds.local_standbys import LocalStandbys
from core.operations.failover.here import ServersHere
from core.operations.failover.journal import Journal, Journals
from core.operations.records.repeating import repeat_erasures
from core.operations.recovery import evidence
from core.operations.recovery.adopting import adopt_heads

Connection = psycopg.Connection[Any]
CONNECT_SECONDS = 5


def turned_away(error: psycopg.OperationalError) -> bool:
    """Whether a server answered and would not let the login in; libpq tells it in words only."""
    words = str(error)
    return "FATAL:" in words and "the database system is" not in words  # starting up, shutting down, in recovery


class Ground(Protocol):
    """What the steps need of the place."""

    name: str
    journals: Path
    runbook: str

    @property
    def standbys(self) -> Standbys:
        """Of who serves."""
        ...

    def primary(self) -> str:
        """host:port of who serves, as the place has it."""
        ...

    def endpoint(self, standby: str) -> str | None:
        """host:port of a standby, where it is known before it is promoted."""
        ...

    @contextmanager
    def mover(self, endpoint: str) -> Generator[Connection]:
        """A connection with the mover's rights, in autocommit. Raises psycopg.OperationalError."""
        ...

    def switch(self, endpoint: str, *, epoch: int) -> str:
        """Leads callers there; how, in words. Asked twice it is done once."""
        ...

    def record(self, endpoint: str, document: dict[str, Any]) -> int | None:
        """Keeps the evidence with the installation; its number, or None where that is done elsewhere."""
        ...

    def rebuild(self, name: str, *, mark: str) -> str:
        """Makes the old primary a standby of the new one, once for each `mark`; its name as a standby."""
        ...


class HereGround:
    """This machine: the embedded database and its standbys."""

    def __init__(self, settings: Settings, *, say: Say = silently) -> None:
        self.name = "this machine"
        self.runbook = "docs/runbooks/failover.md"
        self._settings = settings
        self._say = say
        self._servers = ServersHere(settings)
        self.journals = settings.cloudbill_home.absolute() / "failover"

    @property
    def standbys(self) -> Standbys:
        """Real servers beside."""
        return LocalStandbys(self._settings)

    def primary(self) -> str:
        """By the last failover."""
        return self._servers.endpoint(self._servers.primary())

    def endpoint(self, standby: str) -> str | None:
        """Its port stays the same when it is promoted."""
        return self._servers.endpoint(standby)

    @contextmanager
    def mover(self, endpoint: str) -> Generator[Connection]:
        """DATABASE_MOVER_URL, at that server."""
        url = at(self._settings.mover_url, endpoint)
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            yield connection

    def switch(self, endpoint: str, *, epoch: int) -> str:
        """The file that this machine's processes and commands read."""
        self._erase_again(endpoint)
        path = self._settings.cloudbill_home.absolute() / SERVING
        unfinished = path.with_suffix(".writing")
        others = [one for one in map(self._servers.endpoint, self._servers.names()) if one != endpoint]
        document = {"endpoint": endpoint, "epoch": epoch, "instead_of": others}
        unfinished.write_text(json.dumps(document) + "\n", encoding="utf-8")
        unfinished.replace(path)
        return f"{path} names {endpoint}"

    def record(self, endpoint: str, document: dict[str, Any]) -> int | None:
        """Into the chain of evidence, as the application."""
        there = self._there(endpoint)
        # The signed heads are apart from the database, and may be ahead of a standby that lacked something.
        lost = document["steps"]["caught_up"]["result"]["lost_bytes"] != 0
        shortened = adopt_heads(self._settings, self._running(endpoint)) if lost else 0

        async def keep() -> int:
            database = Database(there)
            try:
                return await evidence.record(database, there, "failover", {**document, "shortened_chains": shortened})
            finally:
                await database.dispose()

        return asyncio.run(keep())

    def _erase_again(self, endpoint: str) -> None:
        """Whoever was erased by what the standby lacks, before callers are led there."""

        async def repeat() -> None:
            database = Database(self._there(endpoint))
            try:
                await repeat_erasures(database, self._settings, now=wall_now())
            finally:
                await database.dispose()

        try:
            asyncio.run(repeat())
        except SQLAlchemyError as error:  # nobody waits for it in an emergency: the held worker does it again
            self._say(f"not erased again yet: {str(error).splitlines()[0]}")

    def _there(self, endpoint: str) -> Settings:
        return self._settings.model_copy(
            update={
                "database_app_url": _secret(self._settings, at(self._settings.app_url, endpoint)),
                "database_operator_url": _secret(self._settings, at(self._settings.operator_url, endpoint)),
            }
        )

    def _running(self, endpoint: str) -> EmbeddedPostgres:
        server = self._servers.server(self._servers.primary())
        server.port = int(endpoint.rpartition(":")[2])
        return server

    def rebuild(self, name: str, *, mark: str) -> str:
        """By pg_rewind, or a copy of all; one that follows already is left alone."""
        if not any(one.name == name and one.state == "streaming" for one in self.standbys.standing().replicas):
            self._servers.rebuild(name, say=self._say)
        return name


class StackGround:
    """A stack in a cloud: its standbys and names by the cloud's adapters, its databases by DATABASE_MOVER_URL's login
    inside the private network, or through the cloud's own doors.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        stack: str,
        place: Place,
        endpoint: str,
        outputs: Mapping[str, Any],
        standbys: Standbys,
        dns: Dns | None = None,
        record: str | None = None,
        leads_to: str | None = None,
        others: Callable[[Place, str], Standbys] = standbys_of,
    ) -> None:
        self.name = stack
        self.runbook = "docs/runbooks/failover.md"
        self._settings, self._place, self._outputs = settings, place, outputs
        self._endpoint, self._dns, self._record, self._leads_to = endpoint, dns, record, leads_to
        self._standbys, self._others = standbys, others
        self.journals = settings.cloudbill_home.absolute() / "failover" / stack

    def _since(self) -> Journal | None:
        """The newest failover away from the database that the stack's outputs name, until they name another."""
        last: Journal | None = None
        for journal in Journals(self.journals).done():
            if journal.given["endpoint"] == (_promoted(last) if last else self._endpoint):
                last = journal
        return last

    @property
    def standbys(self) -> Standbys:
        """Of the database that the stack names, or that took its place."""
        if (last := self._since()) is None:
            return self._standbys
        return self._others(replace(self._place, region=last.given["to_region"]), last.given["to"])

    def primary(self) -> str:
        """As the stack gives it out, or who took its place."""
        last = self._since()
        return _promoted(last) if last else self._endpoint

    def endpoint(self, standby: str) -> str | None:
        """A cloud tells it when it is promoted."""
        return None

    @contextmanager
    def mover(self, endpoint: str) -> Generator[Connection]:
        """By DATABASE_MOVER_URL where it is given (a one-off task in the private network), else through a tunnel."""
        if self._settings.database_mover_url is not None:
            url = at(self._settings.mover_url, endpoint)
            with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
                yield connection
            return
        from core.operations.clouds.tunnels import login, tunnel

        outputs = {**self._outputs, "databaseEndpoint": endpoint}
        who = login(self._place, self._outputs, "mover")
        with tunnel(self._place, outputs, hold_minutes=10) as port, psycopg.connect(
            host="127.0.0.1", port=port, dbname=who.database, user=who.user, password=who.password,
            sslmode="require", autocommit=True, connect_timeout=30,
        ) as connection:  # fmt: skip
            yield connection

    def switch(self, endpoint: str, *, epoch: int) -> str:
        """The installation's name, where its services stand elsewhere too; the database they find by the fence."""
        if self._dns is None or not self._record or not self._leads_to:
            return f"no name was changed; services that reach the old database's fence follow to {endpoint}"
        self._dns.point(self._record, self._leads_to)
        health = {True: "healthy", False: "not healthy yet", None: "without a health check"}
        return f"{self._record} leads to {self._leads_to} ({health[self._dns.health(self._record)]})"

    def record(self, endpoint: str, document: dict[str, Any]) -> int | None:
        """The signing key is the services': the journal keeps it here."""
        return None

    def rebuild(self, name: str, *, mark: str) -> str:
        """A new replica of who serves, where the old database stood and as it was; that one stays as it is, fenced."""
        standby = f"{name.partition('-back-')[0][:50].rstrip('-')}-back-{mark}"
        self.standbys.add(standby, like=name, region=self._place.region)
        return standby


def _promoted(journal: Journal) -> str:
    return str((journal.result("promoted") or {})["endpoint"])


def _secret(settings: Settings, url: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(url)
