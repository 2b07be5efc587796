"""Who is given which secret."""

import re

from infra.graph import Resource
from infra.policies.containers import KINDS, Container, containers
from infra.policies.demand import matching
from infra.policies.kinds import ASM, GSM_READER, RDS, RUN_JOB, TASK
from infra.policies.reading import Stack, items, rows, value, values
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.statements import everywhere

OWNERS = ("DB_PASSWORD", "DATABASE_URL", "DATABASE_MOVER_URL")
"""The owner's and the mover's: above row security."""


SIGNING = "LEDGER_SIGNING_KEY"


def _by_reference(stack: Stack) -> Found:
    for container in containers(stack):
        for name, source in container.secrets.items():
            if container.resource.type == TASK:
                target = stack.target(source)
                known = target is not None and target.type in (ASM, RDS)
                if not known and "${" in str(source) or not str(source).startswith(("${", "arn:")):
                    yield Finding(container.resource.name, f"name a secret of this stack as {name} of {container.name}")
                continue
            secret, version = stack.target(value(source, "secret")), str(value(source, "version") or "latest")
            if secret is None and "${" in str(source) or not value(source, "secret"):
                yield Finding(container.resource.name, f"name a secret of this stack as {name} of {container.name}")
            if version == "latest" or not re.match(r"^(\d+|\$\{)", version):
                yield Finding(
                    container.resource.name, f"pin the version of {name} of {container.name}: {version} moves"
                )
    for kind in KINDS[1:]:
        for resource in stack.of(kind):
            path = "template.template.volumes" if kind == RUN_JOB else "template.volumes"
            for volume in rows(value(resource.inputs, path)):
                for item in rows(value(volume, "secret.items")):
                    if not re.match(r"^(\d+|\$\{)", str(item.get("version") or "latest")):
                        yield Finding(resource.name, f"pin the version of volume {volume.get('name')}")


def _owner_only_migrates(stack: Stack) -> Found:
    for container in containers(stack):
        if not container.migrates:
            for name in OWNERS:
                if name in container.secrets:
                    yield Finding(
                        container.resource.name, f"take {name} from {container.name}: only migrations need it"
                    )


def _signer_is_the_worker(stack: Stack) -> Found:
    for container in containers(stack):
        public = container.name in ("api", "console", "collector")
        if public and SIGNING in container.secrets:
            yield Finding(container.resource.name, f"take {SIGNING} from {container.name}: the worker signs")
        if container.name == "console" and any(name.startswith(("DATABASE", "DB_")) for name in container.secrets):
            yield Finding(container.resource.name, "take the database from the console: it asks the API")


def _readers_are_named(stack: Stack) -> Found:
    """Reading is granted for each secret, by its own name, and not for whatever there will be."""
    for resource, statement in everywhere(stack):
        actions = [str(action) for action in items(statement.get("Action"))]
        if any(action.startswith("secretsmanager:") for action in actions):
            for place in items(statement.get("Resource")):
                target = stack.target(place)
                known = target is not None and target.type in (ASM, RDS)
                if not known and "*" in str(place):
                    yield Finding(resource.name, f"name the secrets that may be read: {place} is more than one")
            if "Resource" not in statement and "NotResource" in statement:
                yield Finding(resource.name, "name the secrets that may be read, not those that may not")


def _readers_read_what_they_run(stack: Stack) -> Found:
    """A role that starts a task reads the secrets that its containers name, and no other."""
    for task in stack.of(TASK):
        role = stack.target(task.inputs.get("executionRoleArn"))
        if role is None:
            continue
        named = {
            secret.name
            for found in containers(stack, TASK)
            if found.resource is task
            for secret in _sources(stack, found)
        }
        for policy in stack.referring(role, "aws:iam/rolePolicy:RolePolicy", "role"):
            for place, found in values(policy.inputs, "policy.Statement[].Resource"):
                for target in stack.targets(found):
                    if target.type in (ASM, RDS) and target.name not in named:
                        yield Finding(
                            policy.name, f"take {target.name} out of {place}: no container of {task.name} is given it"
                        )


def _sources(stack: Stack, container: Container) -> list[Resource]:
    return [target for source in container.secrets.values() for target in stack.targets(source)]


RULES = (
    rule(
        "secrets.by-reference",
        "A container names its secrets, on Google Cloud in a pinned version, so that none changes under a release.",
        judged(_by_reference, *KINDS),
        source="INF-2; PAY-1; GCP-3; https://cloud.google.com/run/docs/configuring/services/secrets",
    ),
    rule(
        "secrets.owner-only-migrates",
        "The owner's password on the database is given to migrations and one-off tasks, never to what serves.",
        judged(_owner_only_migrates, *KINDS),
        source="DATA-2; DATA-5; INF-3",
        severity=Severity.CRITICAL,
    ),
    rule(
        "secrets.signer-is-the-worker",
        "The ledger is signed by the worker: what answers the public cannot sign, and the console knows no database.",
        judged(_signer_is_the_worker, *KINDS),
        source="CRED-5; INF-3",
    ),
    rule(
        "secrets.readers-named",
        "Who reads a secret is granted that one secret.",
        judged(_readers_are_named, "aws:iam/rolePolicy:RolePolicy"),
        each(
            GSM_READER, "role", matching(r"^roles/secretmanager\.secretAccessor$", "roles/secretmanager.secretAccessor")
        ),
        each(GSM_READER, "secretId", matching(r"^(\$\{|projects/)", "one secret")),
        source="INF-3; CIS GCP 1.5; https://cloud.google.com/secret-manager/docs/access-control",
    ),
    rule(
        "secrets.readers-read-what-they-run",
        "Who starts a task reads the secrets that its containers name, and no other.",
        judged(_readers_read_what_they_run, TASK),
        source="INF-3; DATA-5",
    ),
)
