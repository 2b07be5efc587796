"""The public front: load balancer, certificate, names, firewall."""

from infra.parity.capability import (
    ABOVE_DEVELOPMENT,
    PRODUCTION,
    Capability,
    at_least,
    both,
    every,
    has,
    limits,
    nowhere,
    of_type,
    says,
)
from infra.policies import kinds

RECORD = "aws:route53/record:Record"
RECORD_SET = "gcp:dns/recordSet:RecordSet"
BACKENDS_LOG = every(kinds.BACKEND, "logConfig.enable", True)

CAPABILITIES = (
    Capability(
        "edge",
        "load balancer for HTTPS",
        aws=has(kinds.LISTENER, "protocol", "HTTPS"),
        gcp=has("gcp:compute/globalForwardingRule:GlobalForwardingRule", "portRange", "443"),
    ),
    Capability(
        "edge",
        "HTTP answered with 301 to HTTPS",
        aws=has(kinds.LISTENER, "defaultActions[].redirect.statusCode", "HTTP_301"),
        gcp=has(kinds.URL_MAP, "defaultUrlRedirect.redirectResponseCode", "MOVED_PERMANENTLY_DEFAULT"),
    ),
    Capability(
        "edge",
        "TLS 1.2 at least, with 1.3",
        aws=has(kinds.LISTENER, "sslPolicy", says("TLS13-1-2")),
        gcp=both(has(kinds.TLS_POLICY, "minTlsVersion", "TLS_1_2"), has(kinds.HTTPS_PROXY, "sslPolicy")),
    ),
    Capability(
        "edge",
        "certificate that renews itself",
        aws=has("aws:acm/certificate:Certificate", "validationMethod", "DNS"),
        gcp=has("gcp:certificatemanager/certificate:Certificate", "managed.domains"),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "edge",
        "certificate authorities named in DNS (CAA)",
        aws=has(RECORD, "type", "CAA"),
        gcp=has(RECORD_SET, "type", "CAA"),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "edge",
        "DNS zone of its own",
        aws=of_type("aws:route53/zone:Zone"),
        gcp=of_type(kinds.ZONE),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "edge",
        "signed DNS (DNSSEC)",
        aws=of_type("aws:route53/hostedZoneDnsSec:HostedZoneDnsSec"),
        gcp=has(kinds.ZONE, "dnssecConfig.state", "on"),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "edge",
        "WAF with managed rules",
        aws=has(kinds.WAF, "rules[].statement.managedRuleGroupStatement.name"),
        gcp=has(kinds.ARMOR, "rules[].match.expr.expression", says("evaluatePreconfiguredWaf")),
    ),
    Capability(
        "edge",
        "rate limit an address",
        aws=has(kinds.WAF, "rules[].statement.rateBasedStatement.limit", at_least(1000)),
        gcp=has(kinds.ARMOR, "rules[].rateLimitOptions.rateLimitThreshold.count", at_least(100)),
    ),
    Capability(
        "edge",
        "lower rate limit for sign-ins",
        aws=has(
            kinds.WAF,
            "rules[].statement.rateBasedStatement.scopeDownStatement.byteMatchStatement.searchString",
            "/auth/",
        ),
        gcp=has(kinds.ARMOR, "rules[]", limits("auth")),
    ),
    Capability(
        "edge",
        "WAF log",
        aws=of_type("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"),
        gcp=both(has(kinds.ARMOR, "advancedOptionsConfig.logLevel"), BACKENDS_LOG),
    ),
    Capability(
        "edge",
        "attacks recognized by learning",
        aws=has(
            kinds.WAF,
            "rules[].statement.managedRuleGroupStatement.name",
            "AWSManagedRulesAntiDDoSRuleSet",
        ),
        gcp=has(kinds.ARMOR, "adaptiveProtectionConfig.layer7DdosDefenseConfig.enable", True),
    ),
    Capability("edge", "access log", aws=has(kinds.ALB, "accessLogs.enabled", True), gcp=BACKENDS_LOG),
    Capability(
        "edge",
        "metrics refused from outside",
        aws=has("aws:lb/listenerRule:ListenerRule", "conditions[].pathPattern.values[]", says("/metrics")),
        gcp=has(kinds.ARMOR, "rules[].match.expr.expression", says("metrics")),
    ),
    Capability(
        "edge",
        "invalid headers dropped, ambiguous requests refused",
        aws=both(has(kinds.ALB, "dropInvalidHeaderFields", True), has(kinds.ALB, "desyncMitigationMode", "strictest")),
        gcp=nowhere,
    ),
    Capability(
        "edge",
        "load balancer protected from deletion",
        aws=has(kinds.ALB, "enableDeletionProtection", True),
        gcp=nowhere,
        environments=PRODUCTION,
    ),
    Capability(
        "edge",
        "HTTP/2 or newer",
        aws=has(kinds.ALB, "enableHttp2", True),
        gcp=has(kinds.HTTPS_PROXY, "quicOverride", "ENABLE"),
    ),
    Capability(
        "edge",
        "checks from outside",
        aws=has("aws:route53/healthCheck:HealthCheck", "resourcePath"),
        gcp=has("gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig", "httpCheck.path"),
        environments=PRODUCTION,
    ),
)
