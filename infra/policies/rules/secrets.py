"""Secrets: only in the secret manager, turned over, and given to those alone who need them."""

import re

from infra.graph import Resource
from infra.policies.containers import KINDS, containers
from infra.policies.demand import ABSENT, SECRET, TRUE, at_least, at_most, between, by_environment, matching
from infra.policies.kinds import ASM, GSM, RDS
from infra.policies.reading import Stack, is_secret, leaves, texts, value, values
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule, some

VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


GSM_VERSION = "gcp:secretmanager/secretVersion:SecretVersion"


PASSWORD = "random:index/randomPassword:RandomPassword"


BYTES = "random:index/randomBytes:RandomBytes"


PUBLISHER = "gcp:pubsub/topicIAMMember:TopicIAMMember"


DAY = 86_400


SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|PRIVATE|CREDENTIAL|_KEY$|^KEY$|DATABASE\w*_URL$|REDIS_URL$)", re.I)


SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^@/\s$]+@|-----BEGIN [A-Z ]*PRIVATE KEY|\b(sk|rk)_(live|test)_\w{8}"
    r"|\bwhsec_\w{8}|\bAKIA[A-Z0-9]{16}"
)


SECRET_INPUT = re.compile(
    r"^(password|passwords|masterPassword|authToken|secretString|secretBinary|secretData|privateKey|sharedSecret"
    r"|presharedKey|tunnel[12]PresharedKey|serviceKey|authString|clientSecret|apiKey|accessKey|secretKey)$"
)


def _no_secret_in_clear(stack: Stack) -> Found:
    for container in containers(stack):
        for name, found in container.environment.items():
            if SECRET_NAME.search(name) or SECRET_VALUE.search(str(found)):
                yield Finding(container.resource.name, f"give {name} of {container.name} from the secret manager")
        command = " ".join(texts([container.definition.get("command"), container.definition.get("args")]))
        if SECRET_VALUE.search(command):
            yield Finding(container.resource.name, f"take the secret out of the command of {container.name}")


def _inputs_are_marked(stack: Stack) -> Found:
    for resource in stack.graph.resources:
        for place, key, found in leaves(resource.inputs):
            named = key or re.sub(r"\[\d+\]", "", place).rpartition(".")[2]
            if isinstance(found, str) and SECRET_INPUT.search(named) and found:
                yield Finding(resource.name, f"mark {place} as a secret (pulumi.Output.secret)")
            elif isinstance(found, str) and SECRET_VALUE.search(found):
                yield Finding(resource.name, f"take the secret out of {place}, or mark it as one")


def _outputs_are_no_secrets(stack: Stack) -> Found:
    for place, key, found in leaves(stack.graph.outputs):
        if is_secret(found) or SECRET_VALUE.search(str(found)):
            yield Finding(stack.graph.stack, f"take the secret out of the output {place or key}")


def _turned_over(stack: Stack) -> Found:
    for secret in stack.of(ASM):
        days = value(secret.inputs, "tags.rotation-days")
        if days is not None and not at_most(90).holds(days, stack):
            yield Finding(secret.name, f"tag it rotation-days 90 or less, not {days}")
    for name in ("app", "operator", "mover", "url"):
        for secret in stack.of(ASM):
            if secret.name.endswith((f"database-{name}-secret", f"cache-{name}-secret")) and not value(
                secret.inputs, "tags"
            ):
                yield Finding(secret.name, "tag it rotation-days 90: passwords turn over")
    for secret in stack.of(GSM):
        if secret.inputs.get("rotation") is None:
            if secret.inputs.get("topics"):
                yield Finding(secret.name, "set rotation: its topic is told nothing without")
            elif re.search(r"(database-\w+|cache)-url-secret$", secret.name):
                yield Finding(secret.name, "set rotation and topics: passwords turn over")
        elif not at_most(90 * DAY).holds(value(secret.inputs, "rotation.rotationPeriod"), stack):
            yield Finding(secret.name, "set rotation.rotationPeriod to 7776000s (90 days) or less")
        elif not secret.inputs.get("topics"):
            yield Finding(secret.name, "set topics: without one nobody is told that the time has come")


