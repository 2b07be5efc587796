"""The two servers of a move as they are reached: addresses without their passwords in any text, lines that are noticed
when they go dead, and what a failure to connect means.
"""

import os
import re
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from cryptography import x509
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.foundation.clock import wall_now
from core.operations.transfer.moving.errors import DiskFull, MoveError, ServerUnreachable, StreamBroken
from core.operations.transfer.moving.minding import Minded, break_line, place_of

CONNECT_SECONDS = 10
# A peer that acknowledges nothing is given up after 20 s, an idle line is probed after 10 s; a proxy that swallows
# everything and still acknowledges is found by `watched`.
_LINE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_ASK_FOR_TLS = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_SESSION = (
    "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=0 -c client_min_messages=warning "
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex -c extra_float_digits=3 "
    "-c client_encoding=UTF8 -c synchronous_commit=on "
    # And what the server holds for us (locks, a half built index) does not outlive us there.
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000 "
    "-c client_connection_check_interval=5000"
)
# A server's own words, as a line each: cut in two they would not be found by who looks for them.
_REASONS = (
    (r"unrecognized configuration parameter \"client_connection_check_interval\"", "it is older than PostgreSQL 14, and 15 or newer is needed"),  # noqa: E501
    (r"certificate has expired|certificate expired", "its certificate has expired: renew it there, then try again"),
    (r"certificate verify failed|root certificate|server certificate for", "its certificate is not believed here: give the authority as sslrootcert and the name it is issued to"),  # noqa: E501
    (r"password authentication failed|no password supplied", "it refuses the user or the password: see both in the address"),  # noqa: E501
    (r"no pg_hba.conf entry", "it lets nobody in from this address under that name: open pg_hba.conf or the firewall, or use sslmode=require"),  # noqa: E501
    (r"database \"[^\"]*\" does not exist", "it has no database of that name: make it there, or see the address"),
    (r"role \"[^\"]*\" does not exist", "it has no user of that name: make it there, or see the address"),
    (r"too many (clients|connections)|remaining connection slots", "all its connections are taken: raise max_connections or stop other clients"),  # noqa: E501
    (r"starting up|shutting down|recovery mode", "it is starting up or shutting down: try again in a moment"),
    (r"timeout expired|timed out", "it did not answer in time: is the way open (the infrastructure's switch)?"),
    (r"Connection refused", "nobody listens there: is it up, are host and port right?"),
    (r"could not translate host|Name or service not known|resolve", "its name is not known here: is the host right, can this machine look it up?"),  # noqa: E501
    (r"server does not support SSL|SSL was required", "it does not speak TLS, which the address asks for: switch it on there, or leave sslmode out on a private way"),  # noqa: E501
)  # fmt: skip


