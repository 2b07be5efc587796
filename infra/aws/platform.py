"""A stack on AWS, whole."""

from collections.abc import Mapping
from typing import Any

from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.alerts import Alerts, AlertsArgs
from infra.aws.backup import Backup, BackupArgs
from infra.aws.bridge import Bridge, BridgeArgs
from infra.aws.cache import Cache, CacheArgs
from infra.aws.channels import TOLD, topic_name
from infra.aws.database import AUTHORITIES_FILE, MIGRATION_SETTINGS, NAME, OWNER, Database, DatabaseArgs
from infra.aws.domain import Domain
from infra.aws.drill import Drill
from infra.aws.edge import Edge, EdgeArgs
from infra.aws.files import Files, FilesArgs
from infra.aws.firewall import POSTGRESQL
from infra.aws.job import Job, JobArgs
from infra.aws.keys import Keys
from infra.aws.names import named
from infra.aws.network import Network, NetworkArgs
from infra.aws.off_hours import OffHours
from infra.aws.oversight import Oversight
from infra.aws.provider import provider
from infra.aws.registry import Registry, RegistryArgs
from infra.aws.secrets import Readable, Secrets, SecretsArgs
from infra.aws.service import Service, ServiceArgs
from infra.config import Role
from infra.contract import PORTS, DomainArgs, KeysArgs, PlatformArgs, Settings

_SERVING = (
    "DATABASE_APP_URL",
    "DATABASE_OPERATOR_URL",
    "REDIS_URL",
    "ENCRYPTION_KEY",
    "METRICS_TOKEN",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
)
SECRETS: Mapping[Role, tuple[str, ...]] = {
    Role.API: (*_SERVING, "GOOGLE_CLIENT_SECRET", "GITHUB_CLIENT_SECRET"),
    Role.WORKER: (*_SERVING, "LEDGER_SIGNING_KEY", *MIGRATION_SETTINGS),
    Role.CONSOLE: ("REDIS_URL", "METRICS_TOKEN"),
}
"""What each role is given; of the worker's, the owner's and the mover's reach only the container that migrates."""


