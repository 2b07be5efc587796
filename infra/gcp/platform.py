"""A stack on Google Cloud, whole: every part, wired."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.config import Role
from infra.contract import (
    AlertsArgs,
    BackupArgs,
    BridgeArgs,
    CacheArgs,
    DatabaseArgs,
    DomainArgs,
    EdgeArgs,
    FilesArgs,
    JobArgs,
    KeysArgs,
    NetworkArgs,
    PlatformArgs,
    RegistryArgs,
    SecretArgs,
    SecretsArgs,
    ServiceArgs,
    Settings,
)
from infra.gcp import recovery
from infra.gcp.alerts import Alerts
from infra.gcp.backup import Backup
from infra.gcp.bridge import Bridge
from infra.gcp.cache import Cache
from infra.gcp.database import Database, labels
from infra.gcp.domain import Domain
from infra.gcp.drill import COMMAND, Drill, DrillArgs
from infra.gcp.edge import Edge
from infra.gcp.files import Files
from infra.gcp.job import Job
from infra.gcp.keys import Keys
from infra.gcp.logs import Logs, LogsArgs
from infra.gcp.network import Network
from infra.gcp.off_hours import OffHours, OffHoursArgs
from infra.gcp.project import Project, ProjectArgs
from infra.gcp.reading import of_role, of_tasks
from infra.gcp.recovery import Looks, LooksArgs
from infra.gcp.registry import Registry
from infra.gcp.secrets import Secret, Secrets
from infra.gcp.service import Service

EDGE_CA_FILE = "/etc/cloudbill/edge/ca.pem"
FRONT_RANGES = ("169.254.0.0/16", "35.191.0.0/16", "130.211.0.0/22")
"""Where requests reach a container from: Cloud Run's own link, and Google's front ends."""


class Platform(pulumi.ComponentResource):
    """Everything of one stack in one project and region.

    The provider's configuration is explicit, and it waits for Google's services to be switched on, so that everything
    made by it does. Cloud Run has no clusters: the output `cluster` is the region, which is what its commands want.
    """

    outputs: Mapping[str, pulumi.Input[Any]]

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Platform", name, None, opts)
        self._name, self._config = name, args.config
        config = args.config
        first = self._configured("first", [])
        project = Project(
            f"{name}-project", ProjectArgs(config=config), pulumi.ResourceOptions(parent=self, provider=first)
        )
        provider = self._configured("provider", project.apis)
        self._under = pulumi.ResourceOptions(parent=self, provider=provider)

        self.keys = Keys(
            f"{name}-keys",
            KeysArgs(config=config),
            pulumi.ResourceOptions(parent=self, provider=provider, depends_on=project.apis),
        )
        Logs(f"{name}-logs", LogsArgs(config=config, keys=self.keys), self._under)
        self.network = Network(f"{name}-network", NetworkArgs(config=config, keys=self.keys), self._under)
        self.registry = Registry(f"{name}-registry", RegistryArgs(config=config, keys=self.keys), self._under)
        self.secrets = Secrets(f"{name}-app", SecretsArgs(config=config, keys=self.keys), self._under)
        network, keys = self.network, self.keys
        self.database = Database(
            f"{name}-database", DatabaseArgs(config=config, network=network, keys=keys), self._under
        )
        self.cache = Cache(f"{name}-cache", CacheArgs(config=config, network=network, keys=keys), self._under)
        self.files = Files(f"{name}-files", FilesArgs(config=config, network=network, keys=keys), self._under)
        self.domain = Domain(f"{name}-domain", DomainArgs(config=config), self._under)
        self._settings = self._shared_settings()

        self.migration = self._job("migrate", ("migrate",))
        self.services = {role: self._service(role) for role in Role}
        self.edge = Edge(
            f"{name}-edge",
            EdgeArgs(
                config=config,
                network=network,
                keys=keys,
                domain=self.domain,
                origins={role: self.services[role].name for role in (Role.API, Role.CONSOLE)},
            ),
            pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[*self.services.values()]),
        )
        self.alerts = Alerts(
            f"{name}-alerts",
            AlertsArgs(
                config=config,
                keys=self.keys,
                database=self.database,
                cache=self.cache,
                edge=self.edge,
                services=self.services,
                notices=self.secrets.notices,
            ),
            self._under,
        )
        self.backup = Backup(
            f"{name}-backup",
            BackupArgs(config=config, keys=self.keys, database=self.database, files=self.files),
            self._under,
        )
        Looks(
            f"{name}-recovery",
            LooksArgs(config=config, member=self.services[Role.WORKER].identity.member, database=self.database),
            self._under,
        )
        self._drill()
        if config.switches.off_hours:
            worker = self.services[Role.WORKER]
            OffHours(
                f"{name}-off-hours",
                OffHoursArgs(config=config, database=self.database, worker=worker.name),
                self._under,
            )
        self.outputs = self._outputs()
        if config.bridge is not None:
            bridge = Bridge(f"{name}-bridge", BridgeArgs(config=config, network=self.network), self._under)
            self.outputs = {**self.outputs, "bridgeAddress": bridge.address}
        self.register_outputs({})

    def _configured(self, purpose: str, waits_for: list[Any]) -> gcp.Provider:
        config = self._config
        return gcp.Provider(
            f"{self._name}-{purpose}",
            project=config.project,
            region=config.region,
            default_labels=labels(config),
            # Quota and bills are this project's, whoever runs the program.
            billing_project=config.project,
            user_project_override=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=waits_for),
        )

    def _shared_settings(self) -> Settings:
        # What is added to X-Forwarded-For on the way: by the front ends, by the load balancer, and, where the console
        # asks for a user, by our own way out.
        proxies = pulumi.Output.all(self.domain.address.address, *self.network.nat_addresses).apply(
            lambda addresses: ",".join([*FRONT_RANGES, *(str(address) for address in addresses)])
        )
        return Settings(
            config=self._config,
            api_url=self.domain.api_url,
            console_url=self.domain.console_url,
            extra={"TRUSTED_PROXIES": proxies},
        )

    def _service(self, role: Role) -> Service:
        environment = self._settings.of(role)
        if role is Role.WORKER:
            environment |= recovery.settings_of(self._config, self.database)
        secrets = of_role(role, self.secrets, self.database, self.cache)
        if role is Role.CONSOLE and self.domain.trusted is not None:
            # It asks the API at its public address, whose certificate nobody else trusts.
            secrets[EDGE_CA_FILE] = self._edge_certificate(self.domain.trusted)
            environment["SSL_CERT_FILE"] = EDGE_CA_FILE
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
                environment=environment,
                secrets=secrets,
            ),
            pulumi.ResourceOptions.merge(self._under, pulumi.ResourceOptions(depends_on=[self.migration])),
        )

    def _job(self, purpose: str, command: tuple[str, ...], more: Mapping[str, pulumi.Input[str]] | None = None) -> Job:
        return Job(
            f"{self._name}-{purpose}",
            JobArgs(
                config=self._config,
                image=self.registry.image,
                network=self.network,
                keys=self.keys,
                files=self.files,
                environment={**self._settings.of(None), **(more or {})},
                secrets=of_tasks(self.secrets, self.database, self.cache),
                command=command,
            ),
            self._under,
        )

    def _drill(self) -> None:
        """The restore test: our own job, since Google has none; it makes an instance, looks into it, deletes it."""
        config = self._config
        if not config.is_production:
            return
        drill = self._job("drill", COMMAND, recovery.settings_of(config, self.database))
        Drill(
            f"{self._name}-drills",
            DrillArgs(config=config, job=drill.name, member=drill.identity.member, database=self.database),
            self._under,
        )

    def _edge_certificate(self, certificate: pulumi.Output[str]) -> Secret:
        return Secret(
            f"{self._name}-edge-ca",
            SecretArgs(
                config=self._config, keys=self.keys, description="The edge's self-signed certificate", value=certificate
            ),
            self._under,
        )

    def _outputs(self) -> dict[str, pulumi.Input[Any]]:
        every = {**self.secrets.by_setting, **self.database.by_setting, **self.cache.by_setting}
        return {
            "network": self.network.id,
            "apiUrl": self.edge.api_url,
            "consoleUrl": self.edge.console_url,
            "loadBalancer": self.edge.address,
            "nameServers": self.domain.name_servers,
            "cluster": self._config.region,
            "services": {role.value: service.name for role, service in self.services.items()},
            "registry": self.registry.url,
            "image": self.registry.image,
            "databaseEndpoint": self.database.endpoint,
            "cacheEndpoint": self.cache.endpoint,
            "secretNames": {setting: secret.name for setting, secret in sorted(every.items())},
            "dashboards": {"CloudBill": self.alerts.dashboard_url},
            "migrationJob": self.migration.name,
            "backupVault": self.backup.vault,
            "certificate": self.domain.certificate,
        }
