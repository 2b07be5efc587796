"""What runs: services, the worker, jobs, their sizes and identities."""

from infra.parity.capability import Capability, Detector, both, every, has, nowhere, of_type, says
from infra.policies import kinds

SCALING = "aws:appautoscaling/policy:Policy"
TARGET = "aws:appautoscaling/target:Target"
TRACKED = "targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification.predefinedMetricType"
REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"


def runs(command: str) -> Capability:
    """A role of the image."""
    kind, path = {
        "api": (kinds.RUN, "template.containers[].args[]"),
        "console": (kinds.RUN, "template.containers[].args[]"),
        "worker": (kinds.POOL, "template.containers[].args[]"),
        "migrate": (kinds.RUN_JOB, "template.template.containers[].args[]"),
    }[command]
    title = "job in the private network (migrate, …)" if command == "migrate" else f"{command} as a service"
    return Capability("compute", title, aws=_command(command), gcp=has(kind, path, command))


def _command(command: str) -> Detector:
    return has(kinds.TASK, "containerDefinitions[].command[]", command)


CAPABILITIES = (
    runs("api"),
    runs("console"),
    runs("worker"),
    runs("migrate"),
    Capability(
        "compute",
        "image by digest",
        aws=every(kinds.TASK, "containerDefinitions[].image", says("@")),
        gcp=both(
            every(kinds.RUN, "template.containers[].image", says("@")),
            every(kinds.POOL, "template.containers[].image", says("@")),
        ),
    ),
    Capability(
        "compute",
        "most instances",
        aws=has(TARGET, "maxCapacity", amount=True),
        gcp=has(kinds.RUN, "template.scaling.maxInstanceCount", amount=True),
    ),
    Capability(
        "compute",
        "fewest instances",
        aws=has(TARGET, "minCapacity", amount=True),
        gcp=has(kinds.RUN, "template.scaling.minInstanceCount", amount=True),
    ),
    Capability(
        "compute",
        "autoscaling on CPU",
        aws=has(SCALING, TRACKED, "ECSServiceAverageCPUUtilization"),
        gcp=has(kinds.RUN, "template.scaling.cpuUtilization"),
    ),
    Capability(
        "compute",
        "autoscaling on memory",
        aws=has(SCALING, TRACKED, "ECSServiceAverageMemoryUtilization"),
        gcp=nowhere,
    ),
    Capability(
        "compute",
        "autoscaling on requests",
        aws=has(SCALING, TRACKED, "ALBRequestCountPerTarget"),
        gcp=has(kinds.RUN, "template.maxInstanceRequestConcurrency"),
    ),
    Capability(
        "compute",
        "worker scales by itself",
        aws=has(TARGET, "resourceId", says("worker")),
        gcp=has(kinds.POOL, "scaling.scalingMode", "AUTOMATIC"),
    ),
    Capability(
        "compute",
        "interruptible instances",
        aws=has(kinds.ECS, "capacityProviderStrategies[].capacityProvider", "FARGATE_SPOT"),
        gcp=nowhere,
        environments=("staging", "development"),
    ),
    Capability(
        "compute",
        "read-only root",
        aws=every(kinds.TASK, "containerDefinitions[].readonlyRootFilesystem", True),
        gcp=nowhere,
    ),
    Capability(
        "compute",
        "nobody special, by the platform's word",
        aws=every(kinds.TASK, "containerDefinitions[].user", "10001"),
        gcp=nowhere,
    ),
    Capability(
        "compute",
        "an identity a service",
        aws=every(kinds.TASK, "taskRoleArn"),
        gcp=both(every(kinds.RUN, "template.serviceAccount"), every(kinds.POOL, "template.serviceAccount")),
    ),
    Capability(
        "compute",
        "what starts a service apart from what it may do",
        aws=every(kinds.TASK, "executionRoleArn"),
        gcp=nowhere,
    ),
    Capability(
        "compute",
        "started when the database is reached",
        aws=has(kinds.TARGETS, "healthCheck.path", "/readyz"),
        gcp=has(kinds.RUN, "template.containers[].startupProbe.httpGet.path", "/readyz"),
    ),
    Capability(
        "compute",
        "a deployment that fails goes back",
        aws=has(kinds.ECS, "deploymentCircuitBreaker.rollback", True),
        gcp=has(kinds.RUN, "traffics[].type", "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"),
    ),
    Capability(
        "compute",
        "an alarm takes a deployment back",
        aws=has(kinds.ECS, "alarms.rollback", True),
        gcp=nowhere,
    ),
    Capability(
        "compute",
        "traffic split for canaries",
        aws=has("aws:lb/listenerRule:ListenerRule", "actions[].forward.targetGroups[].weight"),
        gcp=has(kinds.RUN, "traffics[].percent"),
    ),
    Capability(
        "compute",
        "a minute to stop gracefully",
        aws=both(
            has(kinds.TARGETS, "deregistrationDelay", 60), has(kinds.TASK, "containerDefinitions[].stopTimeout", 60)
        ),
        gcp=nowhere,
    ),
    Capability(
        "compute",
        "migration before services",
        aws=has(kinds.TASK, "containerDefinitions[].dependsOn[].condition", "SUCCESS"),
        gcp=has(kinds.RUN_JOB, "runExecutionToken"),
    ),
    Capability(
        "compute",
        "stopped at night and at weekends",
        aws=of_type("aws:appautoscaling/scheduledAction:ScheduledAction"),
        gcp=has("gcp:cloudscheduler/job:Job", "name", says("off-hours")),
        environments=("staging",),
    ),
    Capability(
        "images",
        "a registry under a key of its own",
        aws=every(REPOSITORY, "encryptionConfigurations[].kmsKey"),
        gcp=every(kinds.ARTIFACTS, "kmsKeyName"),
    ),
    Capability(
        "images",
        "scanned when pushed",
        aws=every(REPOSITORY, "imageScanningConfiguration.scanOnPush", True),
        gcp=both(
            has("gcp:projects/service:Service", "service", "containerscanning.googleapis.com"),
            has(kinds.ARTIFACTS, "vulnerabilityScanningConfig.enablementConfig", "INHERITED"),
        ),
    ),
    Capability(
        "images",
        "tags that do not move",
        aws=every(REPOSITORY, "imageTagMutability", "IMMUTABLE"),
        gcp=every(kinds.ARTIFACTS, "dockerConfig.immutableTags", True),
    ),
    Capability(
        "images",
        "old ones are deleted",
        aws=has(LIFECYCLE, "policy.rules[].action.type", "expire"),
        gcp=has(kinds.ARTIFACTS, "cleanupPolicies[].action", "DELETE"),
    ),
)
