"""What one setting may look like: each type turns the environment's text into a value, or says what it may be."""

import binascii
import re
from base64 import urlsafe_b64decode
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

_DURATION = re.compile(r"^(\d+)(ms|s|m|h|d)?$")
_UNIT_SECONDS = {"ms": 0.001, "s": 1, None: 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    """ "15m", "7d", "900" (seconds), "900000ms" as a timedelta."""
    if not isinstance(value, str | int):
        return value
    match = _DURATION.match(str(value).strip())
    if not match or int(match[1]) == 0:
        raise ValueError('must be a duration such as "15m", "7d" or "900" (seconds)')
    return timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])


def days_between(least: int, most: int) -> AfterValidator:
    """Whole days within these."""

    def check(value: timedelta) -> timedelta:
        if value % timedelta(days=1) or not least <= value.days <= most:
            raise ValueError(f'must be whole days from "{least}d" to "{most}d"')
        return value

    return AfterValidator(check)


def _comma_list(value: object) -> object:
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for origin in values:
        parts = urlsplit(origin)
        if "*" in origin or parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
            raise ValueError("must be a comma-separated list of origins such as https://app.example.com; no wildcard")
    return tuple(origin.rstrip("/") for origin in values)


def _database_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ValueError("must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    if urlsplit(value.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must look like redis://:PASSWORD@HOST:PORT/0 (rediss:// with TLS)")
    return value


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be an address such as https://billing.example.com")
    return value.rstrip("/")


def _web_urls(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment or "*" in value:
            raise ValueError(
                "must be a comma-separated list of addresses such as https://app.example.com/signed-in; no wildcard"
            )
    return values


def _groups(values: tuple[str, ...]) -> tuple[str, ...]:
    known = ("auth", "billing", "payment", "notification")
    if not values or not set(values) <= set(known):
        raise ValueError(f"must be a comma-separated list of {', '.join(known)}")
    return values


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for text in values:
            ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be a comma-separated list of addresses or networks such as 10.0.0.0/8") from None
    return values


def _keys_of_32_bytes(value: SecretStr) -> SecretStr:
    try:
        lengths = {len(urlsafe_b64decode(_padded(key.strip()))) for key in value.get_secret_value().split(",")}
    except (binascii.Error, ValueError):
        lengths = set[int]()
    if lengths != {32}:
        raise ValueError("must be 32 random bytes in URL-safe base64; several are separated by commas")
    return value


def _certificates(value: Path) -> Path:
    if not value.is_file() or "-----BEGIN CERTIFICATE-----" not in value.read_text(errors="replace"):
        raise ValueError("must be a file of certificates (PEM) that the database server's own is checked against")
    return value


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _stripe_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"(sk|rk)_(test|live)_\S+", value.get_secret_value()):
        raise ValueError("must begin with sk_test_, sk_live_, rk_test_ or rk_live_, as Stripe shows it")
    return value


def _webhook_secrets(value: SecretStr) -> SecretStr:
    if not all(secret.strip().startswith("whsec_") for secret in value.get_secret_value().split(",")):
        raise ValueError("must begin with whsec_, as Stripe shows it; several are separated by commas")
    return value


def _upper_is_fine(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Groups = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), AfterValidator(_groups)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), AfterValidator(_networks)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), AfterValidator(_origins)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
KeysOf32Bytes = Annotated[SecretStr, AfterValidator(_keys_of_32_bytes)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
WebUrls = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list), AfterValidator(_web_urls)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Port = Annotated[int, Field(ge=1, le=65535)]
Certificates = Annotated[Path, AfterValidator(_certificates)]
StripeKey = Annotated[SecretStr, AfterValidator(_stripe_key)]
WebhookSecrets = Annotated[SecretStr, AfterValidator(_webhook_secrets)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_upper_is_fine)]
