"""What travels encrypted, and how well."""

from infra.policies.containers import containers
from infra.policies.demand import (
    FALSE,
    PRESENT,
    TRUE,
    at_least,
    matching,
    none_of,
    one_of,
    refers_to,
)
from infra.policies.kinds import (
    BACKEND,
    EFS,
    ELASTICACHE,
    HTTPS_PROXY,
    LISTENER,
    RDS,
    RDS_PARAMETERS,
    REDIS,
    S3,
    S3_POLICY,
    SQL,
    TASK,
    TLS_POLICY,
    TOPIC,
    VALKEY,
)
from infra.policies.reading import Stack, entries, items, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule, setting
from infra.policies.statements import in_resource

TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
EFS_POLICY = "aws:efs/fileSystemPolicy:FileSystemPolicy"
CERTIFICATE = "aws:acm/certificate:Certificate"
MANAGED_CERTIFICATE = "gcp:certificatemanager/certificate:Certificate"
PRIVATE_KEY = "tls:index/privateKey:PrivateKey"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
GOOD_POLICIES = (
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
)


def _is_https(_: Stack, listener: object) -> bool:
    return getattr(listener, "inputs", {}).get("protocol") == "HTTPS"


def _refuses_clear(stack: Stack) -> Found:
    """A document that denies, to everybody, what comes without TLS."""
    for resource in stack.of(S3_POLICY, EFS_POLICY, TOPIC_POLICY):
        denied = [
            statement
            for statement in in_resource(resource)
            if statement.get("Effect") == "Deny"
            and entries(entries(statement.get("Condition")).get("Bool")).get("aws:SecureTransport") == "false"
            and statement.get("Principal") in ("*", {"AWS": "*"})
        ]
        if not denied:
            yield Finding(resource.name, "deny to everybody what comes with aws:SecureTransport false")
        elif resource.type == S3_POLICY and not any("s3:*" in items(statement.get("Action")) for statement in denied):
            yield Finding(resource.name, "deny every action of s3 without TLS: Action s3:*")


def _folders_by_tls(stack: Stack) -> Found:
    for task in stack.of(TASK):
        for volume in rows(task.inputs.get("volumes")):
            folder = volume.get("efsVolumeConfiguration")
            if folder is None:
                continue
            if folder.get("transitEncryption") != "ENABLED":
                yield Finding(task.name, f"set transitEncryption ENABLED for volume {volume.get('name')}")
            if value(folder, "authorizationConfig.iam") != "ENABLED":
                yield Finding(task.name, f"set authorizationConfig.iam ENABLED for volume {volume.get('name')}")
            if not value(folder, "authorizationConfig.accessPointId"):
                yield Finding(task.name, f"mount volume {volume.get('name')} by an access point, not from the root")


def _settings_ask_for_tls(stack: Stack) -> Found:
    for container in containers(stack):
        for name, found in container.environment.items():
            text = str(found)
            # Inside the network's own names, and to itself, HTTP is as on the way from the front.
            inner = ".internal" in text or "127.0.0.1" in text or "localhost" in text
            if text.startswith(("redis://", "http://", "ws://", "ldap://", "smtp://")) and not inner:
                yield Finding(
                    container.resource.name, f"{name} of {container.name} leads to {text.split(':')[0]}: use TLS"
                )
            if name in ("DB_SSL", "PGSSLMODE") and text.lower() in ("false", "0", "disable", "allow", "prefer"):
                yield Finding(container.resource.name, f"{name} of {container.name} is {text}: require TLS")


