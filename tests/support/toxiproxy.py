"""Shopify's toxiproxy between a mover and its two servers: the wire itself fails, in either direction.

Get it with `go install github.com/Shopify/toxiproxy/v2/cmd/server@latest`, named toxiproxy-server (.ci/run does);
without it the tests that need it are left out.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from core.foundation.embedded.ports import free_port

DOWN, UP = "downstream", "upstream"


def find_toxiproxy() -> str | None:
    """On PATH, in GOBIN, or where .ci/run and `go install` put it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudbill" / "bin"
    places = [os.environ.get("GOBIN"), str(Path.home() / "go" / "bin"), str(cache)]
    return shutil.which("toxiproxy-server") or shutil.which(
        "toxiproxy-server", path=os.pathsep.join(place for place in places if place)
    )


class Toxiproxy:
    """The proxy as a process of its own; `wire` makes a way through it."""

    def __init__(self, binary: str) -> None:
        port = free_port()
        self._process = subprocess.Popen(
            [binary, "-host", "127.0.0.1", "-port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10)
        give_up_at = time.monotonic() + 20
        while True:
            try:
                self.client.get("/version").raise_for_status()
                return
            except httpx.HTTPError:
                assert self._process.poll() is None, "toxiproxy ended"
                assert time.monotonic() < give_up_at, "toxiproxy does not answer"
                time.sleep(0.05)

    def wire(self, name: str, url: str) -> "Wire":
        """A way to the server of that address."""
        place, port = urlsplit(url), free_port()
        answer = self.client.post(
            "/proxies",
            json={
                "name": name,
                "listen": f"127.0.0.1:{port}",
                "upstream": f"{place.hostname}:{place.port}",
                "enabled": True,
            },
        )
        answer.raise_for_status()
        return Wire(self.client, name, port)

    def stop(self) -> None:
        """End it."""
        self.client.close()
        self._process.terminate()
        self._process.wait(10)


class Wire:
    """One way through the proxy, and what is wrong with it."""

    def __init__(self, client: httpx.Client, name: str, port: int) -> None:
        self._client, self.name, self.port = client, name, port

    def through(self, url: str) -> str:
        """The address by this way."""
        parts = urlsplit(url)
        place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"
        return urlunsplit(parts._replace(netloc=place))

    def spoil(self, kind: str, *streams: str, **attributes: Any) -> None:
        """Make it `latency`, `timeout` (swallows everything), `reset_peer`, `slow_close`, `bandwidth`."""
        for stream in streams or (DOWN,):
            answer = self._client.post(
                f"/proxies/{self.name}/toxics",
                json={"type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes},
            )
            answer.raise_for_status()

    def heal(self) -> None:
        """Nothing is wrong any more; what was swallowed stays so."""
        for toxic in self._client.get(f"/proxies/{self.name}").json()["toxics"]:
            self._client.delete(f"/proxies/{self.name}/toxics/{toxic['name']}")

    def away(self) -> None:
        """Take it down."""
        self._client.delete(f"/proxies/{self.name}")
