"""Graphs of a few resources, to be priced."""

from typing import Any

from infra.graph import Graph, Resource

STACK = "urn:pulumi:toy::cloudbill::"


def resource(kind: str, name: str, **inputs: Any) -> Resource:
    """One of the stack's own provider."""
    return Resource(
        urn=f"{STACK}{kind}::{name}",
        type=kind,
        name=name,
        parent=None,
        custom=True,
        inputs=inputs,
        dependsOn=[],
        protect=False,
        ignoreChanges=[],
        provider=f"{STACK}pulumi:providers::own",
        version="1",
    )


def graph(cloud: str, *resources: Resource, region: str = "", environment: str = "") -> Graph:
    """With a provider that says where and for what."""
    region = region or {"aws": "us-east-1", "gcp": "us-central1"}[cloud]
    marks = {"defaultTags": {"tags": {"environment": environment}}} if environment else {}
    own = resource(f"pulumi:providers:{cloud}", "own", region=region, **marks)
    provider = Resource(**{**vars(own), "urn": f"{STACK}pulumi:providers::own", "provider": None})
    return Graph(stack="toy", cloud=cloud, resources=[provider, *resources], outputs={})


def database(**inputs: Any) -> Resource:
    """RDS for PostgreSQL in two zones."""
    given = {"allocatedStorage": 100, "instanceClass": "db.m7g.large", "multiAz": True, **inputs}
    return resource("aws:rds/instance:Instance", "db", **given)


def cloud_sql(tier: str = "db-custom-2-8192", version: str = "POSTGRES_15", **settings: Any) -> Resource:
    """Cloud SQL for PostgreSQL in two zones."""
    whole = {"tier": tier, "availabilityType": "REGIONAL", "diskSize": 100, **settings}
    return resource("gcp:sql/databaseInstance:DatabaseInstance", "sql", databaseVersion=version, settings=whole)


def cache(**inputs: Any) -> Resource:
    """ElastiCache with two nodes."""
    given = {"engine": "redis", "engineVersion": "7.1", "nodeType": "cache.t4g.medium", "numCacheClusters": 2, **inputs}
    return resource("aws:elasticache/replicationGroup:ReplicationGroup", "cache", **given)


def tasks(count: int = 2, **inputs: Any) -> list[Resource]:
    """A service of tasks of 1 vCPU and 2 GB."""
    definition = {"cpu": "1024", "memory": "2048", **inputs}
    return [
        resource("aws:ecs/taskDefinition:TaskDefinition", "c-api-task", **definition),
        resource("aws:ecs/service:Service", "c-api-service", taskDefinition="${c-api-task.arn}", desiredCount=count),
    ]
