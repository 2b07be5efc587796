"""Careless edits of a recorded graph, derived from its keys and values, one at a time.

Nothing here knows a rule, a resource or what a type is for. Criteria look at the name of a key and at the value, or at
the name of a type where a whole resource is left out. What cannot matter is skipped by `SKIPPED`, with its reason.
"""

import copy
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from infra.graph import Graph, Resource

SKIPPED = {
    r"(^|\.)(tags|labels|userLabels|annotations)(\.|$)": "labels change what people see, not what is done",
    r"(^|\.)(description|displayName|comment|title|alarmDescription|documentation)(\.|$)": "words for people",
    r"(^|\.)(dashboardBody|dashboardJson|widgets)(\.|$)": "a picture",
    r"^(timeouts|customTimeouts)(\.|$)": "how long the tool waits",
    r"Cooldown$|buildOnPreview|sessionAffinity|startupCpuBoost|stickiness|measureLatency": "comfort or speed",
    r"(^|\.)(context|dockerfile|platforms)(\.|$)": "where the build reads its sources",
    r"abortIncompleteMultipartUpload": "halves of files that never arrived",
    r"Time$": "a time is neither secret nor strict",
    r"stripQuery$|enableAnalytics$|deleteDefaultRoutesOnCreate$|enableHttp2$": "comfort, or missed at once",
}
"""Paths that no mutation touches, and why."""
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
POLICY_KEYS = ("Action", "Resource", "Principal", "Condition")


@dataclass(frozen=True)
class Mutation:
    """One edit: `name` says where and what, the same in each run."""

    kind: str
    name: str
    type: str
    """Of the resource that is changed."""
    graph: Callable[[], Graph]


def mutations(graph: Graph) -> Iterator[Mutation]:
    """All of a graph, in its own order."""
    referred = {name for found in graph.resources for name in re.findall(r"\$\{([^.}\[]+)", json.dumps(found.inputs))}
    pinned: set[str] = set()
    for place, resource in enumerate(graph.resources):
        if not resource.custom or resource.type.startswith("pulumi:pulumi"):
            continue
        if resource.protect and not _inherits(graph, resource):
            yield _mutation(graph, place, "protection", "protect off", lambda found: replace(found, protect=False))
        package = resource.type.split(":")[0]
        if resource.version and package not in pinned:  # the program sets it in one place
            pinned.add(package)
            yield _mutation(graph, place, "version", "provider unpinned", lambda found: replace(found, version=""))
        written = json.dumps(resource.inputs)
        # Without what lets something through less passes, which is noticed at once.
        lets_through = "allows" in resource.inputs or (r"\"Allow\"" in written and r"\"Deny\"" not in written)
        if resource.name not in referred and not lets_through and HOLDING_TYPE.search(resource.type.rpartition(":")[2]):
            yield Mutation(
                "left out", f"{resource.name} left out", resource.type, lambda place=place: _without(graph, place)
            )
        for path, value in _walk(resource.inputs, ()):
            for kind, what, new in _edits(path, value, resource):
                written = _written(path)
                if any(re.search(pattern, written) for pattern in SKIPPED):
                    continue
                yield _mutation(
                    graph,
                    place,
                    kind,
                    f"{written} {what}",
                    lambda found, path=path, new=new: replace(found, inputs=_edited(found.inputs, path, new)),
                )


HOLDING_TYPE = re.compile(
    r"PublicAccessBlock|OwnershipControls|Versioning|Encryption|Lifecycle|FlowLog|Association$|Logging|BackupPolicy|Policy$"
    r"|Lock|Selection|Detector|Trail|Recorder|Alarm|AlertPolicy|UptimeCheck|Budget|Firewall$|Replication$|DefaultSecurityGroup"
    r"|AuditConfig|Sink|Subscription"
)
"""A resource of such a type, to which nothing refers, holds others: it is left out."""


class _Gone:
    pass


GONE = _Gone()
Path = tuple[str | int, ...]
Edit = tuple[str, str, Any]


def _edits(path: Path, value: Any, resource: Resource) -> Iterator[Edit]:
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


def _inherits(graph: Graph, resource: Resource) -> bool:
    """What is protected because its parent is was not written there."""
    parent = next((found for found in graph.resources if found.urn == resource.parent), None)
    return parent is not None and parent.protect


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


JSON = "(json)"
"""A step into JSON within a text."""


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            inner = json.loads(value)
        except json.JSONDecodeError:
            inner = None
        if isinstance(inner, dict | list):
            yield from _walk(inner, (*path, JSON))
            return
    if path:
        yield path, value
    if isinstance(value, dict) and value != {"secret": True}:
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, (*path, number))


def _edited(value: Any, path: Path, new: Any) -> Any:
    step, rest = path[0], path[1:]
    if step == JSON:
        return json.dumps(_edited(json.loads(value), rest, new) if rest else new)
    changed = copy.copy(value)
    if not rest and new is GONE:
        del changed[step]
    else:
        changed[step] = _edited(value[step], rest, new) if rest else new
    return changed


def _written(path: Path) -> str:
    text = ""
    for step in path:
        if step != JSON:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _is_block(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return "/" in value


def _mutation(graph: Graph, place: int, kind: str, what: str, edit: Callable[[Resource], Resource]) -> Mutation:
    def made() -> Graph:
        resources = list(graph.resources)
        resources[place] = edit(resources[place])
        return replace(graph, resources=resources)

    return Mutation(kind, f"{graph.resources[place].name}: {what}", graph.resources[place].type, made)


def _without(graph: Graph, place: int) -> Graph:
    return replace(graph, resources=[*graph.resources[:place], *graph.resources[place + 1 :]])
