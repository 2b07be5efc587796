"""Redis or Valkey by Memorystore: never the truth, so that losing it loses nothing."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_random as random
from pulumi_gcp import memorystore, redis

from infra.contract import CacheArgs, SecretArgs
from infra.gcp.keys import Keys
from infra.gcp.network import Network
from infra.gcp.secrets import Secret

CA_FILE = "/etc/cloudbill/cache/ca.pem"
"""Where services find the certificate that the server's own is checked against."""
USER = "cloudbill"
VALKEY_PORT = 6379


class Cache(pulumi.ComponentResource):
    """One instance with TLS and a password: Memorystore for Redis (private service access), or for Valkey (endpoints).

    The server's certificate is issued by a CA of this one instance, mounted into the services: `ssl_ca_certs` in the
    address names it, and the name in the certificate is not checked, since the server has an address only. Where
    Memorystore differs from ElastiCache: for Redis there is one password and no users; it stops at 7.2; snapshots
    (RDB) are for its own recovery, there is no retention of 7 days. For Valkey the provider offers sign-in by IAM
    tokens, which end after an hour and which our client does not renew, or users with passwords by an ACL policy:
    that is used.
    """

    endpoint: pulumi.Output[str]
    by_setting: Mapping[str, Secret]
    ca: Secret
    instance: redis.Instance | memorystore.Instance
    watched_as: pulumi.Output[str]
    """What the metrics' label `instance_id` says: for Redis the whole name, for Valkey its last part."""

    def __init__(self, name: str, args: CacheArgs[Network, Keys], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Cache", name, None, opts)
        self._name, self._args = name, args
        make = self._redis if args.config.cache.engine == "redis" else self._valkey
        self.endpoint, credentials, ca = make()
        query = f"ssl_ca_certs={CA_FILE}&ssl_check_hostname=false"
        url = pulumi.Output.concat("rediss://", credentials, "@", self.endpoint, f"/0?{query}")
        self.by_setting = {"REDIS_URL": self._secret("url", "Redis, with its password", url, rotation_days=90)}
        self.ca = self._secret("ca", "The CA of this cache server", ca)
        self.register_outputs({"endpoint": self.endpoint})

    def _redis(self) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        config, cache = self._args.config, self._args.config.cache
        self.instance = instance = redis.Instance(
            f"{self._name}-instance",
            region=config.region,
            redis_version=f"REDIS_{cache.version.replace('.', '_')}",
            tier="STANDARD_HA" if cache.highly_available else "BASIC",
            memory_size_gb=int(cache.node),
            connect_mode="PRIVATE_SERVICE_ACCESS",
            authorized_network=self._args.network.id,
            reserved_ip_range=self._args.network.managed_range,
            auth_enabled=True,
            transit_encryption_mode="SERVER_AUTHENTICATION",
            customer_managed_key=self._args.keys.data,
            redis_configs={"maxmemory-policy": "volatile-lru"},
            persistence_config={"persistence_mode": "RDB", "rdb_snapshot_period": "TWENTY_FOUR_HOURS"}
            if cache.highly_available
            else {"persistence_mode": "DISABLED"},
            maintenance_policy={
                "weekly_maintenance_windows": [{"day": "MONDAY", "start_time": {"hours": 5, "minutes": 0}}]
            },
            deletion_protection=config.is_production,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=config.is_production,
                additional_secret_outputs=["authString"],
                custom_timeouts=pulumi.CustomTimeouts(create="40m", update="40m"),
            ),
        )
        self.watched_as = instance.id
        endpoint = pulumi.Output.concat(instance.host, ":", instance.port.apply(str))
        ca = instance.server_ca_certs.apply(lambda certificates: certificates[0].cert or "")
        return endpoint, pulumi.Output.concat(":", pulumi.Output.secret(instance.auth_string)), ca

    def _valkey(self) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        config, cache = self._args.config, self._args.config.cache
        assert config.project is not None
        under = pulumi.ResourceOptions(parent=self)
        password = random.RandomPassword(f"{self._name}-password", length=40, special=False, opts=under).result
        users = memorystore.AclPolicy(
            f"{self._name}-users",
            acl_policy_id=f"{self._name}-{config.stack}",
            location=config.region,
            rules=[
                {"username": "default", "rule": "off"},
                {"username": USER, "rule": pulumi.Output.concat("on >", password, " ~* &* +@all -@admin")},
            ],
            opts=under,
        )
        self.instance = instance = memorystore.Instance(
            f"{self._name}-instance",
            instance_id=f"{self._name}-{config.stack}",
            location=config.region,
            engine_version=f"VALKEY_{cache.version.replace('.', '_')}",
            mode="CLUSTER_DISABLED",
            node_type=cache.node,
            shard_count=1,
            replica_count=1 if cache.highly_available else 0,
            acl_policy=users.name,
            transit_encryption_mode="SERVER_AUTHENTICATION",
            server_ca_mode="GOOGLE_MANAGED_PER_INSTANCE_CA",
            kms_key=self._args.keys.data,
            engine_configs={"maxmemory-policy": "volatile-lru"},
            desired_auto_created_endpoints=[{"network": self._args.network.id, "project_id": config.project}],
            persistence_config={"mode": "RDB", "rdb_config": {"rdb_snapshot_period": "TWENTY_FOUR_HOURS"}}
            if cache.highly_available
            else {"mode": "DISABLED"},
            automated_backup_config={
                "retention": f"{7 * 24 * 3600}s",
                "fixed_frequency_schedule": {"start_time": {"hours": 3}},
            },
            maintenance_policy={"weekly_maintenance_windows": [{"day": "MONDAY", "start_time": {"hours": 5}}]},
            deletion_protection_enabled=config.is_production,
            opts=pulumi.ResourceOptions(parent=self, protect=config.is_production),
        )
        self.watched_as = instance.instance_id
        address = instance.endpoints.apply(_primary)
        certificates = instance.managed_server_cas.apply(
            lambda authorities: "\n".join((authorities[0].ca_certs or [])[0].certificates or [])
        )
        return (
            pulumi.Output.concat(address, f":{VALKEY_PORT}"),
            pulumi.Output.concat(f"{USER}:", password),
            certificates,
        )

    def _secret(
        self, purpose: str, description: str, value: pulumi.Output[str], rotation_days: int | None = None
    ) -> Secret:
        return Secret(
            f"{self._name}-{purpose}",
            SecretArgs(
                config=self._args.config,
                keys=self._args.keys,
                description=description,
                value=value,
                rotation_days=rotation_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )


def _primary(endpoints: Sequence[memorystore.outputs.InstanceEndpoint]) -> str:
    """The address that takes writes: of the endpoint's connections one is the primary's, the other the reader's."""
    connections = [connection.psc_auto_connection for connection in endpoints[0].connections or []]
    found = [connection for connection in connections if connection is not None]
    primary = [connection for connection in found if connection.connection_type == "CONNECTION_TYPE_PRIMARY"]
    return (primary or found)[0].ip_address or ""
