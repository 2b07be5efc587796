"""What the parts are told: their addresses, passwords and keys, on top of the environment of `make up`.

Each part gets only what it needs: no serving process gets the database owner's address, the console no database at all.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from core.cli.supervisor.home import Home
from core.cli.supervisor.state import find_state
from core.foundation.embedded.ports import LOOPBACK
from core.foundation.serving import now_at

if TYPE_CHECKING:  # `cloudbill status` asks for the names only, and must be fast
    from core.foundation.settings import Settings

OPERATOR_EMAIL = "operator@cloudbill.example"
_SAVED = "environment"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_OWNERS = ("DATABASE_URL", "DB_HOST", "DB_USER", "DB_PASSWORD")
DATABASES = (*_OWNERS, "DATABASE_APP_URL", "DATABASE_OPERATOR_URL", "DATABASE_MOVER_URL", "DATABASE_BACKUP_URL")
_KEYS = (
    "ENCRYPTION_KEY",
    "LEDGER_SIGNING_KEY",
    "JWT_PUBLIC_KEY",
    "METRICS_TOKEN",
    "SMTP_PASSWORD",
    "TWILIO_AUTH_TOKEN",
)
_STRIPE = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What this start brings itself, decided from the settings."""

    embedded_database: bool
    embedded_cache: bool
    simulator: bool
    """Stripe is our simulator; otherwise it is whatever STRIPE_API_BASE names, or Stripe itself."""
    operator: bool
    """A first operator with a generated password."""
    demo: bool
    why_no_demo: str = ""


def choose(settings: "Settings") -> Choices:
    """Embedded servers unless others are named; the simulator unless a Stripe key or address is given."""
    embedded = settings.database_url is None and settings.db_host is None
    simulator = settings.stripe_secret_key is None and settings.stripe_api_base is None
    why = ""
    if not embedded:
        why = "the database is not the embedded one"
    elif settings.stripe_is_live:
        why = "STRIPE_SECRET_KEY is a live key"
    elif not simulator:
        why = "Stripe is not the simulator"
    return Choices(
        embedded_database=embedded,
        embedded_cache=settings.redis_url is None and settings.redis_host is None,
        simulator=simulator,
        operator=embedded,
        demo=not why,
        why_no_demo=why,
    )


def local_api_url(settings: "Settings") -> str:
    """How this machine reaches the API, whatever address the world knows it by."""
    return f"http://{LOOPBACK if settings.host in _EVERYWHERE else settings.host}:{settings.port}"


class Environment:
    """The environments of the parts, made once the servers' addresses are known."""

    def __init__(self, home: Home, settings: "Settings", choices: Choices, *, owner_url: str, cache_url: str) -> None:
        keep = home.secrets if choices.embedded_database else home.external_secrets
        generated = {
            "CLOUDBILL_HOME": str(home.folder),
            "DATABASE_URL": owner_url,
            "REDIS_URL": cache_url,
            "API_URL": settings.public_api_url,
            "CONSOLE_URL": settings.public_console_url,
            # The console asks for its visitors: each of them is a caller of its own to the sign-in's limits.
            "TRUSTED_PROXIES": ",".join(settings.trusted_proxies) or LOOPBACK,
        }
        # Logins that `cloudbill migrate` makes, where the caller did not name his own.
        for variable, role in (
            ("DATABASE_APP_URL", "cloudbill_app"),
            ("DATABASE_OPERATOR_URL", "cloudbill_operator"),
            *([("DATABASE_MOVER_URL", "cloudbill_mover")] if choices.embedded_database else []),
        ):
            given = os.environ.get(variable)
            generated[variable] = given or _as_role(owner_url, role, keep.get_or_create(f"postgres-{role}"))
        if choices.embedded_database:
            word = keep.get_or_create("postgres-cloudbill_backup")
            generated["DATABASE_BACKUP_URL"] = _as_role(owner_url, "cloudbill_backup", word)
        if not choices.embedded_database and settings.ledger_heads_path is None:
            # Not among those of the embedded database: they sign other ledgers, and `reset` deletes them.
            generated["LEDGER_HEADS_PATH"] = str(home.folder / "ledger-heads-external")
        if settings.encryption_key is None:
            key = keep.find("encryption-key") or keep.put(
                "encryption-key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            )
            generated["ENCRYPTION_KEY"] = key
        if choices.simulator:
            generated |= {
                "STRIPE_API_BASE": f"http://127.0.0.1:{settings.stripe_port}",
                "STRIPE_SECRET_KEY": "sk_test_" + keep.get_or_create("stripe-simulator-key"),
                "STRIPE_WEBHOOK_SECRET": "whsec_" + keep.get_or_create("stripe-simulator-webhook"),
                "STRIPE_PUBLISHABLE_KEY": settings.stripe_publishable_key or "pk_test_simulator",
                "STRIPE_SIMULATOR_WEBHOOK_URL": f"{local_api_url(settings)}/webhooks/stripe",
            }
        self._keep = keep
        self._generated = generated
        self._local_api_url = local_api_url(settings)
        self._whole = {**os.environ, "PYTHONUNBUFFERED": "1", **generated}

    def for_owner(self) -> dict[str, str]:
        """For migrations and commands: everything."""
        return dict(self._whole)

    def for_service(self) -> dict[str, str]:
        """For API and worker: they serve as the application and refuse to be the owner."""
        return self._without(*_OWNERS, "DATABASE_MOVER_URL", "DATABASE_BACKUP_URL")

    def for_backups(self) -> dict[str, str]:
        """For what takes backups: it replicates, reads no table and changes none."""
        return self._without(*(name for name in DATABASES if name != "DATABASE_BACKUP_URL"), *_KEYS, *_STRIPE)

    def for_simulator(self) -> dict[str, str]:
        """Stripe's keys and the API's address, nothing of ours."""
        return self._without(*DATABASES, *_KEYS, "REDIS_URL", "REDIS_PASSWORD")

    def for_console(self) -> dict[str, str]:
        """A client of the API, which it reaches on this machine, with a Redis for sessions and a word for metrics."""
        kept = self._without(*DATABASES, *(key for key in _KEYS if key != "METRICS_TOKEN"), *_STRIPE)
        return {**kept, "API_URL": self._local_api_url}

    def save(self) -> None:
        """Keep it (0600), so that commands typed in another shell reach the same servers with the same keys."""
        self._keep.put(_SAVED, json.dumps(self._generated))

    def _without(self, *names: str) -> dict[str, str]:
        return {name: value for name, value in self._whole.items() if name not in names}


def adopt_saved(home: Home) -> None:
    """Complete this process's environment from the last start: where no database is named, from what runs here or
    else from the embedded one; where one is named, if the start was on that. Any other stands for itself.
    """
    named = any(os.environ.get(name) for name in DATABASES)
    saved = (home.external_secrets if named or runs_outside(home) else home.secrets).find(_SAVED)
    known: dict[str, str] = json.loads(saved) if saved else {}
    if named and known.get("DATABASE_URL") != _named_database():
        return
    for name, value in known.items():
        os.environ.setdefault(name, now_at(value, home.folder) if name in DATABASES else value)


def runs_outside(home: Home) -> bool:
    """Whether CloudBill runs here on a database that is not the embedded one."""
    state = find_state(home.run)
    return state is not None and state.outside_database and home.is_held()


def _named_database() -> str | None:
    """The owner's address that the environment names, whole or in parts."""
    from core.foundation.settings import SettingsInvalid, load_settings

    try:
        return load_settings().owner_url
    except SettingsInvalid:
        return None  # the command itself says what is wrong with it


def _as_role(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password, safe='')}@{place}"))
