"""The settings: one frozen object, read from the environment once. An error names the key and what it may be."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.foundation.setting_types import (
    Certificates,
    DatabaseUrl,
    Duration,
    Groups,
    KeysOf32Bytes,
    LogLevel,
    Networks,
    Origins,
    Port,
    RedisUrl,
    StripeKey,
    WebhookSecrets,
    WebUrl,
    WebUrls,
    Words,
    days_between,
)


class SettingsInvalid(Exception):
    """Settings that cannot work. The text has one line a key and never a secret's value."""


class Settings(BaseSettings):
    """All settings, with the environment's names in lower case. URLs win over their parts (DB_*, REDIS_*)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    # Where things lie and listen
    cloudbill_home: Path = Path(".cloudbill")
    host: str = "127.0.0.1"
    port: Port = 8080
    console_port: Port = 3000
    stripe_port: Port = 12111
    api_url: WebUrl | None = None
    console_url: WebUrl | None = None

    # PostgreSQL: the owner's URL is for migrations, the next two serve, the mover's is for exports and moves, the last
    # one's user may LOGIN and REPLICATION
    database_url: DatabaseUrl | None = None
    database_app_url: DatabaseUrl | None = None
    database_operator_url: DatabaseUrl | None = None
    database_mover_url: DatabaseUrl | None = None
    database_backup_url: DatabaseUrl | None = None
    # Where the database is moved or failed over to with other logins than before; and how long a request waits for it
    database_app_url_after_move: DatabaseUrl | None = None
    database_operator_url_after_move: DatabaseUrl | None = None
    writes_paused_wait: Duration = timedelta(seconds=20)
    db_host: str | None = None
    db_port: Port = 5432
    db_name: str = "cloudbill"
    db_user: str = "cloudbill_owner"
    db_password: SecretStr | None = None
    db_ssl: bool = False
    db_tls_ca: Certificates | None = None
    db_pool_min: Annotated[int, Field(ge=1, le=200)] = 2
    db_pool_max: Annotated[int, Field(ge=1, le=200)] = 10

    # Redis or Valkey: never the truth
    redis_url: RedisUrl | None = None
    redis_host: str | None = None
    redis_port: Port = 6379
    redis_password: SecretStr | None = None
    redis_tls: bool = False

    # Tokens, keys, doors
    jwt_expiration: Duration = timedelta(minutes=15)
    jwt_refresh_expiration: Duration = timedelta(days=7)
    token_issuer: str = "cloudbill"
    token_audience: str = "cloudbill"
    # One foreign issuer may be trusted: its tokens' `sub` is a customer of the tenant named here
    jwt_public_key: str | None = None
    jwt_jwks_url: WebUrl | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_tenant: str | None = None
    # Which groups of routes this process serves, and where the gateway finds each
    cloudbill_services: Groups = ("auth", "billing", "payment", "notification")
    auth_service_url: WebUrl | None = None
    billing_service_url: WebUrl | None = None
    payment_service_url: WebUrl | None = None
    notification_service_url: WebUrl | None = None
    gateway_timeout: Duration = timedelta(seconds=60)
    # Accounts elsewhere that people may sign in with, and where they may be led back to
    google_client_id: str | None = None
    google_client_secret: SecretStr | None = None
    google_callback_url: WebUrl | None = None
    google_issuer: WebUrl = "https://accounts.google.com"
    github_client_id: str | None = None
    github_client_secret: SecretStr | None = None
    github_callback_url: WebUrl | None = None
    github_url: WebUrl = "https://github.com"
    github_api_url: WebUrl = "https://api.github.com"
    oauth_return_urls: WebUrls = ()
    encryption_key: KeysOf32Bytes | None = None
    registration: Literal["open", "invited"] = "open"
    cors_origin: Origins = ()
    rate_limit_window_ms: Annotated[int, Field(ge=100, le=86_400_000)] = 60_000
    rate_limit_max_requests: Annotated[int, Field(ge=1, le=100_000_000)] = 100
    trusted_proxies: Networks = ()
    max_body_bytes: Annotated[int, Field(ge=1024, le=100_000_000)] = 1_000_000

    # Stripe
    stripe_secret_key: StripeKey | None = None
    stripe_publishable_key: str | None = None
    stripe_webhook_secret: WebhookSecrets | None = None
    stripe_api_base: WebUrl | None = None
    stripe_account_id: str = "default"

    # How people are told: the mailbox keeps mails and SMS here, to be read in the API and the console
    email_provider: Literal["mailbox", "smtp", "ses"] = "mailbox"
    email_from: str | None = None
    smtp_host: str | None = None
    smtp_port: Port = 587
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_tls_ca: Certificates | None = None
    aws_ses_region: str | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: str | None = None
    twilio_api_base: WebUrl = "https://api.twilio.com"
    # Whether tenants' webhooks may go to this machine and to private networks, and without TLS
    webhooks_allow_private: bool = False

    # The worker
    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    worker_metrics_port: Port | None = None

    # The ledger's signed heads, kept outside the database
    ledger_heads_path: Path | None = None
    ledger_signing_key: KeysOf32Bytes | None = None

    # Backups of an installation on one machine, sealed to public keys; the private one is only for restoring
    backups_path: Path | None = None
    backups_copy_path: Path | None = None
    backup_recipients: Words = ()
    backup_identity_path: Path | None = None
    backup_interval: Duration = timedelta(days=1)
    backup_retention: Duration = timedelta(days=7)
    backup_keep_free_mb: Annotated[int, Field(ge=0, le=100_000_000)] = 512
    drill_interval: Duration = timedelta(days=91)

    # How long records are kept that nothing rests on; tenants may have their own terms for theirs
    retention_messages: Annotated[Duration, days_between(90, 3_650)] = timedelta(days=730)
    retention_webhook_log: Annotated[Duration, days_between(7, 3_650)] = timedelta(days=90)
    retention_webhook_answers: Annotated[Duration, days_between(1, 3_650)] = timedelta(days=30)
    retention_invitations: Annotated[Duration, days_between(1, 3_650)] = timedelta(days=90)
    retention_provider_events: Annotated[Duration, days_between(35, 3_650)] = timedelta(days=90)

    # Where the installation runs: a cloud keeps its backups, and CLOUD_DATABASE is the instance's name there
    cloud: Literal["local", "aws", "gcp"] = "local"
    cloud_region: str | None = None
    cloud_project: str | None = None
    cloud_database: str | None = None

    # Who may tell us what fires: the clouds' notices, each known by its topic or by a secret
    alert_sns_topics: Words = ()
    alert_webhook_secret: Annotated[SecretStr, Field(min_length=16)] | None = None

    # What is seen from outside
    log_level: LogLevel = "info"
    log_format: Literal["json", "text"] = "json"
    otel_exporter_otlp_endpoint: WebUrl | None = None
    metrics_token: SecretStr | None = None

    @model_validator(mode="after")
    def _pool_is_a_range(self) -> Self:
        if self.db_pool_min > self.db_pool_max:
            raise ValueError("DB_POOL_MIN must not be larger than DB_POOL_MAX")
        return self

    @model_validator(mode="after")
    def _cloud_is_whole(self) -> Self:
        if self.cloud == "local":
            return self
        needed = {"CLOUD_REGION": self.cloud_region, "CLOUD_DATABASE": self.cloud_database}
        if self.cloud == "gcp":
            needed["CLOUD_PROJECT"] = self.cloud_project
        if missing := [name for name, value in sorted(needed.items()) if not value]:
            raise ValueError(f"CLOUD={self.cloud} needs {', '.join(missing)} as well")
        return self

    @model_validator(mode="after")
    def _telling_is_whole(self) -> Self:
        needed: dict[str, object] = {}
        if self.email_provider != "mailbox":
            needed = {"EMAIL_FROM": self.email_from}
            needed |= {"SMTP_HOST": self.smtp_host} if self.email_provider == "smtp" else {}
        if missing := [name for name, value in needed.items() if not value]:
            raise ValueError(f"EMAIL_PROVIDER={self.email_provider} needs {', '.join(missing)} as well")
        if self.email_from is not None and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", self.email_from):
            raise ValueError("EMAIL_FROM must be an address such as billing@example.com, without a name")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("SMTP_USER and SMTP_PASSWORD are given together or not at all")
        twilio = {
            "TWILIO_ACCOUNT_SID": self.twilio_account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio_auth_token,
            "TWILIO_PHONE_NUMBER": self.twilio_phone_number,
        }
        if any(twilio.values()) and (missing := [name for name, value in twilio.items() if not value]):
            raise ValueError(f"SMS by Twilio needs {', '.join(missing)} as well")
        return self

    @property
    def owner_url(self) -> str:
        """PostgreSQL as the owner, for migrations only."""
        return self._url_of(self.database_url, "DATABASE_URL", user=self.db_user, password=self.db_password)

    @property
    def app_url(self) -> str:
        """PostgreSQL as the application: row security forced."""
        return self._url_of(self.database_app_url, "DATABASE_APP_URL", user=None, password=None)

    @property
    def operator_url(self) -> str:
        """PostgreSQL as the reader across tenants."""
        return self._url_of(self.database_operator_url, "DATABASE_OPERATOR_URL", user=None, password=None)

    @property
    def mover_url(self) -> str:
        """PostgreSQL as the role that exports, imports and moves."""
        return self._url_of(self.database_mover_url, "DATABASE_MOVER_URL", user=None, password=None)

    @property
    def backup_address(self) -> str:
        """PostgreSQL as the role that may replicate."""
        return self._url_of(self.database_backup_url, "DATABASE_BACKUP_URL", user=None, password=None)

    @property
    def cache_url(self) -> str:
        """Redis or Valkey."""
        if self.redis_url:
            return self.redis_url.get_secret_value()
        if self.redis_host:
            scheme = "rediss" if self.redis_tls else "redis"
            password = f":{quote(self.redis_password.get_secret_value(), safe='')}@" if self.redis_password else ""
            return f"{scheme}://{password}{self.redis_host}:{self.redis_port}/0"
        raise SettingsInvalid("REDIS_URL (or REDIS_HOST) is not set: give the address of a Redis 7 or Valkey server")

    @property
    def stripe_is_live(self) -> bool:
        """A live key moves real money: demo, simulator and test tenants stay away from it."""
        key = self.stripe_secret_key.get_secret_value() if self.stripe_secret_key else ""
        return key.startswith(("sk_live_", "rk_live_"))

    @property
    def heads_path(self) -> Path:
        """The folder of the ledger's signed heads."""
        return self.ledger_heads_path or self.cloudbill_home / "ledger-heads"

    @property
    def backups_folder(self) -> Path:
        """Where backups are kept on this machine."""
        return (self.backups_path or self.cloudbill_home / "backups").absolute()

    @property
    def backup_keep_free_bytes(self) -> int:
        """What backups leave free on a disk."""
        return self.backup_keep_free_mb * 2**20

    @property
    def public_api_url(self) -> str:
        """The API's address as callers see it."""
        return self.api_url or f"http://127.0.0.1:{self.port}"

    @property
    def public_console_url(self) -> str:
        """The console's address as a browser sees it."""
        return self.console_url or f"http://127.0.0.1:{self.console_port}"

    def _url_of(self, url: SecretStr | None, key: str, *, user: str | None, password: SecretStr | None) -> str:
        if url:
            return self._trusting(url.get_secret_value())
        if self.db_host and user:
            secret = f":{quote(password.get_secret_value(), safe='')}" if password else ""
            tls = "?sslmode=require" if self.db_ssl else ""
            return self._trusting(
                f"postgresql://{quote(user, safe='')}{secret}@{self.db_host}:{self.db_port}/{self.db_name}{tls}"
            )
        raise SettingsInvalid(f"{key} is not set: it must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE")

    def _trusting(self, url: str) -> str:
        """With DB_TLS_CA the server must prove by it that it has the name it is called by; a URL that names its own
        authority (sslrootcert) keeps it.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        if self.db_tls_ca is None or "sslrootcert" in options:
            return url
        options |= {"sslmode": "verify-full", "sslrootcert": str(self.db_tls_ca)}
        return urlunsplit(parts._replace(query=urlencode(options, safe="/")))


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises SettingsInvalid with one line a wrong key."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            ": ".join((*(str(part).upper() for part in e["loc"]), e["msg"].removeprefix("Value error, ")))
            for e in error.errors()
        ]
        raise SettingsInvalid("\n".join(lines)) from None


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