def _copied(stack: Stack) -> Found:
    """In two places at least, where each is said."""
    for secret in stack.of(GSM):
        places = {found for _, found in values(secret.inputs, "replication.userManaged.replicas[].location") if found}
        if len(places) < 2:
            yield Finding(secret.name, "add a replica in the backup region, under a key of that region")


def _manages(stack: Stack, database: Resource) -> bool:
    """RDS refuses to keep the password of a primary that has replicas, and a replica has none of its own."""
    is_replica = "replicateSourceDb" in database.inputs
    return not is_replica and not stack.referring(database, RDS, "replicateSourceDb")


RULES = (
    rule(
        "secrets.not-in-clear",
        "No container is given a secret as a setting in clear.",
        judged(_no_secret_in_clear, *KINDS),
        source="INF-2; ECS.8; https://cloud.google.com/run/docs/configuring/services/secrets",
        severity=Severity.CRITICAL,
    ),
    rule(
        "secrets.inputs-marked",
        "What is secret is marked as a secret wherever it goes in, so that state and logs hold none in clear.",
        judged(_inputs_are_marked, "pulumi:pulumi:Stack"),
        each(VERSION, "secretString", SECRET),
        each(GSM_VERSION, "secretData", SECRET),
        source="INF-2; INF-7",
        severity=Severity.CRITICAL,
    ),
    rule(
        "secrets.not-in-outputs",
        "No output of the stack holds a secret.",
        judged(_outputs_are_no_secrets, "pulumi:pulumi:Stack"),
        source="INF-2",
        severity=Severity.CRITICAL,
    ),
    rule(
        "secrets.turned-over",
        "Passwords turn over every 90 days, and somebody is told when it is time.",
        judged(_turned_over, ASM, GSM),
        each(PUBLISHER, "topic", matching(".", "a topic")),
        each("gcp:pubsub/topic:Topic", "messageRetentionDuration", at_least(7 * DAY)),
        source="INF-2; AWS-6; GCP-3; SecretsManager.4",
    ),
    rule(
        "secrets.can-be-brought-back",
        "A secret that was deleted, or a version that was destroyed, can be brought back.",
        each(ASM, "recoveryWindowInDays", by_environment({"production": at_least(30), "staging": at_least(7)})),
        each(GSM, "versionDestroyTtl", at_least(7 * DAY)),
        each(GSM, "deletionProtection", by_environment({"production": TRUE})),
        source="DR-6; INF-5; https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_delete-secret.html",
    ),
    rule(
        "secrets.in-two-regions",
        "In production secrets lie in the backup region too, or what is restored there could not be opened.",
        judged(_copied, GSM),
        source="DR-5; DR-6",
        severity=Severity.MEDIUM,
        environments=("production",),
    ),
    rule(
        "secrets.master-made-by-the-service",
        "RDS makes and turns over the owner's password itself, where it can: with replicas it cannot.",
        each(RDS, "manageMasterUserPassword", TRUE, when=_manages),
        each(RDS, "password", ABSENT, when=_manages),
        each(RDS, "password", SECRET.or_absent()),
        source="AWS-3; INF-2; https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html",
    ),
    rule(
        "secrets.long-enough",
        "What is made here cannot be guessed: 32 letters or 32 bytes at least.",
        each(PASSWORD, "length", between(32, 256)),
        each(PASSWORD, "upper", TRUE.or_absent()),
        each(PASSWORD, "lower", TRUE.or_absent()),
        each(PASSWORD, "numeric", TRUE.or_absent()),
        each(BYTES, "length", between(32, 256)),
        source="INF-2; AUTH-2",
    ),
    rule(
        "secrets.have-a-value",
        "Each secret gets its first value with the stack: what reads it starts.",
        companion(ASM, VERSION, "secretId"),
        companion(GSM, GSM_VERSION, "secret"),
        some(ASM, why="database, cache and signing keys lie there"),
        some(GSM, why="database, cache and signing keys lie there"),
        source="AWS-5; GCP-3",
        severity=Severity.MEDIUM,
    ),
)