class Platform(ComponentResource):
    """All parts, wired. `outputs` is what people use next.

    The order is the graph's own: image before services, since they name its digest; schema before what serves, since
    API and console wait for the worker, whose task migrates first.
    """

    outputs: Mapping[str, Input[Any]]

    def __init__(self, name: str, args: PlatformArgs, opts: ResourceOptions | None = None) -> None:
        config = args.config
        cloud = provider(f"{name}-provider", config, region=config.region, opts=opts)
        super().__init__("cloudbill:aws:Platform", name, None, ResourceOptions(provider=cloud))
        here = ResourceOptions(parent=self)
        self._name, self._config = name, config
        self.keys = Keys(f"{name}-keys", KeysArgs(config=config), here)
        self.network = Network(f"{name}-network", NetworkArgs(config=config, keys=self.keys), here)
        self.registry = Registry(f"{name}-registry", RegistryArgs(config=config, keys=self.keys), here)
        self.secrets = Secrets(f"{name}-secrets", SecretsArgs(config=config, keys=self.keys), here)
        self.database = Database(
            f"{name}-database", DatabaseArgs(config=config, network=self.network, keys=self.keys), here
        )
        self.cache = Cache(f"{name}-cache", CacheArgs(config=config, network=self.network, keys=self.keys), here)
        self.files = Files(f"{name}-files", FilesArgs(config=config, network=self.network, keys=self.keys), here)
        self.domain = Domain(f"{name}-domain", DomainArgs(config=config), here)
        self.edge = Edge(
            f"{name}-edge",
            EdgeArgs(config=config, network=self.network, keys=self.keys, domain=self.domain, origins={}),
            here,
        )
        self._readable: dict[str, Readable] = {
            **self.secrets.by_setting,
            **self.database.by_setting,
            **self.cache.by_setting,
        }
        self._settings = Settings(
            config=config,
            api_url=self.edge.api_url,
            console_url=self.edge.console_url,
            extra={
                "DB_HOST": self.database.host,
                "DB_NAME": NAME,
                "DB_PORT": str(POSTGRESQL),
                "DB_SSL": "true",
                "DB_TLS_CA": AUTHORITIES_FILE,
                "DB_USER": OWNER,
                # The load balancer, and the console when it asks the API for somebody.
                "TRUSTED_PROXIES": config.network.cidr,
            },
        )
        worker = self._service(Role.WORKER)
        self.services = {
            Role.API: self._service(Role.API, after=worker),
            Role.WORKER: worker,
            Role.CONSOLE: self._service(Role.CONSOLE, after=worker),
        }
        self.job = self._job()
        self._look_after()
        self.outputs = self._outputs()
        self.register_outputs(dict(self.outputs))

    def _service(self, role: Role, *, after: Service | None = None) -> Service:
        return Service(
            f"{self._name}-{role}",
            ServiceArgs(
                config=self._config,
                role=role,
                image=self.registry.image,
                collector=self.registry.collector,
                network=self.network,
                keys=self.keys,
                files=self.files,
                environment=self._environment(role),
                secrets={setting: self._readable[setting] for setting in SECRETS[role] if setting in self._readable},
                edge=self.edge if role is not Role.WORKER else None,
            ),
            ResourceOptions(parent=self, depends_on=[after.service] if after else None),
        )

    def _environment(self, role: Role) -> dict[str, Input[str]]:
        environment = self._settings.of(role)
        if role is Role.API and self._config.domain is not None:
            account = Account.of(self, self._config.region)
            topics = [account.arn("sns", topic_name(self._config, severity)) for severity in TOLD]
            environment["ALERT_SNS_TOPICS"] = Output.all(*topics).apply(",".join)
        if role is Role.WORKER:
            environment |= self._cloud()
        if role is Role.CONSOLE:
            # Inside the network; and the pages lie where the image was built.
            environment["API_URL"] = f"http://{Role.API}.{self.network.cluster.domain}:{PORTS[Role.API]}"
            environment["CLOUDBILL_HOME"] = "/app/built"
        return environment

    def _cloud(self) -> dict[str, Input[str]]:
        """Whom recovery asks how the database stands."""
        config = self._config
        return {"CLOUD": "aws", "CLOUD_DATABASE": named(config), "CLOUD_REGION": config.region}

    def _job(self) -> Job:
        return Job(
            f"{self._name}-job",
            JobArgs(
                config=self._config,
                image=self.registry.image,
                network=self.network,
                keys=self.keys,
                files=self.files,
                environment={**self._settings.of(None), **self._cloud()},
                secrets=self._readable,
            ),
            ResourceOptions(parent=self),
        )

    def _look_after(self) -> None:
        name, config, here = self._name, self._config, ResourceOptions(parent=self)
        self.alerts = Alerts(
            f"{name}-alerts",
            AlertsArgs(
                config=config,
                keys=self.keys,
                database=self.database,
                cache=self.cache,
                edge=self.edge,
                services=self.services,
            ),
            here,
        )
        self.backup = Backup(
            f"{name}-backup",
            BackupArgs(config=config, keys=self.keys, database=self.database, files=self.files),
            here,
        )
        if config.is_production:
            Drill(f"{name}-drills", config=config, job=self.job, network=self.network, opts=here)
        Oversight(f"{name}-oversight", config=config, keys=self.keys, opts=here)
        if config.switches.off_hours:
            OffHours(f"{name}-off-hours", config=config, database=self.database, opts=here)
        if config.bridge is not None:
            Bridge(f"{name}-bridge", BridgeArgs(config=config, network=self.network), here)

    def _outputs(self) -> dict[str, Input[Any]]:
        return {
            "network": self.network.id,
            "apiUrl": self.edge.api_url,
            "consoleUrl": self.edge.console_url,
            "loadBalancer": self.edge.address,
            "nameServers": self.domain.name_servers or [],
            "cluster": self.network.cluster.name,
            "services": {role.value: service.name for role, service in self.services.items()},
            "registry": self.registry.url,
            "image": self.registry.image,
            "databaseEndpoint": self.database.endpoint,
            "cacheEndpoint": self.cache.endpoint,
            "secretNames": {setting: secret.name for setting, secret in sorted(self._readable.items())},
            "dashboards": {"CloudBill": self.alerts.dashboard_url},
            "migrationJob": self.job.name,
            "backupVault": self.backup.vault,
            "certificate": self.domain.certificate,
        }
