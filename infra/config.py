"""What a stack is: one frozen, validated object, read once, where the program starts.

A stack file says only what differs from its environment (`environments.py`). What the clouds would refuse, or would
silently do otherwise, is refused here, before anything is created (`limits.py`).
"""

import difflib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

NAMESPACE = "cloudbill"


class Cloud(StrEnum):
    """Where a stack is built."""

    AWS = "aws"
    GCP = "gcp"


class Environment(StrEnum):
    """What a stack is for: its defaults, and how strict the policies are."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class Role(StrEnum):
    """The three services of the one image."""

    API = "api"
    WORKER = "worker"
    CONSOLE = "console"


class InvalidConfig(Exception):
    """The stack's configuration is wrong; each line names a key, what it may be and what would happen."""

    code = "invalid_config"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_default=True)


class Size(_Section):
    """How large one instance of a service is, and how many there may be."""

    cpu: float
    """vCPU: 0.25, 0.5, 1, 2, 4 or 8."""
    memory: Annotated[int, Field(ge=512, le=32768)]
    """MiB."""
    min: Annotated[int, Field(ge=0, le=100)]
    max: Annotated[int, Field(ge=1, le=100)]

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max}): autoscaling would never start an instance")
        return self


class Database(_Section):
    """PostgreSQL."""

    version: Literal["15", "16", "17", "18"]
    instance: str
    """AWS: an instance class (db.t4g.medium). Google Cloud: a tier (db-custom-2-8192)."""
    edition: Literal["enterprise", "enterprise-plus"] = "enterprise"
    """Google Cloud only."""
    storage: Annotated[int, Field(ge=20, le=65536)]
    """GB at first; it grows by itself up to `storageMax`."""
    storage_max: Annotated[int, Field(ge=20, le=65536)]
    highly_available: bool
    replicas: Annotated[int, Field(ge=0, le=5)] = 0
    """Read replicas."""
    backups_kept: Annotated[int, Field(ge=1, le=365)]
    """Days for which daily backups are kept."""
    pitr_days: Annotated[int, Field(ge=1, le=35)]
    """Days back to any second of which the database can be restored."""
    backup_region: str | None = None
    """Another region that backups are copied to."""


class Cache(_Section):
    """Redis or Valkey."""

    engine: Literal["valkey", "redis"]
    version: str
    node: str
    """AWS: a node type (cache.t4g.medium). Google Cloud: GB for redis (5), a node type for valkey (STANDARD_SMALL)."""
    highly_available: bool


class Network(_Section):
    """The private network."""

    cidr: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")]
    zones: tuple[str, ...] = ()
    """AWS: availability zones, by default the first two or three of the region."""
    nat_per_zone: bool
    """AWS: a NAT gateway in each zone, or one for all."""


class Alerts(_Section):
    """Who is told. A pager's key is the secret `pagerKey`."""

    emails: tuple[str, ...] = ()
    budget: Annotated[int, Field(ge=1)]
    """USD a month, at 80 and 100 % of which `emails` are told."""


class Switches(_Section):
    """What an account may already have, or does not need."""

    guard_duty: bool = False
    config_recorder: bool = False
    cloud_trail: bool = False
    off_hours: bool = False
    """Stops the environment at night (20 to 6 UTC) and at weekends."""


class Bridge(_Section):
    """The way to the other cloud's network for a move: open until `until`, then refused by the policies."""

    until: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    peer_address: str
    """Public address of the other side's VPN gateway."""
    peer_cidr: str
    """Private network of the other side."""


class SignIn(_Section):
    """Accounts elsewhere that people may sign in with: the clients that were registered there, by their public ids.

    Each has a secret of its own beside it; it leads back to api.DOMAIN/auth/google/callback or /auth/github/callback.
    """

    google: str | None = None
    github: str | None = None


