"""What runs in a container: by which user, with what rights, from which image."""

import re

from infra.policies.containers import KINDS, containers
from infra.policies.demand import NOT_TRUE, PRESENT, TRUE, at_least, matching, one_of
from infra.policies.kinds import ARTIFACTS, ECR, ECS, LOGS, POOL, RUN, RUN_JOB, TASK
from infra.policies.reading import Stack, entries, items, opened, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule

BUILT = "docker-build:index:Image"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
ACCESS_POINT = "aws:efs/accessPoint:AccessPoint"
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64}|\$\{[^}]+\.digest\})$|^\$\{[^}]+\.(ref|digest)\}$")


def _by_digest(stack: Stack) -> Found:
    for container in containers(stack):
        if not DIGEST.search(container.image):
            yield Finding(container.resource.name, f"name the image of {container.name} by digest: a tag may be moved")


def _unprivileged(stack: Stack) -> Found:
    for container in containers(stack, TASK):
        user = str(container.definition.get("user") or "root")
        if user.split(":")[0] in ("root", "0"):
            yield Finding(container.resource.name, f"run {container.name} as a user of its own: user is {user}")
        if container.definition.get("privileged"):
            yield Finding(container.resource.name, f"take privileged from {container.name}")
        if not container.definition.get("readonlyRootFilesystem"):
            yield Finding(container.resource.name, f"set readonlyRootFilesystem of {container.name}")


def _no_capabilities(stack: Stack) -> Found:
    for container in containers(stack, TASK):
        linux = entries(container.definition.get("linuxParameters"))
        capabilities = entries(linux.get("capabilities"))
        if items(capabilities.get("drop")) != ["ALL"] or capabilities.get("add"):
            yield Finding(container.resource.name, f"drop ALL capabilities of {container.name}")
        if linux.get("initProcessEnabled") is not True:
            yield Finding(
                container.resource.name, f"set initProcessEnabled of {container.name}: signals and orphans need it"
            )
        for folder in rows(linux.get("tmpfs")):
            if not {"nosuid", "nodev", "noexec"} <= set(items(folder.get("mountOptions"))):
                yield Finding(container.resource.name, f"mount {folder.get('containerPath')} nosuid, nodev and noexec")
        if linux.get("devices"):
            yield Finding(container.resource.name, f"take the devices from {container.name}")


def _logged(stack: Stack) -> Found:
    for container in containers(stack, TASK):
        logs = entries(container.definition.get("logConfiguration"))
        options = entries(logs.get("options"))
        group = stack.target(options.get("awslogs-group"))
        if logs.get("logDriver") != "awslogs" or (group is None or group.type != LOGS):
            yield Finding(
                container.resource.name, f"write the log of {container.name} to a log group of the stack (awslogs)"
            )
        elif options.get("mode") != "non-blocking":
            yield Finding(container.resource.name, f"let a full log not stop {container.name}: mode non-blocking")


def _by_digest_pushed(stack: Stack) -> Found:
    for image in stack.of(BUILT):
        exports = items(image.inputs.get("exports"))
        pushed = [value(export, kind) for export in exports for kind in ("registry", "image")]
        if not any(entries(export).get("pushByDigest") and entries(export).get("push") for export in pushed):
            yield Finding(image.name, "push it by digest: exports[].registry.pushByDigest true")
        if image.inputs.get("tags"):
            yield Finding(image.name, "give it no tags: the registry refuses to move one")
        if image.inputs.get("buildArgs") or image.inputs.get("noCache"):
            for name in entries(image.inputs.get("buildArgs")):
                if re.search("password|secret|token|key", name, re.I):
                    yield Finding(image.name, f"give {name} as a build secret: an argument stays in the image")


def _old_images_go(stack: Stack) -> Found:
    for policy in stack.of(LIFECYCLE):
        rules = items(entries(opened(policy.inputs.get("policy"))).get("rules"))
        if not any(value(found, "action.type") == "expire" for found in rules):
            yield Finding(policy.name, "let old images expire")
        for found in rules:
            kept = value(found, "selection.countNumber")
            if value(found, "selection.countType") == "imageCountMoreThan" and not at_least(5).holds(kept, stack):
                yield Finding(policy.name, f"keep 5 images or more to go back to: countNumber is {kept}")
    for repository in stack.of(ARTIFACTS):
        policies = items(repository.inputs.get("cleanupPolicies"))
        keeps = [found for found in policies if found.get("action") == "KEEP"]
        if not any(found.get("action") == "DELETE" for found in policies) or repository.inputs.get(
            "cleanupPolicyDryRun"
        ):
            yield Finding(repository.name, "let old images go: a cleanup policy of action DELETE, no dry run")
        if any(found.get("action") == "DELETE" and not found.get("condition") for found in policies):
            yield Finding(repository.name, "say in a condition which images go: without one all do that none keeps")
        if not any(at_least(5).holds(value(found, "mostRecentVersions.keepCount"), stack) for found in keeps):
            yield Finding(repository.name, "keep 5 versions or more to go back to: a cleanup policy of action KEEP")


