"""Where a failover happens: this machine, or a stack in a cloud. The steps are the same."""

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from core.foundation.database import Database
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.serving import SERVING, at
from core.foundation.settings import Settings
from core.operations.clouds.base import Dns, Place, Say, Standbys, silently
from core.operations.clouds.local_standbys import LocalStandbys
from core.operations.failover.here import ServersHere
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
    standbys: Standbys
    journals: Path
    runbook: str

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

    def rebuild(self, name: str) -> str:
        """Makes the old primary a standby of the new one; its name as a standby."""
        ...


class HereGround:
    """This machine: the embedded database and its standbys."""

    def __init__(self, settings: Settings, *, say: Say = silently) -> None:
        self.name = "this machine"
        self.runbook = "docs/runbooks/failover.md"
        self._settings = settings
        self._say = say
        self._servers = ServersHere(settings)
        self.standbys: Standbys = LocalStandbys(settings)
        self.journals = settings.cloudbill_home.absolute() / "failover"

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
        path = self._settings.cloudbill_home.absolute() / SERVING
        unfinished = path.with_suffix(".writing")
        others = [one for one in map(self._servers.endpoint, self._servers.names()) if one != endpoint]
        document = {"endpoint": endpoint, "epoch": epoch, "instead_of": others}
        unfinished.write_text(json.dumps(document) + "\n", encoding="utf-8")
        unfinished.replace(path)
        return f"{path} names {endpoint}"

    def record(self, endpoint: str, document: dict[str, Any]) -> int | None:
        """Into the chain of evidence, as the application."""
        there = self._settings.model_copy(
            update={
                "database_app_url": _secret(self._settings, at(self._settings.app_url, endpoint)),
                "database_operator_url": _secret(self._settings, at(self._settings.operator_url, endpoint)),
            }
        )

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

    def _running(self, endpoint: str) -> EmbeddedPostgres:
        server = self._servers.server(self._servers.primary())
        server.port = int(endpoint.rpartition(":")[2])
        return server

    def rebuild(self, name: str) -> str:
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
    ) -> None:
        self.name = stack
        self.runbook = "docs/runbooks/failover.md"
        self._settings, self._place, self._outputs = settings, place, outputs
        self._primary, self._dns, self._record, self._leads_to = endpoint, dns, record, leads_to
        self.standbys = standbys
        self.journals = settings.cloudbill_home.absolute() / "failover" / stack

    def primary(self) -> str:
        """As the stack gives it out."""
        return self._primary

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

    def rebuild(self, name: str) -> str:
        """A cloud makes a replica by the stack's program."""
        from core.operations.failover.errors import NothingToGoBackTo

        raise NothingToGoBackTo(
            f"the old database of {self.name} cannot follow the new one by itself: make a replica of the new one in "
            "the old place (the runbook says how), then `cloudbill failover run --stack NAME --to REPLICA` goes back"
        )


def _secret(settings: Settings, url: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(url)
