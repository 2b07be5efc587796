"""Where tasks stand: the ECS cluster, and the names by which they find each other."""

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.config import StackConfig


class Cluster(ComponentResource):
    """One Fargate cluster for all services, with enhanced Container Insights (metrics for each task and container).

    `domain` is a private DNS zone: the console reaches the API by it, inside the network. Through the public address it
    would count as one caller for the firewall's rate rule, and without a domain it would have to trust a self-signed
    certificate. Cloud Run has neither cluster nor zone: services there have addresses of their own.
    """

    name: Output[str]
    arn: Output[str]
    domain: str
    namespace: Output[str]

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        keys: Keys,
        vpc_id: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:Cluster", name, None, opts)
        title = named(config)
        insights = log_group(
            f"{name}-insights",
            f"/aws/ecs/containerinsights/{title}/performance",
            config=config,
            key=keys.logs,
            parent=self,
        )
        sessions = log_group(
            f"{name}-sessions", f"/cloudbill/{config.stack}/sessions", config=config, key=keys.logs, parent=self
        )
        cluster = aws.ecs.Cluster(
            f"{name}-ecs",
            name=title,
            settings=[{"name": "containerInsights", "value": "enhanced"}],
            configuration={
                "execute_command_configuration": {
                    "kms_key_id": keys.logs,
                    "logging": "OVERRIDE",
                    "log_configuration": {
                        "cloud_watch_encryption_enabled": True,
                        "cloud_watch_log_group_name": sessions.name,
                    },
                }
            },
            opts=ResourceOptions(parent=self, depends_on=[insights]),
        )
        self.capacity = aws.ecs.ClusterCapacityProviders(
            f"{name}-capacity",
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            default_capacity_provider_strategies=[{"capacity_provider": "FARGATE", "weight": 1}],
            opts=ResourceOptions(parent=self),
        )
        self.domain = f"{config.stack}.cloudbill.internal"
        zone = aws.servicediscovery.PrivateDnsNamespace(
            f"{name}-names",
            name=self.domain,
            description=f"CloudBill's services ({config.stack})",
            vpc=vpc_id,
            opts=ResourceOptions(parent=self),
        )
        self.name, self.arn, self.namespace = cluster.name, cluster.arn, zone.id
        self.sessions: Output[str] = sessions.arn
        self.register_outputs({"name": self.name})