@dataclass(frozen=True)
class Endpoint:
    """One PostgreSQL under one login. `str()` names it without its password."""

    side: str
    """What it is in this move: source or target."""
    url: str = field(repr=False)
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            parts = conninfo_to_dict(self.url)
        except psycopg.Error:
            raise ServerUnreachable(
                f"the {self.side}'s address cannot be read: it must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            ) from None
        host = str(parts.get("host") or parts.get("hostaddr") or "localhost")
        object.__setattr__(self, "_text", f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}")

    def __str__(self) -> str:
        return f"{self.side} {self._text}"

    @property
    def place(self) -> str:
        """host:port/database."""
        return self._text

    @property
    def host_port(self) -> str:
        """host:port, what a fence names as successor."""
        return self._text.partition("/")[0]

    @property
    def user(self) -> str:
        """The login."""
        return str(conninfo_to_dict(self.url).get("user") or "")

    def connect(self, purpose: str, *, autocommit: bool = True) -> Minded:
        """A connection whose values read the same on every server, and that is minded. Raises ServerUnreachable."""
        try:
            made = Minded.connect(
                self.conninfo(purpose), autocommit=autocommit, prepare_threshold=2, connect_timeout=CONNECT_SECONDS
            )
        except psycopg.OperationalError as error:
            raise self.unreachable(error) from None
        made.mind(str(self), self._look)
        return made

    @contextmanager
    def _look(self) -> Generator[psycopg.Connection]:
        with (
            psycopg.connect(self.conninfo("look"), autocommit=True, connect_timeout=CONNECT_SECONDS) as connection,
            watched(connection, CONNECT_SECONDS),
        ):
            yield connection

    def conninfo(self, purpose: str, **more: str) -> str:
        """As libpq wants it."""
        own = str(conninfo_to_dict(self.url).get("options") or "")
        # What the address itself says of the line wins.
        line = {name: value for name, value in _LINE.items() if name not in conninfo_to_dict(self.url)}
        options = f"{own} {_SESSION}".strip()
        return make_conninfo(
            self.url, **line, application_name=f"cloudbill-move-{purpose}"[:63], options=options, **more
        )

    def unreachable(self, error: BaseException) -> ServerUnreachable:
        """What a failure to connect means."""
        said = _without_secrets(str(error))
        if "certificate verify failed" in said and (ended := self._certificate_ended()):
            return ServerUnreachable(
                f"the {self}: its certificate has expired ({ended}): renew it there, then try again"
            )
        for pattern, meaning in _REASONS:
            if re.search(pattern, said):
                return ServerUnreachable(f"the {self}: {meaning}")
        return ServerUnreachable(f"the {self} is not reachable: {said}")

    def _certificate_ended(self) -> str | None:
        """The day on which its certificate ended, if it did: libpq says only that it does not hold."""
        parts = conninfo_to_dict(self.url)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = str(parts.get("hostaddr") or parts.get("host")), int(parts.get("port") or 5432)
        try:
            with socket.create_connection(address, CONNECT_SECONDS) as plain:
                plain.sendall(_ASK_FOR_TLS)
                if plain.recv(1) != b"S":
                    return None
                with context.wrap_socket(plain) as line:
                    certificate = x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"")
        except (OSError, ValueError):
            return None
        ended = certificate.not_valid_after_utc
        return f"{ended:%Y-%m-%d}" if ended < wall_now() else None


def explained(where: Endpoint | str, error: psycopg.Error) -> MoveError:
    """A failure of a statement by its name: a full disk, a lost line, or what the server said.

    `where` counts when the failure does not know itself from which server it came.
    """
    said, place = _without_secrets(str(error)), place_of(error) or str(where)
    if error.sqlstate == "53100" or "No space left on device" in said:
        return DiskFull(f"no space left on the disk of the {place}: make room there, then `cloudbill move resume`")
    if isinstance(error, psycopg.OperationalError) or error.sqlstate is None:
        return StreamBroken(f"the line to the {place} broke: {said}")
    return MoveError(f"the {place} refused: {said}")


@contextmanager
def explaining() -> Generator[None]:
    """What a server says where nothing tries again becomes an error with a name."""
    try:
        yield
    except psycopg.Error as error:
        raise explained("server", error) from None


def masked(url: str) -> str:
    """The address with stars for its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, place = quote(unquote(parts.username or ""), safe=""), parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{place}"))


@contextmanager
def watched(connection: psycopg.Connection | pq.abc.PGconn, seconds: float) -> Generator[None]:
    """Breaks the line when what is inside takes longer: a proxy that swallows everything would wait for ever.

    The blocked call then raises psycopg.OperationalError.
    """
    pgconn = connection.pgconn if isinstance(connection, psycopg.Connection) else connection
    try:
        copy = os.dup(pgconn.socket)
    except psycopg.OperationalError:
        yield  # it is closed already: what is inside says so
        return
    timer = threading.Timer(seconds, break_line, [copy])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join(1)
        os.close(copy)


def _without_secrets(said: str) -> str:
    line = next((line.strip() for line in said.splitlines() if line.strip()), "it said nothing")
    line = re.sub(r"(postgres(?:ql)?://[^:@/\s]+:)[^@\s]+@", r"\1***@", line)
    return re.sub(r"password=\S+", "password=***", line)
