"""Secrets, keys, and who is watched."""

from infra.parity.capability import PRODUCTION, Capability, at_least, every, has, nowhere, of_type
from infra.policies import kinds

SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"

CAPABILITIES = (
    Capability(
        "secrets",
        "in the secret store under a key of its own",
        aws=every(kinds.ASM, "kmsKeyId"),
        gcp=every(kinds.GSM, "replication.userManaged.replicas[].customerManagedEncryption.kmsKeyName"),
    ),
    Capability(
        "secrets",
        "given to services by reference",
        aws=has(kinds.TASK, "containerDefinitions[].secrets[].valueFrom"),
        gcp=has(kinds.RUN, "template.containers[].envs[].valueSource.secretKeyRef.version"),
    ),
    Capability(
        "secrets",
        "how often each has to change",
        aws=has(kinds.ASM, "tags.rotation-days"),
        gcp=has(kinds.GSM, "rotation.rotationPeriod"),
    ),
    Capability(
        "secrets",
        "told when one is due",
        aws=of_type("aws:secretsmanager/secretRotation:SecretRotation"),
        gcp=has(kinds.GSM, "topics[].name"),
    ),
    Capability(
        "secrets",
        "can be had back for a week or more",
        aws=every(kinds.ASM, "recoveryWindowInDays", at_least(7)),
        gcp=every(kinds.GSM, "versionDestroyTtl"),
    ),
    Capability(
        "keys",
        "rotated by themselves",
        aws=every(kinds.KMS, "enableKeyRotation", True),
        gcp=every(kinds.CRYPTO_KEY, "rotationPeriod"),
    ),
    Capability(
        "keys",
        "a month before one is gone",
        aws=every(kinds.KMS, "deletionWindowInDays", 30),
        gcp=every(kinds.CRYPTO_KEY, "destroyScheduledDuration", "2592000s"),
    ),
    Capability("keys", "one a purpose", aws=of_type(kinds.KMS, least=4), gcp=of_type(kinds.CRYPTO_KEY, least=4)),
    Capability(
        "oversight",
        "record of who did what",
        aws=of_type("aws:cloudtrail/trail:Trail"),
        gcp=of_type("gcp:projects/iAMAuditConfig:IAMAuditConfig"),
        environments=PRODUCTION,
    ),
    Capability(
        "oversight",
        "threats recognized",
        aws=of_type("aws:guardduty/detector:Detector"),
        gcp=nowhere,
        environments=PRODUCTION,
    ),
    Capability(
        "oversight",
        "record of every configuration",
        aws=of_type("aws:cfg/recorder:Recorder"),
        gcp=nowhere,
        environments=PRODUCTION,
    ),
    Capability(
        "oversight",
        "labels on all that costs",
        aws=has(kinds.AWS_PROVIDER, "defaultTags.tags.stack"),
        gcp=has(kinds.GCP_PROVIDER, "defaultLabels.stack"),
    ),
)