RULES = (
    rule(
        "tls.front",
        "The front takes TLS 1.2 with forward secrecy, or 1.3, and nothing older.",
        each(LISTENER, "sslPolicy", one_of(*GOOD_POLICIES), when=_is_https),
        each(LISTENER, "certificateArn", PRESENT, when=_is_https),
        each(TLS_POLICY, "minTlsVersion", one_of("TLS_1_2", "TLS_1_3")),
        each(TLS_POLICY, "profile", one_of("MODERN", "RESTRICTED", "FIPS_202205")),
        each(HTTPS_PROXY, "sslPolicy", refers_to(TLS_POLICY)),
        source="INF-2; AWS-2; ELB.17; CIS GCP 3.9; PCI DSS 4.2.1",
        severity=Severity.CRITICAL,
    ),
    rule(
        "tls.no-early-data",
        "No request is taken before the handshake ends: it could be sent twice by somebody who listens.",
        each(HTTPS_PROXY, "tlsEarlyData", one_of("DISABLED").or_absent()),
        source="INF-2; CRED-2; RFC 8446 8",
    ),
    rule(
        "tls.certificates-by-dns",
        "Certificates are proven by DNS, so that they renew by themselves, and their issue is public.",
        each(CERTIFICATE, "validationMethod", one_of("DNS"), when=lambda _, found: "domainName" in found.inputs),
        each(
            CERTIFICATE,
            "options.certificateTransparencyLoggingPreference",
            one_of("ENABLED"),
            when=lambda _, found: "domainName" in found.inputs,
        ),
        each(CERTIFICATE, "keyAlgorithm", none_of("RSA_1024").or_absent()),
        each(MANAGED_CERTIFICATE, "managed.dnsAuthorizations[]", PRESENT),
        source="INF-8; ACM.1; ACM.2",
        severity=Severity.MEDIUM,
    ),
    rule(
        "tls.own-keys-strong",
        "A key that the program makes itself is as long as a browser wants it.",
        each(PRIVATE_KEY, "rsaBits", at_least(2048), when=lambda _, found: found.inputs.get("algorithm") == "RSA"),
        each(PRIVATE_KEY, "ecdsaCurve", matching("^P(256|384|521)$", "P256 or longer").or_absent()),
        each(SELF_SIGNED, "isCaCertificate", FALSE.or_absent()),
        source="INF-2",
        severity=Severity.MEDIUM,
    ),
    rule(
        "tls.database",
        "The database refuses what comes in clear, with a certificate of an authority that lasts.",
        setting(RDS_PARAMETERS, "parameters", "rds.force_ssl", one_of("1")),
        each(RDS, "caCertIdentifier", matching("^rds-ca-(rsa|ecc)", "an authority of 2024 or later")),
        each(RDS, "parameterGroupName", refers_to(RDS_PARAMETERS)),
        each(SQL, "settings.ipConfiguration.sslMode", one_of("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")),
        each(
            SQL,
            "settings.ipConfiguration.serverCaMode",
            one_of("GOOGLE_MANAGED_INTERNAL_CA", "GOOGLE_MANAGED_CAS_CA", "CUSTOMER_MANAGED_CAS_CA"),
        ),
        source="DATA-1; INF-2; AWS-3; CIS GCP 6.4",
        severity=Severity.CRITICAL,
    ),
    rule(
        "tls.cache",
        "The cache speaks TLS only.",
        each(ELASTICACHE, "transitEncryptionEnabled", TRUE),
        each(ELASTICACHE, "transitEncryptionMode", one_of("required")),
        each(REDIS, "transitEncryptionMode", one_of("SERVER_AUTHENTICATION")),
        each(VALKEY, "transitEncryptionMode", one_of("SERVER_AUTHENTICATION")),
        source="DATA-1; AWS-4; GCP-2; ElastiCache.5",
        severity=Severity.CRITICAL,
    ),
    rule(
        "tls.folders",
        "Shared folders are mounted by TLS, by a role that may, at their own access point.",
        judged(_folders_by_tls, TASK),
        companion(EFS, EFS_POLICY, "fileSystemId"),
        source="INF-2; EFS.3; EFS.4; ECS.18",
    ),
    rule(
        "tls.storage-refuses-clear",
        "Buckets, shared folders and topics refuse what comes in clear.",
        companion(S3, S3_POLICY, "bucket"),
        companion(TOPIC, TOPIC_POLICY, "arn"),
        judged(_refuses_clear, S3_POLICY, EFS_POLICY, TOPIC_POLICY),
        source="INF-2; S3.5; CIS AWS 2.1.1",
    ),
    rule(
        "tls.settings",
        "No setting leads a service out in clear.",
        judged(
            _settings_ask_for_tls,
            TASK,
            "gcp:cloudrunv2/service:Service",
            "gcp:cloudrunv2/workerPool:WorkerPool",
            "gcp:cloudrunv2/job:Job",
        ),
        source="INF-2; DATA-1",
    ),
    rule(
        "tls.to-the-services",
        "The front speaks to services on Cloud Run by TLS.",
        each(BACKEND, "protocol", one_of("HTTPS", "HTTP2")),
        source="INF-2; https://cloud.google.com/load-balancing/docs/https/setup-global-ext-https-serverless",
    ),
)
