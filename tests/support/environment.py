"""No setting of the person who runs the tests reaches them, and no address but the tests' own is ever used."""

import os

from cryptography.fernet import Fernet

from core.foundation.settings import Settings

ENCRYPTION_KEY = Fernet.generate_key().decode()
STRIPE_WEBHOOK_SECRET = "whsec_test"

_OTHERS = ("PG", "OTEL_", "CLOUDBILL_TEST_DATABASE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def clear() -> None:
    """Take every setting out of this process's environment; child processes get theirs from `settings_environment`."""
    names = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name.upper() in names or name.upper().startswith(_OTHERS):
            del os.environ[name]


def of_process(settings: Settings) -> dict[str, str]:
    """The environment of a process of ours that is to run with these settings."""
    environment = dict(os.environ)
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is None or value == ():
            continue
        if hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        if hasattr(value, "total_seconds"):
            value = f"{int(value.total_seconds() * 1000)}ms"
        environment[name.upper()] = ",".join(value) if isinstance(value, tuple) else str(value)
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
