"""Who serves since the last failover on this machine. Light to import: a start asks it first."""

import json
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SERVING = "serving.json"
"""In CLOUDBILL_HOME: {"endpoint": "host:port", "epoch": 3}."""


def at(url: str, endpoint: str) -> str:
    """The same login and database at another host:port."""
    parts = urlsplit(url)
    user, mark, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{mark}{endpoint}"))


def read_serving(home: Path) -> tuple[str, int] | None:
    """host:port and epoch; None where there was no failover."""
    try:
        found = json.loads((home / SERVING).read_text(encoding="utf-8"))
        return str(found["endpoint"]), int(found["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
