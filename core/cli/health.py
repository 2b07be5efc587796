"""Whether this container's role is healthy: `python -m core.cli.health`, which the image's HEALTHCHECK runs.

It asks the role that runs as the container's first process. The worker serves no requests: its metrics answer, where
they are served. Other commands are healthy as long as they run. Imports nothing of the product: it runs often.
"""

import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS = 4
ROLES = ("api", "worker", "console")


def role_of(words: Sequence[str]) -> str | None:
    """The role among the words of a command line, with or without an init before it."""
    return next((word for word in words if word in ROLES), None)


def address(role: str | None, environment: Mapping[str, str]) -> str | None:
    """What is asked of it; None where nothing listens."""
    match role:
        case "api":
            return f"http://127.0.0.1:{environment.get('PORT') or 8080}/health"
        case "console":
            return f"http://127.0.0.1:{environment.get('CONSOLE_PORT') or 3000}/ping"
        case "worker" if environment.get("WORKER_METRICS_PORT"):
            return f"http://127.0.0.1:{environment['WORKER_METRICS_PORT']}/metrics"
        case _:
            return None


def is_healthy(url: str) -> bool:
    """Whether it answers below 400; no proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return answer.status < 400
    except OSError:
        return False


def main() -> int:
    """The exit code that Docker reads."""
    words = Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0")
    url = address(role_of(words), os.environ)
    return 0 if url is None or is_healthy(url) else 1


if __name__ == "__main__":
    sys.exit(main())
