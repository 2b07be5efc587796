"""What Google's refusals mean, and what to do about each."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from core.operations.clouds.errors import CloudError, CloudRefused, CloudUnreachable
from core.operations.clouds.google_permissions import PERMISSIONS

_THROTTLED = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")
_QUOTA = ("quotaExceeded", "QUOTA_EXCEEDED", "dailyLimitExceeded", "limitExceeded", "RESOURCE_EXHAUSTED")
_SWITCHED_OFF = ("accessNotConfigured", "SERVICE_DISABLED")
_PERMISSION = (
    re.compile(r"[Pp]ermission '?([a-z]\w*(?:\.\w+){2,})'? denied"),
    re.compile(r"does not have ([a-z]\w*(?:\.\w+){2,}) (?:access|permission)"),
    re.compile(r"[Rr]equired '?([a-z]\w*(?:\.\w+){2,})'? permission"),
)
_ACCOUNT = re.compile(r"[\w.-]+@[\w.-]+\.(?:gserviceaccount\.com|[a-z]{2,})")


def is_throttled(error: BaseException) -> bool:
    """Whether it was refused for coming too fast: then nothing was done."""
    status = int(getattr(error, "status_code", 0))
    reasons = set(_reasons(_said(error))) if status in (403, 429) else set[str]()
    return (status == 429 and not reasons & set(_QUOTA[:4])) or (status == 403 and bool(reasons & set(_THROTTLED)))


def explained(what: str, error: Any, *, attempts: int) -> CloudError:
    """An HttpError as one of ours."""
    said, status = _said(error), int(error.status_code)
    message, reasons = _message(said, error), set(_reasons(said))
    if status == 401:
        return CloudUnreachable(
            f"Google Cloud took no credentials for {what}: they are no longer valid; "
            "sign in anew with `gcloud auth application-default login`"
        )
    if is_throttled(error):
        return CloudUnreachable(
            f"Google Cloud throttles: {what} was asked {attempts} times in vain ({status}: {message}); try again in "
            "some minutes"
        )
    if reasons & set(_QUOTA):
        return CloudRefused(
            f"Google Cloud refused {what}, since a quota is used up ({status}: {message}): ask for more at "
            "https://console.cloud.google.com/iam-admin/quotas, or delete what is not needed"
        )
    if reasons & set(_SWITCHED_OFF):
        return CloudRefused(f"Google Cloud refused {what}: this API is not switched on in the project: {message}")
    if status == 403:
        return _denied(what, error, said, message)
    if status >= 500:
        return CloudUnreachable(f"Google Cloud did not answer {what}, asked {attempts} times: {status}: {message}")
    return CloudRefused(f"Google Cloud refused {what}: {status}: {message}")


def _denied(what: str, error: Any, said: dict[str, Any], message: str) -> CloudRefused:
    named = next(
        (str(one["metadata"]["permission"]) for one in _details(said) if one.get("metadata", {}).get("permission")), ""
    ) or next((match[1] for form in _PERMISSION if (match := form.search(message))), "")
    needed = (named,) if named else PERMISSIONS.get(getattr(error, "method_id", ""), ())
    told = _ACCOUNT.search(message)
    own = str(getattr(error, "who", ""))
    # `default` is what the metadata server calls whoever this machine is.
    who = told[0] if told else own if "@" in own else "the account that asks"
    if not needed:
        return CloudRefused(f"Google Cloud refused {what}: 403: {message}")
    words = " and ".join(needed)
    return CloudRefused(
        f"Google Cloud refused {what}: {who} may not {words} (403: {message}). Grant that permission to it, or ask "
        "as another account"
    )


def _said(error: Any) -> dict[str, Any]:
    try:
        found = json.loads(error.content)["error"]
    except (AttributeError, ValueError, KeyError, TypeError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _message(said: dict[str, Any], error: Any) -> str:
    return str(said.get("message") or getattr(error, "reason", "") or "no reason given").strip().rstrip(".")


def _reasons(said: dict[str, Any]) -> Iterator[str]:
    for one in (*_listed(said.get("errors")), *_details(said)):
        if reason := one.get("reason"):
            yield str(reason)
    if status := said.get("status"):
        yield str(status)


def _details(said: dict[str, Any]) -> list[dict[str, Any]]:
    return _listed(said.get("details"))


def _listed(value: Any) -> list[dict[str, Any]]:
    return (
        [cast(dict[str, Any], one) for one in cast(list[Any], value) if isinstance(one, dict)]
        if isinstance(value, list)
        else []
    )
