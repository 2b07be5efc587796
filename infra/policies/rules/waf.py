"""The web application firewall: which patterns it refuses, how much it takes of one caller, what it writes down."""

from typing import Any

from infra.policies.demand import TRUE, matching, one_of
from infra.policies.kinds import ARMOR, WAF
from infra.policies.reading import Stack, items, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule

LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
MANAGED = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
)
PRECONFIGURED = ("sqli", "xss", "lfi", "rce", "scannerdetection", "protocolattack")
MOST_COUNTED = 1
"""Single rules of a managed group that only count."""
MOST_IN_FIVE_MINUTES = 10_000
MOST_IN_A_MINUTE = 2_000
SECRET_HEADERS = ("authorization", "cookie", "x-api-key")


def _managed_groups(stack: Stack) -> Found:
    for acl in stack.of(WAF):
        there: dict[str, Any] = {}
        for entry in rows(acl.inputs.get("rules")):
            group = value(entry, "statement.managedRuleGroupStatement.name")
            if group:
                there[group] = entry
        for name in MANAGED:
            entry = there.get(name)
            if entry is None or "none" not in (entry.get("overrideAction") or {}):
                yield Finding(acl.name, f"add {name} with overrideAction none: its own rules block")
                continue
            statement = value(entry, "statement.managedRuleGroupStatement")
            if len(items(statement.get("ruleActionOverrides"))) > MOST_COUNTED or statement.get("excludedRules"):
                yield Finding(acl.name, f"let the rules of {name} block: {MOST_COUNTED} may count at most")
            if statement.get("scopeDownStatement"):
                yield Finding(acl.name, f"let {name} see every request: no scopeDownStatement")
            if statement.get("vendorName") != "AWS":
                yield Finding(acl.name, f"take {name} from vendorName AWS")


def _preconfigured_rules(stack: Stack) -> Found:
    for policy in stack.of(ARMOR):
        rules = items(policy.inputs.get("rules"))
        for name in PRECONFIGURED:
            own = [found for found in rules if f"'{name}-" in str(value(found, "match.expr.expression"))]
            if not any(str(found.get("action")).startswith("deny") and not found.get("preview") for found in own):
                yield Finding(policy.name, f"add a rule that denies evaluatePreconfiguredWaf('{name}-…')")
            for found in own:
                if "'sensitivity': 0" in str(value(found, "match.expr.expression")):
                    yield Finding(policy.name, f"give {name} a sensitivity of 1 or more: 0 switches it off")
        for found in rules:
            allows_all = found.get("action") == "allow" and "*" in items(value(found, "match.config.srcIpRanges"))
            if allows_all and found.get("priority") != 2147483647:
                yield Finding(
                    policy.name,
                    f"remove the rule of priority {found.get('priority')}: it lets all pass before the others",
                )


def _rates(stack: Stack) -> Found:
    for acl in stack.of(WAF):
        rates = [found for found in rows(acl.inputs.get("rules")) if value(found, "statement.rateBasedStatement")]
        whole = [found for found in rates if not value(found, "statement.rateBasedStatement.scopeDownStatement")]
        if not any("block" in (found.get("action") or {}) for found in whole):
            yield Finding(acl.name, "add a rate rule over all requests that blocks")
        for found in rates:
            statement = value(found, "statement.rateBasedStatement")
            limit, window = statement.get("limit") or 0, statement.get("evaluationWindowSec") or 300
            if not 0 < limit * 300 / window <= MOST_IN_FIVE_MINUTES or "block" not in (found.get("action") or {}):
                yield Finding(
                    acl.name, f"let {found.get('name')} block above {MOST_IN_FIVE_MINUTES} in 5 minutes, or fewer"
                )
            if statement.get("aggregateKeyType") not in ("IP", "FORWARDED_IP"):
                yield Finding(acl.name, f"let {found.get('name')} count by address")
    for policy in stack.of(ARMOR):
        rates = [found for found in rows(policy.inputs.get("rules")) if found.get("rateLimitOptions")]
        whole = [found for found in rates if "*" in items(value(found, "match.config.srcIpRanges"))]
        if not any(
            found.get("action") in ("throttle", "rate_based_ban") and not found.get("preview") for found in whole
        ):
            yield Finding(policy.name, "add a rule of action throttle over all addresses")
        for found in rates:
            options = found["rateLimitOptions"]
            count, seconds = (value(options, f"rateLimitThreshold.{key}") or 0 for key in ("count", "intervalSec"))
            exceeds = str(options.get("exceedAction"))
            if not 0 < count * 60 / (seconds or 1) <= MOST_IN_A_MINUTE or not exceeds.startswith("deny"):
                yield Finding(policy.name, f"deny above {MOST_IN_A_MINUTE} requests a minute, or fewer")
            if options.get("enforceOnKey") not in ("IP", "XFF_IP"):
                yield Finding(policy.name, "count by address: enforceOnKey IP")


