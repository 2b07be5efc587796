"""What is written down, for how long, and where nobody else reads it."""

from infra.policies.demand import (
    NOT_TRUE,
    PRESENT,
    TRUE,
    at_least,
    between,
    by_environment,
    one_of,
)
from infra.policies.kinds import GCS, LOG_BUCKET, LOGS, S3
from infra.policies.reading import Stack, entries, opened, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule, some

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
TRAIL = "aws:cloudtrail/trail:Trail"
DETECTOR = "aws:guardduty/detector:Detector"
FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
RECORDER = "aws:cfg/recorder:Recorder"
RECORDER_STATUS = "aws:cfg/recorderStatus:RecorderStatus"
CHANNEL = "aws:cfg/deliveryChannel:DeliveryChannel"
SINK = "gcp:logging/projectSink:ProjectSink"
AUDIT = "gcp:projects/iAMAuditConfig:IAMAuditConfig"
KEPT = by_environment({"production": between(90, 3653), "staging": between(30, 3653), "development": between(7, 3653)})
SENSITIVE = ("secretmanager.googleapis.com", "cloudkms.googleapis.com", "cloudsql.googleapis.com")
IN_PRODUCTION = ("production",)


def _log_lifecycles(stack: Stack) -> Found:
    for lifecycle in stack.of(LIFECYCLE):
        enabled = [found for found in rows(lifecycle.inputs.get("rules")) if found.get("status") == "Enabled"]
        if not any(value(found, "expiration.days") for found in enabled):
            yield Finding(lifecycle.name, "let objects expire: an Enabled rule with expiration.days")
        for found in enabled:
            days = value(found, "expiration.days")
            if days is not None and not KEPT.holds(days, stack):
                yield Finding(lifecycle.name, f"keep what is written down {KEPT.wording(stack)} days: {days}")
            former = value(found, "noncurrentVersionExpiration.noncurrentDays")
            if former is not None and not at_least(7).holds(former, stack):
                yield Finding(lifecycle.name, "keep former versions 7 days or more: noncurrentDays")


def _trail_covers_all(stack: Stack) -> Found:
    for trail in stack.of(TRAIL):
        for key, wanted in (
            ("isMultiRegionTrail", True),
            ("enableLogFileValidation", True),
            ("includeGlobalServiceEvents", True),
            ("enableLogging", True),
        ):
            found = trail.inputs.get(key)
            is_default = found is None and key in ("includeGlobalServiceEvents", "enableLogging")
            if found is not wanted and not is_default:
                yield Finding(trail.name, f"set {key} to true")
        if not trail.inputs.get("s3BucketName"):
            yield Finding(trail.name, "name the bucket in s3BucketName")


def _reading_is_written_down(stack: Stack) -> Found:
    """Who reads a secret, uses a key or asks for a database is in the audit log, which Google leaves out by default."""
    if stack.graph.cloud != "gcp":
        return
    audited: dict[str, set[str]] = {}
    for audit in stack.of(AUDIT):
        kinds = {str(found.get("logType")) for found in rows(audit.inputs.get("auditLogConfigs"))}
        audited.setdefault(str(audit.inputs.get("service")), set()).update(kinds)
        for found in rows(audit.inputs.get("auditLogConfigs")):
            if found.get("exemptedMembers"):
                yield Finding(audit.name, "exempt nobody: remove exemptedMembers")
    whole = audited.get("allServices", set())
    for service in SENSITIVE:
        if not {"DATA_READ", "DATA_WRITE"} <= whole | audited.get(service, set()):
            yield Finding(stack.graph.stack, f"add an IAMAuditConfig of DATA_READ and DATA_WRITE for {service}")


def _recorder_records_all(stack: Stack) -> Found:
    for recorder in stack.of(RECORDER):
        if value(recorder.inputs, "recordingGroup.allSupported") is False and not value(
            recorder.inputs, "recordingGroup.recordingStrategies"
        ):
            yield Finding(recorder.name, "set recordingGroup.allSupported to true")
        if not stack.referring(recorder, RECORDER_STATUS, "name"):
            yield Finding(recorder.name, "add a RecorderStatus: a recorder that is not started records nothing")
    for status in stack.of(RECORDER_STATUS):
        if status.inputs.get("isEnabled") is not True:
            yield Finding(status.name, "set isEnabled to true")


def _sinks_carry(stack: Stack) -> Found:
    for sink in stack.of(SINK):
        if sink.inputs.get("disabled"):
            yield Finding(sink.name, "set disabled to false")
        if stack.target(sink.inputs.get("destination")) is None and "${" in str(sink.inputs.get("destination")):
            yield Finding(sink.name, "name the stack's own log bucket in destination")
        if "severity" in str(sink.inputs.get("filter")).lower():
            yield Finding(sink.name, "carry lines of every severity")
        if entries(opened(sink.inputs.get("exclusions"))):
            yield Finding(sink.name, "exclude nothing")


