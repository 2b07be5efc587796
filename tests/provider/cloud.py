"""A server that answers as AWS does, as far as moto can: over HTTP, on this machine, ended with who started it."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

from core.foundation.embedded.ports import free_port

# It ends when the pipe from its parent closes, so that it never outlives a run that was killed.
_START = """
import os, sys, threading
from moto.server import main
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


@contextlib.contextmanager
def emulated() -> Iterator[str]:
    """Its address, while it runs."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # With AWS's own managed policies, which the program attaches.
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    process = subprocess.Popen(
        [sys.executable, "-c", _START, str(port)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(address, process)
        yield address
    finally:
        process.kill()  # it keeps nothing that would need an end
        process.communicate(timeout=30)


def _await(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=5).read()
            return
        time.sleep(0.1)
    raise RuntimeError(f"moto's server did not start: it ended with {process.poll()}")
