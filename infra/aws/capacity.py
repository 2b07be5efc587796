"""On what a service's tasks run."""

import pulumi_aws as aws

from infra.config import Role


def capacity(role: Role, *, spot: bool) -> list[aws.ecs.ServiceCapacityProviderStrategyArgsDict]:
    """Fargate; with `release.spot` interruptible instances, of which the API has one that is not."""
    if not spot:
        return [{"capacity_provider": "FARGATE", "base": 0, "weight": 1}]
    interruptible: aws.ecs.ServiceCapacityProviderStrategyArgsDict = {
        "capacity_provider": "FARGATE_SPOT",
        "base": 0,
        "weight": 1,
    }
    if role is not Role.API:
        return [interruptible]
    # Of what answers people, one instance is nobody's to take away.
    return [{"capacity_provider": "FARGATE", "base": 1, "weight": 0}, interruptible]
