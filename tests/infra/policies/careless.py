"""What a careless edit may do to one value, by the name of its key and by what it is."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from infra.graph import Resource

SECURITY_WORD = re.compile(
    r"encrypt|kms|cmek|protect|public|private|secur|auth|iam|tls|ssl|https?(?![a-z])|block|ignore|restrict|enforce|deny"
    r"|drop|invalid|verify|validat|skip|force|delet|destroy|retain|backup|snapshot|recover|rotation|version|immutable"
    r"|scan|log|trail|audit|monitor|insight|health|failover|multi|highly|replica|redundan|autoresize|auto|rollback"
    r"|privileg|readonly|root|network|nat|ipv4|access|internal|external|dns|google|enable|disable|insecure"
    r"|apply|upgrade|essential|canary|initProcess|copyTags|unique|uniform|offload|execute|proxy|cdn|quic|cpuIdle",
    re.I,
)
"""A boolean whose key has such a word, or lies below one, is worth turning."""
DURATION_WORD = re.compile(
    r"retention|retained|days|backup|kept|deleteAfter|minimum|^min(?!ute)|capacity|recovery|clusters|sensitivity|sampl"
    r"|(min|manual|replica|desired|keep)\w*count|(^|key)length$|rotation|destroy|deletion|drain",
    re.I,
)
"""A number by which something is kept, or stands more than once: lowered to a tenth."""
CEILING_WORD = re.compile(r"^(threshold|thresholdValue|maxSessionDuration|maxRetries|limit)$", re.I)
"""A number above which somebody is told or refused: raised a hundredfold."""

KEY_WORD = re.compile(r"kms|encryptionKey|cmek|customerManaged", re.I)
LOG_WORD = re.compile(
    r"^(logConfig|logging|logConfiguration|accessLogs|connectionLogs|cloudLoggingConfig|loggingFilter)$|LogsExports$|^logDelivery",
    re.I,
)
HELD_WORD = re.compile(
    r"^(securityPolicy|sslPolicy|webAclArn|notificationChannels|alarmActions|permissionsBoundary|securityGroups"
    r"|securityGroupIds|vpcSecurityGroupIds|condition|rotation|topics|serviceAccount|parameterGroupName|userGroupIds|healthCheck"
    r"|startupProbe|livenessProbe|maintenanceWindow|finalSnapshotIdentifier|ingress|targetTags|runExecutionToken)$"
)
"""References and parts that hold something: left out."""
ZONE_LISTS = re.compile(r"subnet|zones?$|replicas$", re.I)
SECRET_KEY_NAMES = ("DATABASE_PASSWORD", "STRIPE_SECRET_KEY")
WEAKER = {
    "TLS_1_2": "TLS_1_0",
    "TLS_1_3": "TLS_1_0",
    "RESTRICTED": "COMPATIBLE",
    "MODERN": "COMPATIBLE",
    "HTTPS": "HTTP",
    "ENCRYPTED_ONLY": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
    "SERVER_AUTHENTICATION": "DISABLED",
    "required": "preferred",
    "strictest": "monitor",
    "REGIONAL": "ZONAL",
    "STANDARD_HA": "BASIC",
    "IMMUTABLE": "MUTABLE",
    "enforced": "inherited",
    "BucketOwnerEnforced": "ObjectWriter",
    "Enabled": "Suspended",
    "ENABLED": "DISABLED",
    "DISABLED": "ENABLED",
    "INHERITED": "DISABLED",
    "on": "off",
    "off": "on",
    "scram-sha-256": "md5",
    "scram": "md5+scram",
    "aws:kms": "AES256",
    "KMS": "AES256",
    "DNS": "EMAIL",
    "ALL": "REJECT",
    "ALL_TRAFFIC": "PRIVATE_RANGES_ONLY",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER": "INGRESS_TRAFFIC_ALL",
    "PRIVATE_SERVICE_ACCESS": "DIRECT_PEERING",
    "WITHIN_PROJECT": "UNRESTRICTED",
    "CLOUD_ARMOR": "CLOUD_ARMOR_EDGE",
    "HTTP_301": "HTTP_302",
    "RDB": "DISABLED",
    "FARGATE": "FARGATE_SPOT",
    "gp3": "standard",
    "PD_SSD": "PD_HDD",
    "deny(403)": "allow",
    "deny(429)": "allow",
    "enhanced": "disabled",
    "fixed-response": "forward",
    "redirect": "forward",
    "INTERNAL": "EXTERNAL",
    "SUCCESS": "START",
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": "roles/cloudkms.admin",
}
"""A value that says how strict something is, and a laxer one that the provider takes too."""


class _Gone:
    pass


GONE = _Gone()
JSON = "(json)"
"""A step into JSON within a text."""
Path = tuple[str | int, ...]
Edit = tuple[str, str, Any]


def edits(path: Path, value: Any, resource: Resource) -> Iterator[Edit]:
    """Kind, words and new value of each."""
    key = str(next((step for step in reversed(path) if isinstance(step, str) and step != JSON), ""))
    words = ".".join(str(step) for step in path if isinstance(step, str))
    if isinstance(value, bool):
        if SECURITY_WORD.search(words):
            yield "switch", f"{str(value).lower()} -> {str(not value).lower()}", not value
    elif isinstance(value, int | float):
        if DURATION_WORD.search(key) and value > 0:
            yield "number", f"{value} -> {value // 10}", value // 10
        if CEILING_WORD.search(key) or (key == "count" and "rateLimit" in words):
            below = "Less" in str(resource.inputs.get("comparisonOperator"))
            lax = value // 100 if below else value * 100 or 1000
            yield "ceiling", f"{value} -> {lax}", lax
        if key == "fromPort":
            yield "port", f"{value} -> 0", 0
    elif isinstance(value, str):
        yield from _of_text(key, value, is_item=not isinstance(path[-1], str))
    elif isinstance(value, dict):
        yield from _of_object(key, value)
    elif isinstance(value, list):
        yield from _of_list(key, value, resource)


def _of_text(key: str, value: str, *, is_item: bool) -> Iterator[Edit]:
    if KEY_WORD.search(key) and not isinstance(value, bool):
        yield "key", "left out", GONE
    if value in WEAKER and key not in ("name", "effect", "Effect", "routingMode", "scope"):
        yield "level", f"{value} -> {WEAKER[value]}", WEAKER[value]
    if value.startswith("ELBSecurityPolicy-TLS13"):
        yield "level", "-> ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-2016-08"
    if _is_block(value) and value != "0.0.0.0/0":
        yield "addresses", f"{value} -> 0.0.0.0/0", "0.0.0.0/0"
    if re.search(r"@(sha256:|\$\{[^}]*digest)", value) and key == "image":
        yield "version", "by tag", re.sub(r"@.*$", ":latest", value)
    if key == "version" and ("${" in value or value.isdigit()):
        yield "version", "-> latest", "latest"
    if re.fullmatch(r"\d+s", value) and DURATION_WORD.search(key) and int(value[:-1]) >= 3600:
        shorter = f"{int(value[:-1]) // 10}s"
        if "rotation" in key.lower():
            shorter = f"{int(value[:-1]) * 10}s"
        yield "number", f"{value} -> {shorter}", shorter
    if key.lower() in ("member", "members"):
        yield "public", "-> allUsers", "allUsers"
    if key == "role" and value.startswith("roles/"):
        yield "role", "-> roles/editor", "roles/editor"
    if value == "tcp" and key == "ipProtocol":
        yield "port", "every protocol", "-1"
    if key == "user":
        yield "privilege", "-> root", "root"
    if HELD_WORD.search(key) and value and not is_item:
        yield "left out", "left out", GONE


def _of_object(key: str, value: dict[str, Any]) -> Iterator[Edit]:
    if value == {"secret": True}:
        yield "secret", "in clear", "correct-horse-battery-staple"
        return
    if (
        LOG_WORD.search(key)
        or HELD_WORD.search(key)
        or key in ("capabilities", "encryption", "dnssecConfig", "retentionPolicy")
    ):
        yield "left out", "left out", GONE
    named = value.get("name")
    if isinstance(named, str) and value.get("value") in ("0", "1"):
        yield "setting", f"{named} turned", value | {"value": "1" if value["value"] == "0" else "0"}
    elif isinstance(named, str) and re.fullmatch(r"\d{2,}", str(value.get("value"))) and named.islower():
        yield "setting", f"{named} -> 0", value | {"value": "0"}
    if value.get("Effect") == "Allow":
        yield from _wider(value)
    if value.get("Effect") == "Deny":
        yield "document", "denial left out", GONE


def _wider(statement: dict[str, Any]) -> Iterator[Edit]:
    actions = statement.get("Action")
    first = str(actions[0] if isinstance(actions, list) else actions)
    yield "document", "every action of the service", statement | {"Action": [f"{first.partition(':')[0]}:*"]}
    yield "document", "every action", statement | {"Action": ["*"]}
    if "Resource" in statement and statement["Resource"] not in ("*", ["*"]):
        yield "document", "every resource", statement | {"Resource": ["*"]}
    if "Principal" in statement and statement["Principal"] not in ("*", {"AWS": "*"}):
        yield "document", "every principal", statement | {"Principal": {"AWS": "*"}}
    if "Condition" in statement:
        yield "document", "no condition", {name: part for name, part in statement.items() if name != "Condition"}


def _of_list(key: str, value: list[Any], resource: Resource) -> Iterator[Edit]:
    if key in ("environment", "envs") and (not value or isinstance(value[0], dict)):
        for name in SECRET_KEY_NAMES:
            yield "secret", f"{name} in clear", [*value, {"name": name, "value": "correct-horse-battery-staple"}]
    if ZONE_LISTS.search(key) and len(value) > 1:
        yield "zones", "one only", value[:1]
    if LOG_WORD.search(key) or HELD_WORD.search(key):
        yield "left out", "left out", GONE
    if key in ("ports",) and value:
        yield "port", "every port", ["0-65535"]
    if key == "permissions":
        yield "role", "every permission", [*value, "resourcemanager.projects.setIamPolicy"]
    for number, item in enumerate(value):
        if isinstance(item, dict) and key == "rules" and ("action" in item or "overrideAction" in item):
            yield "left out", f"rule {number} left out", [*value[:number], *value[number + 1 :]]
        if isinstance(item, dict) and "overrideAction" in item:
            yield "level", f"rule {number} counts only", _at(value, number, item | {"overrideAction": {"count": {}}})
        if isinstance(item, dict) and "block" in (item.get("action") if isinstance(item.get("action"), dict) else {}):
            yield "level", f"rule {number} counts only", _at(value, number, item | {"action": {"count": {}}})


def _at(value: list[Any], number: int, item: Any) -> list[Any]:
    return [*value[:number], item, *value[number + 1 :]]


def _is_block(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return "/" in value
