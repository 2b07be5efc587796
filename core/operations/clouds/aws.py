"""AWS by boto3. AWS_PROFILE, AWS_ENDPOINT_URL and the rest of its own environment are boto3's to read."""

import importlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from core.operations.clouds.aws_actions import action_of
from core.operations.clouds.base import Place, Snapshot, client_installed
from core.operations.clouds.errors import CloudError, CloudRefused, CloudUnreachable, DatabaseNotFound

LONGEST_SECONDS = 3600
POLL_SECONDS = 15
ATTEMPTS = 5
"""Of one call, in botocore's standard mode."""


def client(service: str, region: str | None) -> Any:
    """A client of one service; throttling, time-outs and broken answers are asked again, with growing pauses.

    Raises CloudUnreachable where boto3 is not installed.
    """
    with client_installed("boto3"):
        boto3: Any = importlib.import_module("boto3")
        config: Any = importlib.import_module("botocore.config")
    kwargs: dict[str, Any] = {
        "region_name": region,
        "config": config.Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, connect_timeout=10, read_timeout=60
        ),
    }
    try:
        made = boto3.client(service, **kwargs)
    except exceptions().NoRegionError:
        raise CloudUnreachable("AWS is asked by region, and none is named: set AWS_REGION") from None
    except (exceptions().BotoCoreError, ValueError) as error:
        raise CloudUnreachable(f"AWS cannot be asked here: {error}") from None
    made.meta.events.register("after-call", _name_the_action)
    # botocore takes an answer that was cut off for a whole one, which its parser then cannot read, and gives up.
    endpoint: Any = made._endpoint

    def send(request: Any, **_: Any) -> Any:
        return _whole(endpoint.http_session, request)

    made.meta.events.register("before-send", send)
    return made


@contextmanager
def asked(what: str) -> Generator[None]:
    """Whatever AWS or the way to it answers becomes a CloudError that says what was asked, and what to do."""
    failures = exceptions()
    parsers: Any = importlib.import_module("botocore.parsers")
    try:
        yield
    except failures.ClientError as error:
        raise _explained(what, error) from None
    except failures.NoCredentialsError:
        raise CloudUnreachable(
            f"no credentials for AWS, so {what} was not asked: sign in (`aws sso login`) or set AWS_PROFILE"
        ) from None
    except failures.EndpointConnectionError as error:
        raise CloudUnreachable(
            f"AWS did not answer {what}: {error} Is the region one that exists (cloudbill:region, CLOUD_REGION), and "
            "is there a way to it?"
        ) from None
    except (failures.BotoCoreError, failures.HTTPClientError, parsers.ResponseParserError) as error:
        raise CloudUnreachable(f"AWS did not answer {what}, asked {ATTEMPTS} times: {error}") from None


_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden", "403")
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
    "503",
)
_ELSEWHERE = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301")
_UNKNOWN_HERE = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "OptInRequired")
_WHO = re.compile(r"(?:User: )?(arn:\S+) is not authorized to perform: ([\w-]+:\w+)")


def _explained(what: str, error: Exception) -> CloudError:
    found: Any = error
    said: dict[str, Any] = found.response.get("Error", {})
    code, message = str(said.get("Code", "?")), str(said.get("Message") or found)
    if code in _DENIED:
        told = _WHO.search(message)
        who = told[1] if told else "whoever asks"
        action = told[2] if told else said.get("Action", found.operation_name)
        return CloudRefused(
            f"AWS refused {what}: {who} may not {action} ({code}). Grant that action to it, or ask with another role"
        )
    if code in _THROTTLED:
        return CloudUnreachable(
            f"AWS throttles, so {what} was asked {ATTEMPTS} times in vain ({code}): try again in some minutes"
        )
    if code in _ELSEWHERE:
        return CloudRefused(f"AWS refused {what}: it is in another region ({message}); set AWS_REGION to that one")
    if code in _UNKNOWN_HERE:
        return CloudRefused(
            f"AWS refused {what}: these credentials are not known in this region ({code}). Are they still valid, and "
            "is the region (cloudbill:region, CLOUD_REGION) one that this account has enabled?"
        )
    return CloudRefused(f"AWS refused {what}: {code}: {message}")


def _whole(session: Any, request: Any) -> Any:
    """The answer to it; cut off it counts as a lost connection, which is tried again."""
    answer = session.send(request)
    promised = answer.headers.get("content-length", "0")
    is_read = request.method != "HEAD" and not request.stream_output
    if is_read and len(answer.content) < int(promised):
        raise exceptions().ConnectionClosedError(endpoint_url=request.url)
    return answer


def _name_the_action(parsed: dict[str, Any], model: Any, **_: Any) -> None:
    if "Error" in parsed:
        signing: str = model.service_model.signing_name
        parsed["Error"]["Action"] = action_of(signing, model.name)


def exceptions() -> Any:
    """botocore's; imported where they are needed, since only operators install it."""
    return importlib.import_module("botocore.exceptions")


def code_of(error: Exception) -> str:
    """The code of a botocore ClientError."""
    found: Any = error
    return str(found.response.get("Error", {}).get("Code", ""))


class Rds:
    """RDS."""

    def __init__(self, place: Place, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._rds, self._region = client("rds", place.region), place.region
        self._poll_seconds = poll_seconds

    def snapshot(self, endpoint: str, name: str) -> Snapshot:
        """A manual snapshot, which outlives the database."""
        with asked("for a database snapshot"):
            database = self.name_of(endpoint)
            is_new = True
            try:
                self._rds.create_db_snapshot(
                    DBInstanceIdentifier=database,
                    DBSnapshotIdentifier=name,
                    Tags=[{"Key": "made-by", "Value": "cloudbill"}],
                )
            except exceptions().ClientError as error:
                if code_of(error) != "DBSnapshotAlreadyExists":
                    raise
                is_new = False
            self._rds.get_waiter("db_snapshot_available").wait(
                DBSnapshotIdentifier=name,
                WaiterConfig={
                    "Delay": self._poll_seconds,
                    "MaxAttempts": int(LONGEST_SECONDS / max(self._poll_seconds, 1)),
                },
            )
            made = self._rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
        return Snapshot(name=name, database=database, reference=made["DBSnapshotArn"], is_new=is_new)

    def name_of(self, endpoint: str) -> str:
        """The identifier of the database that answers there. Raises DatabaseNotFound."""
        host = endpoint.partition(":")[0]
        for page in self._rds.get_paginator("describe_db_instances").paginate():
            for instance in page["DBInstances"]:
                if instance.get("Endpoint", {}).get("Address") == host:
                    return str(instance["DBInstanceIdentifier"])
        raise DatabaseNotFound(
            f"no database of this account in {self._region} answers at {host}: are these the credentials of the "
            "stack's account, and does the stack's file name its region?"
        )

    def endpoint_of(self, name: str) -> str:
        """host:port of the database of that name. Raises DatabaseNotFound."""
        with asked(f"for the database {name}"):
            try:
                found = self._rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["Endpoint"]
            except exceptions().ClientError as error:
                if code_of(error) not in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
                    raise
                raise DatabaseNotFound(f"there is no database {name} in {self._region}") from None
        return f"{found['Address']}:{found['Port']}"
