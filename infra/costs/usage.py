"""How much an installation is used in a month: the part of the bill that no graph knows."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from infra.costs.errors import InvalidUsage

Amount = Annotated[Decimal, Field(ge=0, le=10**12)]
Share = Annotated[Decimal, Field(ge=0, le=1)]


class Usage(BaseModel):
    """A month, in the units that each field says."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    requests: Amount
    """HTTP requests that reach the load balancer."""
    gb_out: Amount
    """GB from the load balancer to the internet."""
    gb_in: Amount
    """GB from the internet to the load balancer."""
    gb_nat: Amount
    """GB through NAT: Stripe, e-mail, images where no private endpoint is."""
    gb_between_zones: Amount
    """GB between zones, counted once: services to database and cache."""
    gb_logs: Amount
    """GB of logs written: services, load balancer, firewall, network flows."""
    load: Share
    """Where between their least and most instances the services are on average: 0 the least, 1 the most."""
    database_gb: Amount
    """GB that the database has come to; never less than what was ordered."""
    backup_gb: Amount
    """GB of backups beyond the database's own size."""
    gb_changed: Amount
    """GB of changes that backups and copies to another region carry."""
    image_gb: Amount
    """GB of images kept."""
    object_gb: Amount
    """GB in buckets and shared files: access logs, trails, exports, signed heads."""
    secret_calls: Amount
    """Times that a secret is read."""
    key_calls: Amount
    """Times that an encryption key is used."""
    metrics: Amount
    """Custom time series sent."""
    metric_samples: Amount
    """Million samples of them."""
    findings: Amount
    """Events and configuration items that the watching services look at."""
    database_cpu: Share
    """Part of the database's CPU that is busy in its busiest hours; sizes are judged by it, not billed."""
    database_memory: Share
    """Part of the database's memory that it works with."""
    cache_memory: Share
    """Part of the cache's memory that is filled."""
    service_cpu: Share
    """Part of an instance's CPU that is busy in its busiest hours."""
    service_memory: Share
    """Part of an instance's memory that is in use."""


def _profile(**fields: float) -> Usage:
    return Usage.model_validate({name: str(value) for name, value in fields.items()})


PROFILES: Mapping[str, Usage] = {
    "small": _profile(
        requests=1_000_000,
        gb_out=20,
        gb_in=5,
        gb_nat=20,
        gb_between_zones=20,
        gb_logs=5,
        load=0,
        database_gb=10,
        backup_gb=0,
        gb_changed=10,
        image_gb=5,
        object_gb=5,
        secret_calls=20_000,
        key_calls=100_000,
        metrics=60,
        metric_samples=5,
        findings=100_000,
        database_cpu=0.1,
        database_memory=0.3,
        cache_memory=0.15,
        service_cpu=0.1,
        service_memory=0.3,
    ),
    "base": _profile(
        requests=30_000_000,
        gb_out=200,
        gb_in=40,
        gb_nat=100,
        gb_between_zones=200,
        gb_logs=40,
        load=0.15,
        database_gb=100,
        backup_gb=100,
        gb_changed=100,
        image_gb=20,
        object_gb=40,
        secret_calls=100_000,
        key_calls=1_000_000,
        metrics=150,
        metric_samples=15,
        findings=1_000_000,
        database_cpu=0.35,
        database_memory=0.6,
        cache_memory=0.3,
        service_cpu=0.4,
        service_memory=0.6,
    ),
    "large": _profile(
        requests=300_000_000,
        gb_out=2_000,
        gb_in=400,
        gb_nat=500,
        gb_between_zones=2_000,
        gb_logs=400,
        load=0.6,
        database_gb=600,
        backup_gb=600,
        gb_changed=600,
        image_gb=50,
        object_gb=400,
        secret_calls=500_000,
        key_calls=10_000_000,
        metrics=400,
        metric_samples=60,
        findings=10_000_000,
        database_cpu=0.6,
        database_memory=0.75,
        cache_memory=0.7,
        service_cpu=0.65,
        service_memory=0.75,
    ),
}
"""A quiet month, an ordinary one, a busy one."""


def find_usage(name: str) -> Usage:
    """A profile by its name, or a YAML or JSON file that changes some fields of `base`. Raises InvalidUsage."""
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    if not path.is_file():
        raise InvalidUsage(f"{name!r} is neither {', '.join(PROFILES)} nor a file")
    try:
        return read_usage(path.read_text(encoding="utf-8-sig"), name=path.name)
    except UnicodeDecodeError:
        raise InvalidUsage(
            f"{path.name} is no text: YAML or JSON with keys like requests: 5000000 is expected"
        ) from None
    except OSError as error:
        raise InvalidUsage(f"{path.name} cannot be read: {error.strerror}") from None


def read_usage(text: str, *, name: str) -> Usage:
    """The fields that a text gives, the rest as in `base`. Raises InvalidUsage, naming line or key."""
    try:
        given: Any = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InvalidUsage(f"{name} line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InvalidUsage(f"{name}: {error}") from None
    if not isinstance(given, dict):
        raise InvalidUsage(f"{name}: a mapping of {', '.join(sorted(_names()))} is expected")
    try:
        return Usage.model_validate({**PROFILES["base"].model_dump(by_alias=True), **cast("dict[str, Any]", given)})
    except ValidationError as error:
        raise InvalidUsage("; ".join(f"{name}: {_said(problem)}" for problem in error.errors())) from None


def _names() -> list[str]:
    return [field.alias or name for name, field in Usage.model_fields.items()]


def _said(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key} is no key: there are {', '.join(sorted(_names()))}"
    wanted = {"decimal_type": "a number", "decimal_parsing": "a number", "finite_number": "a finite number"}
    said = wanted.get(problem["type"], problem["msg"].removeprefix("Input should be "))
    return f"{key} is {problem['input']!r}: it must be {said}"