def _only_the_worker_writes(stack: Stack) -> Found:
    for container in containers(stack, TASK):
        for mount in rows(container.definition.get("mountPoints")):
            if (container.name != "worker") is not bool(mount.get("readOnly")):
                yield Finding(
                    container.resource.name, f"set readOnly of the mount of {container.name} as its part asks"
                )
    for kind, path in ((RUN, "template.volumes"), (POOL, "template.volumes"), (RUN_JOB, "template.template.volumes")):
        for resource in stack.of(kind):
            for volume in rows(value(resource.inputs, path)):
                bucket = entries(volume.get("gcs"))
                if bucket and (bucket.get("readOnly") is True) is (kind == POOL):
                    yield Finding(
                        resource.name, f"set gcs.readOnly of {volume.get('name')} to {str(kind != POOL).lower()}"
                    )


RULES = (
    rule(
        "containers.by-digest",
        "Every container runs an image by its digest.",
        judged(_by_digest, *KINDS),
        source="OPS-1; INF-7; https://cloud.google.com/run/docs/deploying#images",
    ),
    rule(
        "containers.unprivileged",
        "Containers run as a user of their own, without privileges, on a root that cannot be written.",
        judged(_unprivileged, TASK),
        source="AWS-2; ECS.4; ECS.5; ECS.20",
    ),
    rule(
        "containers.no-capabilities",
        "Containers have none of Linux's capabilities, and run nothing from a folder in memory.",
        judged(_no_capabilities, TASK),
        source="AWS-2; INF-3",
    ),
    rule(
        "containers.logged",
        "Containers write to a log group of the stack, and a full buffer stops none.",
        judged(_logged, TASK),
        source="AWS-5; ECS.9",
        severity=Severity.MEDIUM,
    ),
    rule(
        "containers.current-platform",
        "Tasks run on a platform that is named, on Fargate, and share no process with the host.",
        each(ECS, "platformVersion", one_of("1.4.0", "LATEST").or_absent()),
        each(TASK, "requiresCompatibilities[]", one_of("FARGATE")),
        each(TASK, "pidMode", one_of("task").or_absent()),
        source="ECS.3; ECS.10; AWS-2",
        severity=Severity.MEDIUM,
    ),
    rule(
        "containers.no-sessions-in-production",
        "In production nobody opens a session into what serves.",
        each(ECS, "enableExecuteCommand", NOT_TRUE),
        source="INF-3; OPS-10",
        environments=("production",),
    ),
    rule(
        "containers.own-folder",
        "A shared folder is entered as the image's own user, below the root, which it cannot leave.",
        each(ACCESS_POINT, "rootDirectory.path", matching("^/.+", "a folder below the root")),
        each(ACCESS_POINT, "posixUser.uid", at_least(1)),
        each(ACCESS_POINT, "posixUser.gid", at_least(1)),
        each(ACCESS_POINT, "rootDirectory.creationInfo.permissions", matching("^0?7[05][05]$", "0750 or less")),
        each(ACCESS_POINT, "rootDirectory.creationInfo.permissions", matching("0$", "closed to others")),
        source="EFS.3; EFS.4",
    ),
    rule(
        "containers.only-the-worker-writes",
        "The ledger's signed heads are written by the worker, never by what answers the public.",
        judged(_only_the_worker_writes, TASK, RUN, POOL, RUN_JOB),
        source="CRED-5; INF-3",
    ),
    rule(
        "images.scanned",
        "Each image is scanned when it is pushed.",
        each(ECR, "imageScanningConfiguration.scanOnPush", TRUE),
        each(ARTIFACTS, "vulnerabilityScanningConfig.enablementConfig", one_of("INHERITED")),
        source="AWS-5; ECR.1; OPS-1; https://cloud.google.com/artifact-analysis/docs/container-scanning-overview",
    ),
    rule(
        "images.tags-never-move",
        "A tag, once pushed, names that image for good.",
        each(ECR, "imageTagMutability", one_of("IMMUTABLE")),
        each(ARTIFACTS, "dockerConfig.immutableTags", TRUE),
        source="AWS-5; ECR.2",
    ),
    rule(
        "images.old-ones-go",
        "Old images go by themselves, and enough stay to go back.",
        companion(ECR, LIFECYCLE, "repository"),
        judged(_old_images_go, LIFECYCLE, ARTIFACTS),
        source="AWS-5; GCP-3; ECR.3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "images.pushed-by-digest",
        "What the program builds it pushes by digest, and leaves no secret in it.",
        judged(_by_digest_pushed, BUILT),
        each(BUILT, "dockerfile.location", PRESENT),
        each(BUILT, "network", one_of("default", "none").or_absent()),
        source="OPS-1; INF-2",
        severity=Severity.MEDIUM,
    ),
)
