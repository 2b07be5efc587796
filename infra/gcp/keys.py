"""Encryption keys by purpose, and who of Google's own agents may use each."""

from collections.abc import Sequence

import pulumi
from pulumi_gcp import kms, logging, organizations, projects, storage

from infra.config import StackConfig
from infra.contract import KeysArgs

ROTATION = f"{90 * 24 * 3600}s"
"""A new version every 90 days; what former ones encrypted stays readable."""
DESTRUCTION = f"{30 * 24 * 3600}s"
"""How long a destroyed version can be brought back."""
USE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
CONTINENTS = {"us": ("us", "US"), "northamerica": ("us", "US"), "europe": ("europe", "EU"), "asia": ("asia", "ASIA")}
"""First word of a region -> the continent as Cloud KMS and as Cloud Storage write it."""


class Keys(pulumi.ComponentResource):
    """Four keys in the stack's region, and what a backup region needs of them.

    Each output names a key and waits until the agents that use it may: a database made before that grant is refused.
    AWS KMS rotates a key once a year and grants by key policy; here it is every 90 days, and grants are IAM's.
    Neither a key nor a key ring can ever be deleted on Google Cloud, only versions of a key: names carry a random
    end, so that a stack can be made again after it was destroyed.
    """

    data: pulumi.Output[str]
    secrets: pulumi.Output[str]
    logs: pulumi.Output[str]
    images: pulumi.Output[str]
    standby_secrets: pulumi.Output[str] | None = None
    """For the secrets' copies in the backup region: a copy is encrypted with a key of its own region."""
    standby_data: pulumi.Output[str] | None = None
    """For buckets in the backup region."""
    continent_data: pulumi.Output[str] | None = None
    """For buckets in two regions, whose key is the continent's."""

    def __init__(self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Keys", name, None, opts)
        self._name, self._config = name, args.config
        config = args.config
        assert config.project is not None
        under = pulumi.ResourceOptions(parent=self)
        # On an empty project the services are off until an update: a preview then leaves these answers open.
        asked = pulumi.InvokeOutputOptions(parent=self, depends_on=opts.depends_on if opts else None)
        self.number = organizations.get_project_output(project_id=config.project, opts=asked).number
        # Those two are told by their service alone, which makes them when it is asked.
        bucket_agent = storage.get_project_service_account_output(project=config.project, opts=asked).member
        log_agent = logging.get_project_cmek_settings_output(project=config.project, opts=asked).service_account_id
        agents: dict[str, pulumi.Output[str]] = {
            "storage": bucket_agent,
            "logging": log_agent.apply(lambda account: f"serviceAccount:{account}"),
        }
        for service in ("artifactregistry", "backupdr", "memorystore", "pubsub", "redis", "run", "secretmanager"):
            agents[service] = self._agent(service)
        agents["sqladmin"] = self._agent("sqladmin")
        self.agents = agents

        ring = kms.KeyRing(f"{name}-ring", location=config.region, project=config.project, opts=under)
        self.data = self._key("data", ring, ("sqladmin", "redis", "memorystore", "storage", "backupdr"))
        self.secrets = self._key("secrets", ring, ("secretmanager", "pubsub"))
        self.logs = self._key("logs", ring, ("logging", "pubsub"))
        self.images = self._key("images", ring, ("artifactregistry", "run"))
        if config.database.backup_region is not None:
            standby = kms.KeyRing(
                f"{name}-standby-ring", location=config.database.backup_region, project=config.project, opts=under
            )
            self.standby_secrets = self._key("standby-secrets", standby, ("secretmanager",))
            self.standby_data = self._key("standby-data", standby, ("storage", "backupdr"))
            if (continent := continent_of(config)) is not None:
                both = kms.KeyRing(f"{name}-both-ring", location=continent[0], project=config.project, opts=under)
                self.continent_data = self._key("both-data", both, ("storage",))
        self.register_outputs(
            {"data": self.data, "secrets": self.secrets, "logs": self.logs, "images": self.images},
        )

    def _agent(self, service: str) -> pulumi.Output[str]:
        return projects.ServiceIdentity(
            f"{self._name}-agent-{service}",
            project=self._config.project,
            service=f"{service}.googleapis.com",
            opts=pulumi.ResourceOptions(parent=self),
        ).member

    def _key(self, purpose: str, ring: kms.KeyRing, users: Sequence[str]) -> pulumi.Output[str]:
        key = kms.CryptoKey(
            f"{self._name}-{purpose}",
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=ROTATION,
            destroy_scheduled_duration=DESTRUCTION,
            version_template={"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protection_level": "SOFTWARE"},
            # Without the key everything that it encrypted is gone, backups included.
            opts=pulumi.ResourceOptions(parent=self, protect=self._config.is_production),
        )
        grants = [
            kms.CryptoKeyIAMMember(
                f"{self._name}-{purpose}-{user}",
                crypto_key_id=key.id,
                role=USE,
                member=self.agents[user],
                opts=pulumi.ResourceOptions(parent=key),
            )
            for user in users
        ]
        return pulumi.Output.all(key.id, *(grant.id for grant in grants)).apply(lambda ids: str(ids[0]))


def continent_of(config: StackConfig) -> tuple[str, str] | None:
    """The continent (Cloud KMS' word, Cloud Storage's word) that both regions lie in, or None."""
    if config.database.backup_region is None:
        return None
    found = {CONTINENTS.get(region.split("-")[0]) for region in (config.region, config.database.backup_region)}
    return found.pop() if len(found) == 1 else None
