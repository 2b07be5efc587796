"""How many instances of a service there are: by its load, and by the hour where the stack sleeps at night."""

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_aws.appautoscaling import (
    PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgsDict as Measured,
)

from infra.aws.names import named
from infra.config import Role, StackConfig

CPU_PERCENT, MEMORY_PERCENT = 70, 80
REQUESTS_PER_TARGET = {Role.API: 3000, Role.CONSOLE: 600}
"""A minute. One instance of the API answers ten times that; the rest is room for the minutes a new one takes."""
OUT_SECONDS, IN_SECONDS = 60, 300
"""Quick to grow, slow to shrink."""
EVENING, MORNING = "cron(0 20 ? * MON-FRI *)", "cron(0 6 ? * MON-FRI *)"
"""UTC; the weekend is one long night."""


class Scaling(ComponentResource):
    """Between `min` and `max` by CPU, memory and requests per target, whichever asks for most.

    Cloud Run scales by requests and CPU only, and by itself.
    """

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        role: Role,
        cluster: Input[str],
        service: Input[str],
        load_balancer: Output[str] | None,
        target_group: Output[str] | None,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:Scaling", name, None, opts)
        self._name, self._config, self._role = name, config, role
        size = config.size(role)
        self._target = aws.appautoscaling.Target(
            f"{name}-target",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=Output.concat("service/", cluster, "/", service),
            min_capacity=max(size.min, 1),
            max_capacity=size.max,
            opts=ResourceOptions(parent=self),
        )
        self._policy("cpu", CPU_PERCENT, "ECSServiceAverageCPUUtilization")
        self._policy("memory", MEMORY_PERCENT, "ECSServiceAverageMemoryUtilization")
        if load_balancer is not None and target_group is not None:
            self._policy(
                "requests",
                REQUESTS_PER_TARGET[role],
                "ALBRequestCountPerTarget",
                label=Output.concat(load_balancer, "/", target_group),
            )
        if config.switches.off_hours:
            self._at("evening", EVENING, least=0, most=0)
            self._at("morning", MORNING, least=max(size.min, 1), most=size.max)
        self.register_outputs({})

    def _policy(self, what: str, target: int, metric: str, *, label: Output[str] | None = None) -> None:
        measured: Measured = {"predefined_metric_type": metric}
        if label is not None:
            measured["resource_label"] = label
        aws.appautoscaling.Policy(
            f"{self._name}-{what}",
            name=named(self._config, self._role.value, what),
            policy_type="TargetTrackingScaling",
            service_namespace=self._target.service_namespace,
            scalable_dimension=self._target.scalable_dimension,
            resource_id=self._target.resource_id,
            target_tracking_scaling_policy_configuration={
                "target_value": target,
                "predefined_metric_specification": measured,
                "scale_out_cooldown": OUT_SECONDS,
                "scale_in_cooldown": IN_SECONDS,
            },
            opts=ResourceOptions(parent=self._target),
        )

    def _at(self, what: str, schedule: str, *, least: int, most: int) -> None:
        aws.appautoscaling.ScheduledAction(
            f"{self._name}-{what}",
            name=named(self._config, self._role.value, what),
            service_namespace=self._target.service_namespace,
            scalable_dimension=self._target.scalable_dimension,
            resource_id=self._target.resource_id,
            schedule=schedule,
            timezone="UTC",
            scalable_target_action={"min_capacity": least, "max_capacity": most},
            opts=ResourceOptions(parent=self._target),
        )
