"""A throw-away installation to measure: durable PostgreSQL and Valkey of its own, the real API and worker."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from core.foundation.crypto import new_encryption_key
from core.foundation.embedded.ports import free_port
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.embedded.valkey import EmbeddedValkey
from core.foundation.migrations.upgrade import ensure_logins, upgrade_schema
from core.foundation.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Installation:
    """Where everything is."""

    postgres: EmbeddedPostgres
    environment: dict[str, str]
    settings: Settings
    port: int


@contextmanager
def installation(*, serving: Sequence[str] = ("worker", "api")) -> Generator[Installation]:
    """Starts it in a temporary folder and removes it afterwards; `serving` names the processes that run on it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudbill-bench-")))
        folder.chmod(0o711)  # PostgreSQL may run under another account
        # One API process and its pool; as durable as an installation: fsync and synchronous_commit stay on.
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.callback(postgres.delete)
        postgres.start()
        valkey = EmbeddedValkey(folder / "valkey")
        stack.callback(valkey.delete)
        valkey.start()
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "DB_", "DATABASE_"))},
            "CLOUDBILL_HOME": str(folder / "home"),
            "DATABASE_URL": postgres.url(),
            "DATABASE_APP_URL": postgres.url("cloudbill_app_login", password="bench-app"),
            "DATABASE_OPERATOR_URL": postgres.url("cloudbill_operator_login", password="bench-operator"),
            "REDIS_URL": valkey.url(),
            "ENCRYPTION_KEY": new_encryption_key(),
            "LEDGER_HEADS_PATH": str(folder / "heads"),
            "STRIPE_SECRET_KEY": "sk_test_bench",
            "STRIPE_API_BASE": "http://127.0.0.1:9",
            "RATE_LIMIT_MAX_REQUESTS": "100000000",
            "LOG_LEVEL": "warning",
            "PORT": str(port),
            "PYTHONUNBUFFERED": "1",
        }
        os.environ.update(environment)
        settings = load_settings()
        upgrade_schema(settings.owner_url)
        ensure_logins(settings)
        for role in serving:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.cli.main", role], cwd=ROOT, env=environment, start_new_session=True
            )
            stack.callback(_end, process)
        if "api" in serving:
            _await(f"http://127.0.0.1:{port}/readyz")
        yield Installation(postgres, environment, settings, port)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await(url: str, seconds: float = 60) -> None:
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if time.monotonic() > give_up_at:
            raise SystemExit(f"{url} did not answer within {seconds:.0f} s")
        time.sleep(0.2)


class Pgbench:
    """TPC-B on the same server, in a database of its own."""

    def __init__(self, postgres: EmbeddedPostgres, *, scale: int, clients: int) -> None:
        self._postgres = postgres
        self._clients = clients
        with psycopg.connect(postgres.admin_url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE pgbench")
        self._run("-i", "-q", "-s", str(scale))

    def measure(self, seconds: float) -> float:
        """Transactions a second, connection times excluded."""
        output = self._run("-c", str(self._clients), "-j", "2", "-T", str(int(seconds)), "-M", "prepared", "-n")
        line = next(line for line in output.splitlines() if line.startswith("tps ="))
        return float(line.split()[2])

    def _run(self, *arguments: str) -> str:
        binaries = self._postgres.binaries
        assert binaries is not None
        finished = subprocess.run(
            [str(binaries / "pgbench"), *arguments, self._postgres.admin_url("pgbench")],
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise SystemExit(finished.stderr)
        return finished.stdout
