"""Google's REST APIs by their discovery documents, which the client carries.

`CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL` and its like lead elsewhere, as they do for gcloud, and so does
`CLOUDSDK_AUTH_DISABLE_CREDENTIALS`.
"""

import importlib
import os
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from core.operations.clouds.base import client_installed
from core.operations.clouds.errors import CloudRefused, CloudUnreachable

LONGEST_SECONDS = 3600
POLL_SECONDS = 5.0
_OVERRIDES = {"sqladmin": "SQL", "iam": "IAM"}
"""gcloud's own names where they are not the API's."""


def service(name: str, version: str) -> Any:
    """A client of one API. Raises CloudUnreachable."""
    with client_installed("google-api-python-client"):
        auth: Any = _imported("google.auth")
        failures: Any = _imported("google.auth.exceptions")
        anonymous: Any = _imported("google.auth.credentials")
        discovery: Any = _imported("googleapiclient.discovery")

    if os.environ.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in ("1", "true", "yes"):
        credentials: Any = anonymous.AnonymousCredentials()
    else:
        try:
            credentials, _ = auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        except failures.DefaultCredentialsError:
            raise CloudUnreachable(
                "no credentials for Google Cloud: sign in with `gcloud auth application-default login`"
            ) from None
    elsewhere = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{_OVERRIDES.get(name, name.upper())}")
    return discovery.build(
        name,
        version,
        credentials=credentials,
        static_discovery=True,
        cache_discovery=False,
        client_options={"api_endpoint": elsewhere.rstrip("/") + "/"} if elsewhere else None,
    )


@contextmanager
def asked(what: str) -> Generator[None]:
    """Whatever Google or the way to it answers becomes a CloudError that says what was asked."""
    auth: Any = _imported("google.auth.exceptions")
    try:
        yield
    except http_error() as error:
        raise CloudRefused(f"Google Cloud refused {what}: {error.status_code}: {error.reason}") from None
    except auth.GoogleAuthError as error:
        raise CloudUnreachable(f"Google Cloud took no credentials for {what}: {error}") from None
    except OSError as error:
        raise CloudUnreachable(f"Google Cloud did not answer {what}: {error}") from None


def http_error() -> Any:
    """googleapiclient's class; imported where it is needed, since only operators install it."""
    return _imported("googleapiclient.errors").HttpError


def status_of(error: Exception) -> int:
    """The HTTP status of a googleapiclient HttpError."""
    found: Any = error
    return int(found.status_code)


def done(ask: Callable[[], dict[str, Any]], *, finished: Callable[[dict[str, Any]], bool], every: float) -> Any:
    """Asks until it is finished. Raises CloudRefused after an hour."""
    from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

    try:
        return Retrying(
            retry=retry_if_not_result(finished), wait=wait_fixed(every), stop=stop_after_delay(LONGEST_SECONDS)
        )(ask)
    except RetryError:
        raise CloudRefused(
            "Google Cloud did not finish within an hour: look into its console, then try again"
        ) from None


def _imported(name: str) -> Any:
    with warnings.catch_warnings():
        # Google announces when it will support a Python no longer, on each import.
        warnings.simplefilter("ignore", FutureWarning)
        return importlib.import_module(name)
