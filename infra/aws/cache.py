"""Redis or Valkey: ElastiCache, its one user, its secret."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra import contract
from infra.aws.firewall import REDIS, Part
from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.network import Network
from infra.aws.secrets import QUARTER_DAYS, Secret, SecretArgs, password
from infra.aws.subnets import Tier

CacheArgs = contract.CacheArgs[Network, Keys]

USER = "cloudbill"
# All but what would stop or reconfigure the server; INFO and RESTORE are what export and import of a cache need.
RIGHTS = "on ~* &* +@all -@admin -@dangerous +info +restore"
SNAPSHOTS_KEPT = 7


class Cache(ComponentResource):
    """A replication group with TLS and one user; two nodes in two zones that take over, where it is to be available.

    Losing it loses nothing but rate limits and the console's sign-ins. Redis OSS stops at 7.1 here, Valkey goes on,
    at four fifths of the price. On Google Cloud access is by AUTH string or IAM: it has no such users.
    """

    endpoint: Output[str]
    by_setting: Mapping[str, Secret]
    id: Output[str]
    nodes: int

    def __init__(self, name: str, args: CacheArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Cache", name, None, opts)
        self._name, self._args = name, args
        config, keys = args.config, args.keys
        cache = config.cache
        subnets = aws.elasticache.SubnetGroup(
            f"{name}-subnets", subnet_ids=args.network.subnets[Tier.CACHE], opts=ResourceOptions(parent=self)
        )
        settings = aws.elasticache.ParameterGroup(
            f"{name}-parameters",
            family=f"{cache.engine}{cache.version.split('.')[0]}",
            description="CloudBill",
            # What has no end is a lock or a session's index: it is not what goes when memory is short.
            parameters=[{"name": "maxmemory-policy", "value": "volatile-lru"}],
            opts=ResourceOptions(parent=self),
        )
        key = password(f"{name}-password", self)
        users = self._users(key)
        self.nodes = 2 if cache.highly_available else 1
        logs = {
            kind: log_group(
                f"{name}-{kind}", f"/cloudbill/{config.stack}/cache/{kind}", config=config, key=keys.logs, parent=self
            )
            for kind in ("slow-log", "engine-log")
        }
        group = aws.elasticache.ReplicationGroup(
            f"{name}-group",
            replication_group_id=named(config),
            description=f"CloudBill ({config.stack})",
            engine=cache.engine,
            engine_version=cache.version,
            node_type=cache.node,
            num_cache_clusters=self.nodes,
            automatic_failover_enabled=cache.highly_available,
            multi_az_enabled=cache.highly_available,
            port=REDIS,
            parameter_group_name=settings.name,
            subnet_group_name=subnets.name,
            security_group_ids=[args.network.group(Part.CACHE)],
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            at_rest_encryption_enabled=True,
            kms_key_id=keys.data,
            user_group_ids=[users.user_group_id],
            snapshot_retention_limit=SNAPSHOTS_KEPT,
            snapshot_window="02:00-03:00",
            maintenance_window="mon:05:00-mon:06:00",
            auto_minor_version_upgrade=True,
            apply_immediately=False,
            final_snapshot_identifier=named(config, "cache", "final") if config.is_production else None,
            log_delivery_configurations=[
                {
                    "destination": group.name,
                    "destination_type": "cloudwatch-logs",
                    "log_format": "json",
                    "log_type": kind,
                }
                for kind, group in logs.items()
            ],
            opts=ResourceOptions(parent=self),
        )
        self.id = group.replication_group_id
        host = group.primary_endpoint_address
        self.endpoint = Output.concat(host, f":{REDIS}")
        self.by_setting = {
            "REDIS_URL": Secret(
                f"{name}-url",
                SecretArgs(
                    config=config,
                    keys=keys,
                    description="The cache",
                    value=Output.concat(f"rediss://{USER}:", key, "@", self.endpoint, "/0"),
                    rotation_days=QUARTER_DAYS,
                ),
                ResourceOptions(parent=self),
            )
        }
        self.register_outputs({"endpoint": self.endpoint})

    def _users(self, key: Output[str]) -> aws.elasticache.UserGroup:
        config = self._args.config
        engine = config.cache.engine
        ours = aws.elasticache.User(
            f"{self._name}-user",
            user_id=named(config),
            user_name=USER,
            engine=engine,
            access_string=RIGHTS,
            authentication_mode={"type": "password", "passwords": [key]},
            # The first one only: rotation puts a second beside it.
            opts=ResourceOptions(parent=self, ignore_changes=["authenticationMode"]),
        )
        members: list[Input[str]] = [ours.user_id]
        if engine == "redis":
            # Redis OSS wants a user named "default" in the group: one that may do nothing stands in for AWS's own.
            members.append(
                aws.elasticache.User(
                    f"{self._name}-default-user",
                    user_id=named(config, "default"),
                    user_name="default",
                    engine=engine,
                    access_string="off ~* -@all",
                    authentication_mode={
                        "type": "password",
                        "passwords": [password(f"{self._name}-default-password", self)],
                    },
                    opts=ResourceOptions(parent=self),
                ).user_id
            )
        return aws.elasticache.UserGroup(
            f"{self._name}-users",
            user_group_id=named(config),
            engine=engine,
            user_ids=members,
            opts=ResourceOptions(parent=self),
        )
