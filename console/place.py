"""Where the console stands: addresses and keys, read from the environment when it starts, never at build."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Place:
    """The addresses the running console needs."""

    api_url: str
    console_url: str
    redis_url: str
    metrics_token: str = field(default="", repr=False)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the console over TLS; then its cookie travels only there."""
        return self.console_url.startswith("https://")

    @property
    def public_host(self) -> str:
        """Host and port browsers use, as they write it in `Origin`."""
        return urlsplit(self.console_url).netloc


@cache
def place() -> Place:
    """Read once a process: `API_URL`, `CONSOLE_URL`, `REDIS_URL`, `METRICS_TOKEN`."""
    port = os.environ.get("CONSOLE_PORT", "3000")
    return Place(
        api_url=os.environ.get("API_URL", "http://127.0.0.1:8080").rstrip("/"),
        console_url=os.environ.get("CONSOLE_URL", f"http://127.0.0.1:{port}").rstrip("/"),
        redis_url=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
        metrics_token=os.environ.get("METRICS_TOKEN", ""),
    )
