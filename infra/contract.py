"""What the parts of an installation have in common on both clouds: what goes into each, and what comes out.

`infra/aws` and `infra/gcp` have the same files with the same classes. Each class is a component
`Name(name, NameArgs(...), opts)` that satisfies the Protocol here; the args are the dataclasses here, with the cloud's
own parts in the place of the type variables. What one cloud needs from its own sibling beyond the Protocol is an
attribute of that cloud's class and is named nowhere else.

    platform.py   Platform    all of the below, wired; `outputs` is what people use next
    network.py    Network     the private network, its ways out and in
    keys.py       Keys        encryption keys by purpose
    registry.py   Registry    where images lie, and the image that runs
    secrets.py    Secret      one secret with its rotation;  Secrets: those of the application
    database.py   Database    PostgreSQL, its roles' secrets
    cache.py      Cache       Redis or Valkey, its secret
    files.py      Files       a shared folder outside of the database: the ledger's signed heads
    service.py    Service     API, worker or console
    job.py        Job         one-off tasks inside the network: migrate, export, import, drill, move
    domain.py     Domain      zone, certificate
    edge.py       Edge        load balancer, firewall
    alerts.py     Alerts      alarms in three classes, dashboard, budget
    backup.py     Backup      plan, copies, restore tests
    bridge.py     Bridge      the way to the other cloud, while it is open
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from pulumi import Input, Output

from infra.config import Role, StackConfig

NetworkT = TypeVar("NetworkT")
KeysT = TypeVar("KeysT")
SecretT = TypeVar("SecretT")
DatabaseT = TypeVar("DatabaseT")
CacheT = TypeVar("CacheT")
FilesT = TypeVar("FilesT")
DomainT = TypeVar("DomainT")
EdgeT = TypeVar("EdgeT")
ServiceT = TypeVar("ServiceT")
RegistryT = TypeVar("RegistryT")

PORTS = {Role.API: 8080, Role.WORKER: 9100, Role.CONSOLE: 3000}
"""Where each role listens; the worker for its metrics only."""

HEALTH = {Role.API: "/readyz", Role.CONSOLE: "/ping"}
"""What the load balancer asks, which reaches the database."""

HEADS_FOLDER = "/var/lib/cloudbill/heads"
"""Where the signed heads are mounted (LEDGER_HEADS_PATH)."""


class Severity(StrEnum):
    """The three classes of alarms (requirement OPS-3)."""

    CRITICAL = "critical"
    """Pager."""
    WARNING = "warning"
    """E-mail or chat."""
    INFO = "info"
    """Log."""


# What goes in


@dataclass(frozen=True, kw_only=True)
class NetworkArgs(Generic[KeysT]):
    """`keys` encrypt the flow logs."""

    config: StackConfig
    keys: KeysT


@dataclass(frozen=True, kw_only=True)
class KeysArgs:
    """One key a purpose, rotated every year or sooner."""

    config: StackConfig


@dataclass(frozen=True, kw_only=True)
class RegistryArgs(Generic[KeysT]):
    """Both images are `config.release`'s, or are built from their Dockerfiles and pushed."""

    config: StackConfig
    keys: KeysT


@dataclass(frozen=True, kw_only=True)
class SecretArgs(Generic[KeysT]):
    """A secret and its first value. A later value, set by rotation, is not set back."""

    config: StackConfig
    keys: KeysT
    description: str
    value: Input[str]
    rotation_days: int | None = None
    """How often it has to change; None for what only its issuer can change."""


@dataclass(frozen=True, kw_only=True)
class SecretsArgs(Generic[KeysT]):
    """Those that belong to no other part: encryption key, ledger's signing key, Stripe's keys, metrics token."""

    config: StackConfig
    keys: KeysT


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs(Generic[NetworkT, KeysT]):
    """PostgreSQL in the private network; no public address, ever."""

    config: StackConfig
    network: NetworkT
    keys: KeysT


@dataclass(frozen=True, kw_only=True)
class CacheArgs(Generic[NetworkT, KeysT]):
    """Redis or Valkey in the private network, with TLS and a user of its own."""

    config: StackConfig
    network: NetworkT
    keys: KeysT


@dataclass(frozen=True, kw_only=True)
class FilesArgs(Generic[NetworkT, KeysT]):
    """A folder that all services see, encrypted and backed up."""

    config: StackConfig
    network: NetworkT
    keys: KeysT


@dataclass(frozen=True, kw_only=True)
class DomainArgs:
    """Certificate for `config.domain` and its api host, validated by DNS; without a domain a self-signed one."""

    config: StackConfig


@dataclass(frozen=True, kw_only=True)
class EdgeArgs(Generic[NetworkT, KeysT, DomainT]):
    """The only public part. `origins` are the services behind it, by the names that the cloud knows them by."""

    config: StackConfig
    network: NetworkT
    keys: KeysT
    domain: DomainT
    origins: Mapping[Role, Input[str]]


@dataclass(frozen=True, kw_only=True)
class ServiceArgs(Generic[NetworkT, KeysT, SecretT, FilesT, EdgeT]):
    """A role of the image: its size, what it is told, and where it stands.

    `environment` holds no secret; `secrets` are read from the secret store when an instance starts. `edge` is None for
    the worker, and where the cloud's edge points to the service instead.
    """

    config: StackConfig
    role: Role
    image: Input[str]
    collector: Input[str]
    network: NetworkT
    keys: KeysT
    files: FilesT
    environment: Mapping[str, Input[str]]
    secrets: Mapping[str, SecretT]
    edge: EdgeT | None = None


