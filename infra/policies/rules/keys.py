"""Keys themselves: that they turn over, who may use them, and that none is lost by mistake."""

from infra.graph import Resource
from infra.policies.demand import (
    NOT_TRUE,
    TRUE,
    at_least,
    at_most,
    between,
    by_environment,
    matching,
    one_of,
    refers_to,
)
from infra.policies.kinds import CRYPTO_KEY, KMS, KMS_ALIAS
from infra.policies.reading import Stack, entries, items, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule
from infra.policies.statements import SAY_NO_ACCOUNT, in_resource, principals

GRANT = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
DAY = 86_400
PURPOSES = {
    "aws": {
        "data": ("aws:rds/instance:Instance", "kmsKeyId"),
        "secrets": ("aws:secretsmanager/secret:Secret", "kmsKeyId"),
        "logs": ("aws:cloudwatch/logGroup:LogGroup", "kmsKeyId"),
        "images": ("aws:ecr/repository:Repository", "encryptionConfigurations[].kmsKey"),
    },
    "gcp": {
        "data": ("gcp:sql/databaseInstance:DatabaseInstance", "encryptionKeyName"),
        "secrets": (
            "gcp:secretmanager/secret:Secret",
            "replication.userManaged.replicas[].customerManagedEncryption.kmsKeyName",
        ),
        "logs": ("gcp:logging/projectBucketConfig:ProjectBucketConfig", "cmekSettings.kmsKeyName"),
        "images": ("gcp:artifactregistry/repository:Repository", "kmsKeyName"),
    },
}
"""Cloud -> purpose -> type and input that name the key."""
KINDS = tuple({kind for purposes in PURPOSES.values() for kind, _ in purposes.values()})


def _one_purpose_each(stack: Stack) -> Found:
    uses: dict[str, dict[str, Resource]] = {}
    for purpose, (kind, path) in PURPOSES[stack.graph.cloud].items():
        for resource in stack.of(kind):
            key = stack.target(value(resource.inputs, path))
            if key is not None:
                uses.setdefault(key.name, {}).setdefault(purpose, resource)
    for key, purposes in uses.items():
        for purpose, resource in sorted(purposes.items())[1:]:
            yield Finding(resource.name, f"use the key for {purpose}: {key} is that of {sorted(purposes)[0]}")


def _services_are_bound(stack: Stack) -> Found:
    """A service may use a key for this account only, or it could be asked to by another customer's."""
    for key in stack.of(KMS):
        for statement in in_resource(key):
            if statement.get("Effect") != "Allow":
                continue
            who, conditions = principals(statement), entries(statement.get("Condition"))
            if "*" in who:
                yield Finding(key.name, "name the principals of the key's policy: * is everybody")
            bound = str(conditions)
            services = entries(statement.get("Principal")).get("Service")
            if (
                services
                and not set(items(services)) <= SAY_NO_ACCOUNT
                and not any(
                    word in bound
                    for word in ("aws:SourceAccount", "aws:SourceArn", "EncryptionContext", "kms:ViaService")
                )
            ):
                yield Finding(
                    key.name, "bind services to this account: a Condition on aws:SourceAccount or aws:SourceArn"
                )


def _no_administration_by_services(stack: Stack) -> Found:
    used = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncrypt", "kms:DescribeKey", "kms:CreateGrant")
    for key in stack.of(KMS):
        for statement in in_resource(key):
            if "Service" in entries(statement.get("Principal")):
                for action in items(statement.get("Action")):
                    if not str(action).startswith(used):
                        yield Finding(key.name, f"take {action} from the services: they use the key, people govern it")


def _has_a_policy(stack: Stack) -> Found:
    for key in stack.of(KMS):
        if not in_resource(key):
            yield Finding(key.name, "say in policy who may use the key: the default is everybody whom IAM lets")


RULES = (
    rule(
        "keys.rotated",
        "Keys turn over by themselves: every year on AWS, every 90 days on Google Cloud.",
        each(KMS, "enableKeyRotation", TRUE),
        each(KMS, "rotationPeriodInDays", at_most(365).or_absent()),
        each(CRYPTO_KEY, "rotationPeriod", at_most(90 * DAY)),
        source="INF-2; KMS.4; CIS AWS 3.6; CIS GCP 1.10",
    ),
    rule(
        "keys.can-be-brought-back",
        "A deleted key can be brought back for 30 days.",
        each(KMS, "deletionWindowInDays", by_environment({"production": at_least(30)})),
        each(CRYPTO_KEY, "destroyScheduledDuration", by_environment({"production": at_least(30 * DAY)})),
        source="INF-2; KMS.3; https://cloud.google.com/kms/docs/destroy-restore",
    ),
    rule(
        "keys.in-use",
        "Keys are enabled, symmetric, and of one region.",
        each(KMS, "isEnabled", TRUE.or_absent()),
        each(KMS, "multiRegion", NOT_TRUE),
        each(KMS, "customerMasterKeySpec", one_of("SYMMETRIC_DEFAULT").or_absent()),
        each(KMS_ALIAS, "targetKeyId", refers_to(KMS)),
        each(CRYPTO_KEY, "purpose", one_of("ENCRYPT_DECRYPT")),
        each(CRYPTO_KEY, "versionTemplate.algorithm", matching("^GOOGLE_SYMMETRIC", "GOOGLE_SYMMETRIC_ENCRYPTION")),
        each(CRYPTO_KEY, "skipInitialVersionCreation", NOT_TRUE),
        source="INF-2; https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "keys.one-purpose-each",
        "Data, secrets, logs and images have a key each: who may read logs cannot decrypt the database.",
        judged(_one_purpose_each, *KINDS),
        source="INF-2; INF-3",
    ),
    rule(
        "keys.policies-named",
        "A key's policy names who may use it, and binds services to this account.",
        judged(_has_a_policy, KMS),
        judged(_services_are_bound, KMS),
        each(KMS, "bypassPolicyLockoutSafetyCheck", NOT_TRUE),
        source="INF-3; KMS.5; https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
        severity=Severity.CRITICAL,
    ),
    rule(
        "keys.used-not-governed",
        "Services use keys; none may change, disable or delete one.",
        judged(_no_administration_by_services, KMS),
        each(GRANT, "role", one_of("roles/cloudkms.cryptoKeyEncrypterDecrypter")),
        source="INF-3; CIS GCP 1.11",
    ),
    rule(
        "keys.granted-to-services",
        "A key is granted to Google's own agents of this project, which encrypt for the stack.",
        each(GRANT, "member", matching(r"^(serviceAccount:|\$\{)", "a service account")),
        each(GRANT, "cryptoKeyId", refers_to(CRYPTO_KEY)),
        companion(CRYPTO_KEY, GRANT, "cryptoKeyId"),
        source="INF-3; CIS GCP 1.9",
        severity=Severity.CRITICAL,
    ),
    rule(
        "keys.hardware-or-software",
        "Keys are made by Cloud KMS itself, not held outside of it.",
        each(CRYPTO_KEY, "versionTemplate.protectionLevel", one_of("SOFTWARE", "HSM").or_absent()),
        each(KMS, "origin", one_of("AWS_KMS").or_absent()),
        each(KMS, "rotationPeriodInDays", between(90, 365).or_absent()),
        source="INF-2",
        severity=Severity.MEDIUM,
    ),
)