def _credentials_redacted(stack: Stack) -> Found:
    for logging in stack.of(LOGGING):
        redacted = {value(found, "singleHeader.name") for found in rows(logging.inputs.get("redactedFields"))}
        for header in SECRET_HEADERS:
            if header not in redacted:
                yield Finding(logging.name, f"add the header {header} to redactedFields")


def _blocked_is_kept(stack: Stack) -> Found:
    for logging in stack.of(LOGGING):
        chosen = logging.inputs.get("loggingFilter")
        if not chosen or chosen.get("defaultBehavior") == "KEEP":
            continue
        kept = str([found for found in rows(chosen.get("filters")) if found.get("behavior") == "KEEP"])
        if "'BLOCK'" not in kept:
            yield Finding(logging.name, "keep what was blocked: a filter of behavior KEEP on the action BLOCK")


def _sign_ins(stack: Stack) -> Found:
    for acl in stack.of(WAF):
        scoped = [
            value(found, "statement.rateBasedStatement.scopeDownStatement") for found in rows(acl.inputs.get("rules"))
        ]
        if not any("/auth" in text for text in texts(scoped)):
            yield Finding(acl.name, "add a rate rule of its own for what begins with /auth")
    for policy in stack.of(ARMOR):
        scoped = [found.get("match") for found in rows(policy.inputs.get("rules")) if found.get("rateLimitOptions")]
        if not any("auth" in text for text in texts(scoped)):
            yield Finding(policy.name, "add a rule of action throttle of its own for what begins with /auth")


RULES = (
    rule(
        "waf.known-attacks-refused",
        "The known patterns of attack are refused, not just counted: injection, scripts, paths, bad addresses.",
        judged(_managed_groups, WAF),
        judged(_preconfigured_rules, ARMOR),
        source="INF-6; WAF.10; https://cloud.google.com/armor/docs/waf-rules",
    ),
    rule(
        "waf.floods-refused",
        "One address gets so many requests and no more.",
        judged(_rates, WAF, ARMOR),
        source="INF-6; API-2",
    ),
    rule(
        "waf.guessing-refused",
        "Sign-ins of one address are limited apart, well below all its requests.",
        judged(_sign_ins, WAF, ARMOR),
        source="AUTH-6; INF-6",
        severity=Severity.MEDIUM,
    ),
    rule(
        "waf.adaptive",
        "The firewall learns what is usual and reports what is not.",
        each(ARMOR, "adaptiveProtectionConfig.layer7DdosDefenseConfig.enable", TRUE),
        source="GCP-1; https://cloud.google.com/armor/docs/adaptive-protection-overview",
        severity=Severity.MEDIUM,
    ),
    rule(
        "waf.bodies-read",
        "Bodies are read as the JSON that they are.",
        each(ARMOR, "advancedOptionsConfig.jsonParsing", matching("^STANDARD", "STANDARD")),
        each(ARMOR, "type", one_of("CLOUD_ARMOR").or_absent()),
        source="INF-6; https://cloud.google.com/armor/docs/security-policy-overview",
        severity=Severity.MEDIUM,
    ),
    rule(
        "waf.logged",
        "What the firewall blocks is written down and counted.",
        companion(WAF, LOGGING, "resourceArn"),
        judged(_blocked_is_kept, LOGGING),
        each(WAF, "visibilityConfig.cloudwatchMetricsEnabled", TRUE),
        each(WAF, "visibilityConfig.sampledRequestsEnabled", TRUE),
        each(WAF, "rules[].visibilityConfig.cloudwatchMetricsEnabled", TRUE),
        each(WAF, "rules[].visibilityConfig.sampledRequestsEnabled", TRUE),
        each(ARMOR, "advancedOptionsConfig.logLevel", one_of("NORMAL", "VERBOSE")),
        source="INF-6; WAF.11; WAF.12",
        severity=Severity.MEDIUM,
    ),
    rule(
        "waf.credentials-not-logged",
        "The firewall's log holds no credentials.",
        judged(_credentials_redacted, LOGGING),
        source="INF-2; DATA-4",
    ),
)