@dataclass(frozen=True, kw_only=True)
class JobArgs(Generic[NetworkT, KeysT, SecretT, FilesT]):
    """The image as a one-off task with the owner's rights on the database; `command` as it stands is `migrate`."""

    config: StackConfig
    image: Input[str]
    network: NetworkT
    keys: KeysT
    files: FilesT
    environment: Mapping[str, Input[str]]
    secrets: Mapping[str, SecretT]
    command: tuple[str, ...] = ("migrate",)


@dataclass(frozen=True, kw_only=True)
class AlertsArgs(Generic[KeysT, DatabaseT, CacheT, EdgeT, ServiceT]):
    """All that is watched."""

    config: StackConfig
    keys: KeysT
    database: DatabaseT
    cache: CacheT
    edge: EdgeT
    services: Mapping[Role, ServiceT]
    notices: Input[str] | None = None
    """What proves a notice to the API where the cloud does not sign it."""


@dataclass(frozen=True, kw_only=True)
class BackupArgs(Generic[KeysT, DatabaseT, FilesT]):
    """Beyond the database's own: a plan with copies, and restore tests."""

    config: StackConfig
    keys: KeysT
    database: DatabaseT
    files: FilesT


@dataclass(frozen=True, kw_only=True)
class BridgeArgs(Generic[NetworkT]):
    """`config.bridge` says until when and to whom."""

    config: StackConfig
    network: NetworkT


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """A stack, whole."""

    config: StackConfig


# What comes out


class Network(Protocol):
    """The private network."""

    id: Output[str]


class Keys(Protocol):
    """Encryption keys by purpose, each as the cloud's own reference to one."""

    data: Output[str]
    """Database, cache, files and their backups."""
    secrets: Output[str]
    logs: Output[str]
    images: Output[str]


class Registry(Protocol):
    """Where images lie."""

    url: Output[str]
    image: Output[str]
    """The image that runs, by digest."""
    collector: Output[str]
    """The collector of metrics that runs beside each service, by digest."""


class Secret(Protocol):
    """One secret."""

    name: Output[str]
    """What people look it up by."""
    reference: Output[str]
    """What a service is given to read it: an ARN, or a pinned version."""


class Secrets(Protocol):
    """The application's own, by the names of the settings that they become."""

    by_setting: Mapping[str, Any]


class Database(Protocol):
    """PostgreSQL."""

    endpoint: Output[str]
    """host:port in the private network."""
    name: str
    by_setting: Mapping[str, Any]
    """DATABASE_URL (the owner's) or its parts, DATABASE_APP_URL, DATABASE_OPERATOR_URL, DATABASE_MOVER_URL."""


class Cache(Protocol):
    """Redis or Valkey."""

    endpoint: Output[str]
    by_setting: Mapping[str, Any]
    """REDIS_URL."""


class Files(Protocol):
    """The shared folder."""

    id: Output[str]


class Domain(Protocol):
    """Zone and certificate."""

    certificate: Output[str]
    name_servers: Output[list[str]] | None
    """To delegate the domain to, where the program made the zone."""


class Edge(Protocol):
    """The public front."""

    address: Output[str]
    """The load balancer's host name or address."""
    api_url: Output[str]
    console_url: Output[str]


class Service(Protocol):
    """A running role."""

    name: Output[str]


class Job(Protocol):
    """A one-off task."""

    name: Output[str]


class Alerts(Protocol):
    """What watches."""

    channels: Mapping[Severity, Output[str]]
    dashboard_url: Output[str]


class Backup(Protocol):
    """What is kept beyond the database's own backups."""

    vault: Output[str]


class Platform(Protocol):
    """A stack, whole."""

    outputs: Mapping[str, Input[Any]]


OUTPUTS = (
    "network",
    "apiUrl",
    "consoleUrl",
    "loadBalancer",
    "nameServers",
    "cluster",
    "services",
    "registry",
    "image",
    "databaseEndpoint",
    "cacheEndpoint",
    "secretNames",
    "dashboards",
    "migrationJob",
    "backupVault",
    "certificate",
)
"""What every stack exports. `services` maps role to name, `secretNames` setting to name, `dashboards` title to link."""


NOTICES_PATH = "/operations/alerts"
"""Where the API takes the clouds' notices of alarms; the console's Alerts page shows them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every service is told that is no secret, by the names in docs/settings.md."""

    config: StackConfig
    api_url: Input[str]
    console_url: Input[str]
    extra: Mapping[str, Input[str]] = field(default_factory=dict[str, Input[str]])

    def of(self, role: Role | None) -> dict[str, Input[str]]:
        """Of a role, or of a one-off task."""
        settings: dict[str, Input[str]] = {
            "API_URL": self.api_url,
            "CONSOLE_URL": self.console_url,
            "CORS_ORIGIN": self.console_url,
            "LEDGER_HEADS_PATH": HEADS_FOLDER,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
            "REGISTRATION": "invited",
            **self.extra,
        }
        if role is Role.API:
            clients = {
                "GOOGLE_CLIENT_ID": self.config.sign_in.google,
                "GITHUB_CLIENT_ID": self.config.sign_in.github,
            }
            settings |= {setting: client for setting, client in clients.items() if client is not None}
        if role is Role.WORKER:
            settings["WORKER_METRICS_PORT"] = str(PORTS[Role.WORKER])
        return settings
