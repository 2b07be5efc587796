"""Short questions to running parts: each answers within its time-out and never raises."""

import http.client
import socket
import ssl
import struct
from urllib.parse import urlsplit, urlunsplit

_SECONDS = 4.0
_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379, "http": 80, "https": 443}


def without_password(url: str) -> str:
    """The address as it may be shown: no user, no password, no query."""
    parts = urlsplit(url)
    place = parts.hostname or ""
    if ":" in place:
        place = f"[{place}]"
    return urlunsplit((parts.scheme, f"{place}:{parts.port}" if parts.port else place, parts.path, "", ""))


def http_answers(url: str, *, below: int = 400, seconds: float = _SECONDS) -> bool:
    """Whether GET is answered with a status below `below`."""
    parts = urlsplit(url)
    host, port = _place(url)
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=seconds)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=seconds)
        try:
            connection.request("GET", parts.path or "/", headers={"User-Agent": "cloudbill-status"})
            return connection.getresponse().status < below
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def postgres_answers(url: str, *, seconds: float = _SECONDS) -> bool:
    """Whether the server takes connections: it asks for a password, or refuses for a reason other than its own state.

    Needs no password, as `pg_isready` does not.
    """
    message = struct.pack("!i", 196608) + b"user\0cloudbill_probe\0database\0postgres\0\0"
    try:
        with socket.create_connection(_place(url), timeout=seconds) as connection:
            connection.sendall(struct.pack("!i", len(message) + 4) + message)
            answer = connection.recv(1024)
    except OSError:
        return False
    starting_or_stopping = answer[:1] == b"E" and b"\0C57P0" in answer
    return answer[:1] in (b"R", b"E") and not starting_or_stopping


def cache_answers(url: str, *, seconds: float = _SECONDS) -> bool:
    """Whether a Redis-compatible server takes commands; one that asks for a password does."""
    parts = urlsplit(url)
    try:
        with socket.create_connection(_place(url), timeout=seconds) as plain:
            connection = plain
            if parts.scheme == "rediss":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # no secret is sent
                connection = context.wrap_socket(plain)
            connection.sendall(b"PING\r\n")
            answer = connection.recv(256)
    except (OSError, ssl.SSLError):
        return False
    return answer.startswith((b"+PONG", b"-NOAUTH"))


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or _PORTS.get(parts.scheme, 80)
