"""Google's REST APIs by their discovery documents, which the client carries.

`CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL` and its like lead elsewhere, as they do for gcloud, and so does
`CLOUDSDK_AUTH_DISABLE_CREDENTIALS`.

Throttling is waited for, as long as Google says. What broke off on the way is asked again where asking twice does no
harm; of what would be done twice, `once` looks first whether it was done.
"""

import importlib
import os
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any

from core.operations.clouds.base import Say, client_installed, silently
from core.operations.clouds.errors import CloudRefused, CloudUnreachable
from core.operations.clouds.google_refusals import explained, is_throttled
from core.operations.clouds.google_transport import transport

LONGEST_SECONDS = 3600
POLL_SECONDS = 5.0
ATTEMPTS = 6
"""Of one call."""
LONGEST_PAUSE_SECONDS = 60.0
_OVERRIDES = {"sqladmin": "SQL", "iam": "IAM"}
"""gcloud's own names where they are not the API's."""
_REPEATABLE = ("GET", "PUT", "DELETE")
sleep = time.sleep


def service(name: str, version: str) -> Any:
    """A client of one API, which tries again. Raises CloudUnreachable."""
    with client_installed("google-api-python-client"):
        auth: Any = imported("google.auth")
        failures: Any = imported("google.auth.exceptions")
        anonymous: Any = imported("google.auth.credentials")
        discovery: Any = imported("googleapiclient.discovery")

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
        http=transport(credentials),
        static_discovery=True,
        cache_discovery=False,
        client_options={"api_endpoint": elsewhere.rstrip("/") + "/"} if elsewhere else None,
        requestBuilder=_patient(str(getattr(credentials, "service_account_email", ""))),
    )


def _patient(who: str) -> Any:
    """The client's requests, tried again, and with what an error needs to be explained."""
    http: Any = imported("googleapiclient.http")

    class Patient(http.HttpRequest):
        def execute(self, *_: Any, **__: Any) -> Any:
            try:
                return repeated(self._answered, safe=self.method in _REPEATABLE)
            except http_error() as error:
                error.method_id, error.who = self.methodId, who
                raise

        def _answered(self) -> Any:
            parent: Any = super()
            answer: Any = parent.execute()
            if isinstance(answer, str):  # the client hands on what it cannot read
                raise JSONDecodeError("an answer that is not JSON", answer, 0)
            return answer

    return Patient


def repeated(send: Callable[[], Any], *, safe: bool) -> Any:
    """Sends until it is answered, at most ATTEMPTS times; not `safe`: only after a refusal that says it did nothing."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    return Retrying(
        retry=retry_if_exception(_is_passing if safe else is_throttled),
        wait=_pause,
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
        sleep=lambda seconds: sleep(seconds),
    )(send)


def once(request: Any, *, made: Callable[[], Any]) -> Any:
    """Sends what must not be done twice. Where the answer is lost, `made` says what came of it; None: send again."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    is_first = True

    def attempt() -> Any:
        nonlocal is_first
        if not is_first and (found := made()) is not None:
            return found
        is_first = False
        return request.execute()

    return Retrying(
        retry=retry_if_exception(_is_passing),
        wait=_pause,
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
        sleep=lambda seconds: sleep(seconds),
    )(attempt)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, http_error()):
        found: Any = error
        return int(found.status_code) >= 500 or is_throttled(error)
    return isinstance(error, _broken_off())


def _pause(state: Any) -> float:
    """As long as Google asks for, or ever longer."""
    from tenacity import wait_exponential_jitter

    error: Any = state.outcome.exception()
    asked_for = str(getattr(error, "resp", {}).get("retry-after", ""))
    if asked_for.isdigit():
        return min(float(asked_for), LONGEST_PAUSE_SECONDS)
    return wait_exponential_jitter(max=LONGEST_PAUSE_SECONDS)(state)


def _broken_off() -> tuple[type[BaseException], ...]:
    """No answer, half of one, or one that is not JSON."""
    client: Any = imported("http.client")
    library: Any = imported("httplib2.error")
    return (OSError, client.HTTPException, library.HttpLib2Error, JSONDecodeError, UnicodeDecodeError)


@contextmanager
def asked(what: str) -> Generator[None]:
    """Whatever Google or the way to it answers becomes a CloudError that says what was asked, and what to do."""
    auth: Any = imported("google.auth.exceptions")
    try:
        yield
    except http_error() as error:
        raise explained(what, error, attempts=ATTEMPTS) from None
    except auth.GoogleAuthError as error:
        raise CloudUnreachable(
            f"Google Cloud took no credentials for {what}: {error}; sign in anew with `gcloud auth application-default "
            "login`"
        ) from None
    except _broken_off() as error:
        raise CloudUnreachable(
            f"Google Cloud did not answer {what}, or not in full: {error or type(error).__name__}"
        ) from None


def http_error() -> Any:
    """googleapiclient's class; imported where it is needed, since only operators install it."""
    return imported("googleapiclient.errors").HttpError


def status_of(error: Exception) -> int:
    """The HTTP status of a googleapiclient HttpError."""
    found: Any = error
    return int(found.status_code)


def found(request: Any) -> Any:
    """The answer, or None for 404."""
    try:
        return request.execute()
    except http_error() as error:
        if status_of(error) != 404:
            raise
        return None


def done(
    ask: Callable[[], dict[str, Any]],
    *,
    finished: Callable[[dict[str, Any]], bool],
    every: float,
    longest: float = LONGEST_SECONDS,
    what: str = "it",
    say: Say = silently,
) -> Any:
    """Asks until it is finished, and says how long it waits. Raises CloudRefused when that takes too long."""
    from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

    said_at = 0.0

    def tell(state: Any) -> None:
        nonlocal said_at
        if state.seconds_since_start - said_at >= 30:
            said_at = state.seconds_since_start
            say(f"waiting for {what}, {said_at:.0f} s so far")

    try:
        return Retrying(
            retry=retry_if_not_result(finished),
            wait=wait_fixed(every),
            stop=stop_after_delay(longest),
            after=tell,
            sleep=lambda seconds: sleep(seconds),
        )(ask)
    except RetryError:
        limit = "an hour" if longest == LONGEST_SECONDS else f"{longest:.0f} s"
        raise CloudRefused(
            f"Google Cloud did not finish {what} within {limit}: look into its console, then try again; what it is at "
            "goes on, and is taken up where it stands"
        ) from None


def imported(name: str) -> Any:
    """A module of Google's client; imported where it is needed, since only operators install it."""
    with warnings.catch_warnings():
        # Google announces when it will support a Python no longer, on each import.
        warnings.simplefilter("ignore", FutureWarning)
        return importlib.import_module(name)
