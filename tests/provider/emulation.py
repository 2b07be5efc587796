"""What moto cannot hold, or holds otherwise than AWS does: a short list with reasons, each checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra.graph import Graph, Resource

UNHELD: Mapping[str, str] = {
    "aws:appautoscaling/target:Target": "it makes a target but cannot list its tags, which the provider reads next",
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": "there is no restore testing in it",
    "aws:backup/restoreTestingSelection:RestoreTestingSelection": "there is no restore testing in it",
    "aws:backup/selection:Selection": "it has no CreateBackupSelection",
    "aws:budgets/budget:Budget": "it makes a budget but cannot say who is told (DescribeSubscribersForNotification)",
    "aws:efs/backupPolicy:BackupPolicy": "it reads the policy of a file system but does not set it (PutBackupPolicy)",
    "aws:elasticache/parameterGroup:ParameterGroup": "it has no CreateCacheParameterGroup",
    "aws:elasticache/replicationGroup:ReplicationGroup": (
        "it makes the group without the cache clusters that are in it, which the provider reads next"
    ),
    "aws:elasticache/userGroup:UserGroup": "it has no CreateUserGroup",
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": (
        "it has no StartDBInstanceAutomatedBackupsReplication"
    ),
}
"""Types that moto cannot hold, and why. They are applied all the same, with nothing waiting for them: each fails."""


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """Another value for moto, since it refuses what AWS takes."""

    path: str
    value: str | bool
    reason: str


ADJUSTED: Mapping[str, Adjusted] = {
    "aws:ecs/service:Service": Adjusted(
        path="waitForSteadyState", value=False, reason="it starts no tasks, so that no service is ever steady"
    ),
    "aws:rds/instance:Instance": Adjusted(
        path="maintenanceWindow",
        value="mon:04:01-mon:05:00",
        reason="it takes windows that touch (03:00-04:00 and mon:04:00-mon:05:00) for windows that overlap",
    ),
}

ONE_AT_A_TIME: Mapping[str, str] = {
    "aws:guardduty/detectorFeature:DetectorFeature": (
        "its UpdateDetector forgets the features that are not in the call; AWS changes only those that are"
    ),
}
"""Types that are applied one after another, and why."""


def unheld(graph: Graph) -> frozenset[str]:
    """Names of the resources that moto cannot hold."""
    return frozenset(resource.name for resource in graph.resources if resource.type in UNHELD)


def prepared(graph: Graph) -> Graph:
    """The graph as moto takes it."""
    before: dict[str, Resource] = {}
    resources: list[Resource] = []
    for resource in graph.resources:
        found = resource
        if (adjusted := ADJUSTED.get(resource.type)) and adjusted.path in resource.inputs:
            found = replace(found, inputs={**found.inputs, adjusted.path: adjusted.value})
        if resource.type in ONE_AT_A_TIME:
            if former := before.get(resource.type):
                found = replace(found, dependsOn=[*found.dependsOn, former.urn])
            before[resource.type] = resource
        resources.append(found)
    return replace(graph, resources=resources)