def _features(stack: Stack) -> Found:
    """What GuardDuty looks at beyond the network: objects, sign-ins to the database, what runs in the containers."""
    for detector in stack.of(DETECTOR):
        features = {str(found.inputs.get("name")): found for found in stack.referring(detector, FEATURE, "detectorId")}
        for name in ("S3_DATA_EVENTS", "RDS_LOGIN_EVENTS", "RUNTIME_MONITORING"):
            if name not in features:
                yield Finding(detector.name, f"add the DetectorFeature {name}")
        for name, feature in features.items():
            further = [found.get("status") for found in rows(feature.inputs.get("additionalConfigurations"))]
            if feature.inputs.get("status") != "ENABLED" or set(further) - {"ENABLED"}:
                yield Finding(feature.name, f"set the status of {name} to ENABLED")


RULES = (
    rule(
        "logging.kept",
        "Logs are kept for 90 days in production, 30 in staging, 7 in development, and none for ever.",
        each(LOGS, "retentionInDays", KEPT),
        each(LOG_BUCKET, "retentionDays", KEPT),
        judged(_log_lifecycles, LIFECYCLE),
        source="INF-5; COST-5; CloudWatch.16; CIS GCP 2.3; PCI DSS 10.5.1",
    ),
    rule(
        "logging.buckets-closed",
        "No bucket can be opened to the public.",
        companion(S3, BLOCK, "bucket"),
        each(BLOCK, "blockPublicAcls", TRUE),
        each(BLOCK, "blockPublicPolicy", TRUE),
        each(BLOCK, "ignorePublicAcls", TRUE),
        each(BLOCK, "restrictPublicBuckets", TRUE),
        each(GCS, "publicAccessPrevention", one_of("enforced")),
        source="INF-3; S3.1; S3.8; CIS AWS 2.1.4; CIS GCP 5.1",
        severity=Severity.CRITICAL,
    ),
    rule(
        "logging.buckets-by-policy",
        "Who may do what in a bucket is said in its policy, not object by object.",
        companion(S3, OWNERSHIP, "bucket"),
        each(OWNERSHIP, "rule.objectOwnership", one_of("BucketOwnerEnforced")),
        each(GCS, "uniformBucketLevelAccess", TRUE),
        source="INF-3; S3.12; CIS GCP 5.2",
    ),
    rule(
        "logging.buckets-keep-versions",
        "What is written down cannot be overwritten unseen.",
        companion(S3, VERSIONING, "bucket"),
        each(VERSIONING, "versioningConfiguration.status", one_of("Enabled")),
        source="OPS-10; S3.14",
        severity=Severity.MEDIUM,
    ),
    rule(
        "logging.buckets-expire",
        "Each bucket lets go of what is old.",
        companion(S3, LIFECYCLE, "bucket"),
        source="COST-5; S3.13; GDPR 5",
        severity=Severity.MEDIUM,
    ),
    rule(
        "logging.calls-recorded",
        "Production records every call of the cloud's API, in all regions, so that a changed record shows.",
        some(TRAIL, why="who changed what in the account is written down nowhere else"),
        judged(_trail_covers_all, TRAIL),
        source="AWS-6; OPS-10; CloudTrail.1; CloudTrail.4; CIS AWS 3.1; CIS AWS 3.2",
        environments=IN_PRODUCTION,
    ),
    rule(
        "logging.reading-recorded",
        "Production records who reads secrets, uses keys and asks for the database.",
        judged(_reading_is_written_down, "gcp:projects/service:Service", AUDIT, asks_for=True),
        source="DATA-4; OPS-10; CIS GCP 2.1",
        severity=Severity.MEDIUM,
        environments=IN_PRODUCTION,
    ),
    rule(
        "logging.threats-looked-for",
        "Production looks for threats in what is written down.",
        some(DETECTOR, why="nobody reads the logs for signs of an attack otherwise"),
        each(DETECTOR, "enable", TRUE.or_absent()),
        judged(_features, DETECTOR),
        source="AWS-6; GuardDuty.1",
        severity=Severity.MEDIUM,
        environments=IN_PRODUCTION,
    ),
    rule(
        "logging.changes-recorded",
        "Production records how its resources were set, and when that changed.",
        some(RECORDER, why="how a resource was set last week is written down nowhere else"),
        judged(_recorder_records_all, RECORDER, RECORDER_STATUS),
        companion(RECORDER, RECORDER_STATUS, "name"),
        source="AWS-6; Config.1; CIS AWS 3.3",
        severity=Severity.MEDIUM,
        environments=IN_PRODUCTION,
    ),
    rule(
        "logging.own-bucket",
        "Logs on Google Cloud go to the stack's own bucket.",
        some(LOG_BUCKET, why="the project's own is kept for 30 days, under Google's key"),
        some(SINK, why="nothing reaches the stack's log bucket without it"),
        judged(_sinks_carry, SINK),
        each(SINK, "uniqueWriterIdentity", TRUE.or_absent()),
        each(LOG_BUCKET, "locked", NOT_TRUE),
        each(SINK, "destination", PRESENT),
        source="INF-2; GCP-3; CIS GCP 2.2",
        severity=Severity.MEDIUM,
    ),
)
