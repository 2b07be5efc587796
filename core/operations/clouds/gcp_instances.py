"""Cloud SQL's instances, and its operations awaited."""

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.operations.clouds.base import Place, Say
from core.operations.clouds.errors import CloudRefused, CloudUnreachable, DatabaseNotFound
from core.operations.clouds.google import (
    LONGEST_SECONDS,
    POLL_SECONDS,
    done,
    found,
    http_error,
    once,
    repeated,
    service,
    sleep,
    status_of,
)

PORT = 5432
NAME = re.compile(r"^[a-z]([a-z0-9-]{0,78}[a-z0-9])?$")
"""An instance's; with the project's name it stays below Google's 98."""
Document = dict[str, Any]
UNDER_WAY: Document = {"name": "", "status": "DONE"}
"""In place of an operation whose answer was lost: what it makes is there and is awaited by its state."""


class Instances:
    """Those of one project. All raise googleapiclient's errors, for `asked` around them to explain."""

    def __init__(
        self, place: Place, *, poll_seconds: float = POLL_SECONDS, longest: float = LONGEST_SECONDS, say: Say
    ) -> None:
        if place.project is None:
            raise CloudUnreachable(
                "no project is named: `pulumi config set cloudbill:project PROJECT`, or CLOUD_PROJECT where it runs"
            )
        self.project, self.region, self.sql = place.project, place.region, service("sqladmin", "v1")
        self._poll_seconds, self._longest, self._say = poll_seconds, longest, say

    def find(self, name: str) -> Document | None:
        """One of them."""
        return found(self.sql.instances().get(project=self.project, instance=name))

    def get(self, name: str) -> Document:
        """One of them, in this region. Raises DatabaseNotFound, CloudRefused for another region."""
        instance = self.find(name)
        if instance is None:
            raise DatabaseNotFound(
                f"{self.project} has no Cloud SQL instance {name}: are the project (cloudbill:project, CLOUD_PROJECT) "
                "and the instance (CLOUD_DATABASE) right?"
            )
        if (region := instance.get("region")) != self.region:
            raise CloudRefused(
                f"{name} is in {region}, not in {self.region}: mend the region (cloudbill:region, CLOUD_REGION)"
            )
        return instance

    def patch(self, name: str, body: Document, what: str) -> None:
        """Changes settings; what is so already stays so."""
        request = self.sql.instances().patch(project=self.project, instance=name, body=body)
        self.finish(self._when_free(name, lambda: repeated(request.execute, safe=True)), what)

    def delete(self, name: str) -> None:
        """Without a last backup; what is gone already is no error."""
        request = self.sql.instances().delete(project=self.project, instance=name, enableFinalBackup=False)
        if operation := self._when_free(name, lambda: found(request)):
            self.finish(operation, f"deleting {name}")

    def start(self, request: Any, *, on: str, what: str, kind: str | None = None) -> None:
        """Starts an operation and awaits it. Where the answer is lost, it was started if the instance is there, or,
        for an instance that was there before, an operation of that kind.
        """

        def made() -> Document | None:
            if kind:
                return self._newest(on, kind)
            return UNDER_WAY if self.find(on) else None

        self.finish(self._when_free(on, lambda: once(request, made=made)), what)

    def _when_free(self, name: str, send: Callable[[], Any]) -> Any:
        """An instance does one thing at a time: a backup, for instance, is waited for."""
        give_up_at = time.monotonic() + self._longest
        while True:
            try:
                return send()
            except http_error() as error:
                is_busy = status_of(error) == 409 and "in progress" in str(error.reason)
                if not is_busy or time.monotonic() > give_up_at:
                    raise
            self._say(f"{name} is busy with another operation, which is waited for")
            for operation in self._operations(name):
                if operation.get("status") != "DONE":
                    self._ended(operation, f"another operation on {name}")
            sleep(self._poll_seconds)

    def _newest(self, name: str, kind: str) -> Document | None:
        newest = max(self._operations(name), key=lambda one: str(one.get("insertTime", "")), default=None)
        return newest if newest is not None and newest.get("operationType") == kind and "error" not in newest else None

    def _operations(self, name: str) -> list[Document]:
        request = self.sql.operations().list(project=self.project, instance=name, maxResults=10)
        return request.execute().get("items", [])

    def finish(self, operation: Document, what: str) -> None:
        """Waits for its end. Raises CloudRefused when that is an error."""
        ended = operation if operation.get("status") == "DONE" else self._ended(operation, what)
        if errors := ended.get("error", {}).get("errors"):
            said = "; ".join(f"{one.get('code', '?')}: {one.get('message', 'no reason given')}" for one in errors)
            raise CloudRefused(f"Cloud SQL could not finish {what}: {said}")

    def _ended(self, operation: Document, what: str) -> Document:
        name = needed(operation, "name", "operation")
        return done(
            lambda: self.sql.operations().get(project=self.project, operation=name).execute(),
            finished=lambda seen: seen.get("status") == "DONE",
            every=self._poll_seconds,
            longest=self._longest,
            what=what,
            say=self._say,
        )

    def settle(self, name: str, what: str) -> Document:
        """The instance, once it runs. Raises CloudRefused when it does not come to that."""
        instance = done(
            lambda: self.find(name) or {},
            finished=lambda seen: seen.get("state") not in ("PENDING_CREATE", "MAINTENANCE", "REPAIRING"),
            every=self._poll_seconds,
            longest=self._longest,
            what=what,
            say=self._say,
        )
        if instance.get("state") != "RUNNABLE":
            raise CloudRefused(
                f"{name} is {instance.get('state', 'gone')}, not RUNNABLE, after {what}: see `gcloud sql operations "
                f"list --instance={name}`"
            )
        return instance

    def say(self, words: str) -> None:
        """How far it is."""
        self._say(words)


def needed(document: Document, name: str, of: str) -> Any:
    """A part that an answer must have. Raises CloudUnreachable."""
    try:
        return document[name]
    except (KeyError, TypeError):
        raise CloudUnreachable(
            f"Google Cloud answered with half of an answer: the {of} has no {name}. Try again; if it stays so, its API "
            "has changed"
        ) from None


def endpoint_of(instance: Document) -> str:
    """host:port, by the private address. Raises CloudRefused when it has none."""
    for address in instance.get("ipAddresses", []):
        if address.get("type") == "PRIVATE":
            return f"{needed(address, 'ipAddress', 'address')}:{PORT}"
    raise CloudRefused(f"{instance.get('name')} has no private address, so that nothing of ours could reach it")


def instant(text: str) -> datetime:
    """Of RFC 3339. Raises CloudUnreachable for what is none."""
    try:
        at = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise CloudUnreachable(f"Google Cloud answered with {text!r} where a time is expected") from None
    return at


def settings_of(instance: Document) -> Document:
    """Its settings."""
    return needed(instance, "settings", "instance")
