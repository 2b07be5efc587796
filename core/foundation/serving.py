"""Who serves since the last failover on this machine. Light to import: a start asks it first."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SERVING = "serving.json"
"""In CLOUDBILL_HOME: {"endpoint": "host:port", "epoch": 3, "instead_of": ["host:port"]}."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Who serves, in which epoch, and whose place it took; any other server is none of its business."""

    endpoint: str
    epoch: int
    instead_of: frozenset[str]

    def replaces(self, url: str) -> bool:
        """Whether an address leads to one of those."""
        return urlsplit(url).netloc.rpartition("@")[2] in self.instead_of


def at(url: str, endpoint: str) -> str:
    """The same login and database at another host:port."""
    parts = urlsplit(url)
    user, mark, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{mark}{endpoint}"))


def now_at(url: str, home: Path) -> str:
    """The address, or that of the server that took its place."""
    serving = read_serving(home)
    return at(url, serving.endpoint) if serving and serving.replaces(url) else url


def read_serving(home: Path) -> Serving | None:
    """None where there was no failover."""
    try:
        found = json.loads((home / SERVING).read_text(encoding="utf-8"))
        return Serving(
            endpoint=str(found["endpoint"]), epoch=int(found["epoch"]), instead_of=frozenset(found["instead_of"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