class Release(_Section):
    """What runs."""

    image: Annotated[str, StringConstraints(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")] | None = None
    """A published image by digest; without one the program builds it from the Dockerfile and pushes it."""
    collector: Annotated[str, StringConstraints(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")] | None = None
    """The same for the collector of metrics (collector/Dockerfile)."""
    architecture: Literal["amd64", "arm64"] = "amd64"
    canary: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of the requests that the canary gets."""
    spot: bool = False
    """Interruptible instances: 50 to 70 % cheaper, taken away at two minutes' notice."""


class StackConfig(_Section):
    """A stack, whole. Secrets are given with `pulumi config set --secret` and are never shown."""

    stack: str
    cloud: Cloud
    environment: Environment
    region: str
    project: str | None = None
    """Google Cloud only: the project's id."""
    domain: str | None = None
    """Where it is reached: the console at DOMAIN, the API at api.DOMAIN. Without one: a self-signed certificate."""
    dns_zone: str | None = None
    """An existing zone for the domain (AWS: its id, Google Cloud: its name); without one the program makes it."""
    billing_account: str | None = None
    """Google Cloud only: the billing account (XXXXXX-XXXXXX-XXXXXX) of the budget; without one there is no budget."""
    secret_versions: Mapping[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict[str, int])
    """Google Cloud only: which version of a secret is read, by its name in the program; by default the first."""
    log_days: int
    sign_in: SignIn = SignIn()
    release: Release
    api: Size
    worker: Size
    console: Size
    database: Database
    cache: Cache
    network: Network
    alerts: Alerts
    switches: Switches
    bridge: Bridge | None = None
    stripe_secret_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    google_client_secret: SecretStr | None = None
    github_client_secret: SecretStr | None = None
    pager_key: SecretStr | None = None
    bridge_key: SecretStr | None = None

    @property
    def is_production(self) -> bool:
        """Whether people's money is in it."""
        return self.environment is Environment.PRODUCTION

    @property
    def public_host(self) -> str | None:
        """Of the API, where there is a domain."""
        return f"api.{self.domain}" if self.domain else None

    def size(self, role: Role) -> Size:
        """Of a service."""
        return {Role.API: self.api, Role.WORKER: self.worker, Role.CONSOLE: self.console}[role]


_FORMS = {
    "release.collector": "REPOSITORY@sha256:DIGEST, since a tag may be moved",
    "release.image": "REPOSITORY@sha256:DIGEST, since a tag may be moved",
    "network.cidr": "10.20.0.0/16",
    "bridge.until": "2026-12-31",
}
SECRETS = (
    "stripeSecretKey",
    "stripeWebhookSecret",
    "googleClientSecret",
    "githubClientSecret",
    "pagerKey",
    "bridgeKey",
)


def read_config(stack: str, values: Mapping[str, str]) -> StackConfig:
    """The stack's configuration from its `cloudbill:` keys (without that prefix), as Pulumi hands them out.

    Raises InvalidConfig with a line for each thing that is wrong.
    """
    from infra.environments import defaults
    from infra.limits import problems

    given = {key: _parsed(text) for key, text in values.items() if key not in SECRETS}
    secrets = {key: text for key, text in values.items() if key in SECRETS}
    for key, kind in (("cloud", Cloud), ("environment", Environment)):
        if given.get(key) not in list(kind):
            raise InvalidConfig([f"{_key(key)} is {_shown(given.get(key))}: it may be {' or '.join(kind)}"])
    cloud, environment = Cloud(given["cloud"]), Environment(given["environment"])
    whole = _merged(defaults(cloud, environment), given) | secrets
    try:
        config = StackConfig.model_validate({"stack": stack, **whole})
    except ValidationError as error:
        raise InvalidConfig([_problem(problem, whole) for problem in error.errors(include_url=False)]) from None
    refused = [f"{_key(key)}: {text}" for key, text in problems(config)]
    if refused:
        raise InvalidConfig(refused)
    return config


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    # Pulumi hands out every scalar as text: what a version or a name says stays what it says.
    return cast("Any", value) if isinstance(value, dict | list | bool) else text


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(cast("Mapping[str, Any]", below), cast("Mapping[str, Any]", value))
        else:
            merged[key] = value
    return merged


def _problem(problem: Any, whole: Mapping[str, Any]) -> str:
    place = [str(part) for part in problem["loc"]]
    key = _key(".".join(place))
    if problem["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        return f"{key} is no key: {f'did you mean {near[0]}?' if near else 'the keys are ' + ', '.join(sorted(known))}"
    if problem["type"] == "missing":
        return f"{key} is missing: set it with pulumi config set --path {key} VALUE"
    value = "(a secret)" if place[0] in SECRETS else problem["input"]
    match problem["type"]:
        case "value_error":
            text = problem["msg"].removeprefix("Value error, ")
        case "string_pattern_mismatch":
            text = "it must have the form " + _FORMS[".".join(place)]
        case "model_type":
            text = "it must be a mapping of " + ", ".join(sorted(_known_keys(place)))
        case _:
            text = "it must be " + problem["msg"].removeprefix("Input should be ")
    return f"{key} is {_shown(value)}: {text}"


def _known_keys(place: list[str]) -> list[str]:
    model: Any = StackConfig
    for part in place:
        field = next(field for field in model.model_fields.values() if field.alias == part)
        model = next(kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if kind)
    return [field.alias for name, field in model.model_fields.items() if name != "stack"]


def _key(name: str) -> str:
    return f"{NAMESPACE}:{name}"


def _shown(value: Any) -> str:
    return "missing" if value is None else json.dumps(value, default=str)
