"""The way to the other cloud while it is open: until a day, to one peer, encrypted, for the database and cache."""

import ipaddress
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from infra.graph import Resource
from infra.policies.demand import PRESENT, SECRET, TRUE, matching, one_of
from infra.policies.kinds import GCP_FIREWALL
from infra.policies.reading import Stack, is_secret, items, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.today import today

TUNNEL = "gcp:compute/vPNTunnel:VPNTunnel"
GATEWAY = "gcp:compute/vPNGateway:VPNGateway"
ROUTE = "gcp:compute/route:Route"
CONNECTION = "aws:ec2/vpnConnection:VpnConnection"
CONNECTION_ROUTE = "aws:ec2/vpnConnectionRoute:VpnConnectionRoute"
CUSTOMER = "aws:ec2/customerGateway:CustomerGateway"
LONGEST_DAYS = 14
DATA_PORTS = {"5432", "6378", "6379"}
PRIVATE = [ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def _until(resource: Resource) -> str | None:
    for place in ("labels", "tags"):
        found = value(resource.inputs, f"{place}.until")
        if found:
            return str(found)
    return None


def _time_limited(stack: Stack) -> Found:
    for way in stack.of(TUNNEL, CONNECTION):
        until = _until(way)
        if until is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", until):
            yield Finding(way.name, "label it until: the day on which it is closed (2026-12-31)")
            continue
        left = (date.fromisoformat(until) - today()).days
        if left < 0:
            yield Finding(way.name, f"close it: it was open until {until}. Remove cloudbill:bridge")
        elif left > LONGEST_DAYS:
            yield Finding(way.name, f"close it within {LONGEST_DAYS} days: until {until} is too long")


def _encrypted_well(stack: Stack) -> Found:
    for way in stack.of(CONNECTION):
        for tunnel in ("tunnel1", "tunnel2"):
            asked: tuple[tuple[str, set[Any]], ...] = (
                ("IkeVersions", {"ikev2"}),
                ("Phase1EncryptionAlgorithms", {"AES256", "AES256-GCM-16"}),
                ("Phase2EncryptionAlgorithms", {"AES256", "AES256-GCM-16"}),
                ("Phase1DhGroupNumbers", {14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}),
            )
            for key, allowed in asked:
                found = items(way.inputs.get(f"{tunnel}{key}"))
                if not found or not {str(one) for one in found} <= {str(one) for one in allowed}:
                    yield Finding(way.name, f"set {tunnel}{key} to {sorted(map(str, allowed))[0]}")
            if not is_secret(way.inputs.get(f"{tunnel}PresharedKey")):
                yield Finding(way.name, f"give {tunnel}PresharedKey as a secret")


def _blocks(way: Resource) -> Iterator[str]:
    for path in ("remoteTrafficSelectors", "destRange", "destinationCidrBlock", "remoteIpv4NetworkCidr"):
        yield from (str(found) for found in items(way.inputs.get(path)))


def _one_network(stack: Stack) -> Found:
    for way in stack.of(TUNNEL, ROUTE, CONNECTION_ROUTE, CONNECTION):
        for text in _blocks(way):
            try:
                block = ipaddress.IPv4Network(text)
            except ValueError:
                continue
            if block.prefixlen < 12 or not any(block.subnet_of(private) for private in PRIVATE):
                yield Finding(way.name, f"lead it to the peer's private network, not to {text}")


def _data_only(stack: Stack) -> Found:
    bridges = bool(stack.of(TUNNEL))
    for way in stack.of(GCP_FIREWALL):
        inward = way.inputs.get("direction") == "INGRESS" and way.inputs.get("allows")
        if not bridges or not inward:
            continue
        for allowed in rows(way.inputs.get("allows")):
            if not set(map(str, items(allowed.get("ports")))) <= DATA_PORTS:
                yield Finding(way.name, "let PostgreSQL and Redis through, and nothing else")
        if {"0.0.0.0/0", "::/0"} & set(texts(way.inputs.get("sourceRanges"))):
            yield Finding(way.name, "name the peer's network in sourceRanges")


RULES = (
    rule(
        "bridge.time-limited",
        f"The way to the other cloud is open until a day that is said, {LONGEST_DAYS} days away at most.",
        judged(_time_limited, TUNNEL, CONNECTION),
        source="MOVE-1; INF-3",
        severity=Severity.CRITICAL,
    ),
    rule(
        "bridge.encrypted",
        "The way is encrypted by IKEv2 with a key that is a secret.",
        each(TUNNEL, "ikeVersion", one_of(2)),
        each(TUNNEL, "sharedSecret", SECRET),
        judged(_encrypted_well, CONNECTION),
        source="INF-2; https://cloud.google.com/network-connectivity/docs/vpn/concepts/supported-ike-ciphers",
        severity=Severity.CRITICAL,
    ),
    rule(
        "bridge.logged",
        "What happens on the way is written down, in both of its tunnels.",
        each(CONNECTION, "tunnel1LogOptions.cloudwatchLogOptions.logEnabled", TRUE),
        each(CONNECTION, "tunnel2LogOptions.cloudwatchLogOptions.logEnabled", TRUE),
        source="MOVE-1; EC2.171",
        severity=Severity.MEDIUM,
    ),
    rule(
        "bridge.one-peer",
        "The way leads to one peer and its private network.",
        judged(_one_network, TUNNEL, ROUTE, CONNECTION_ROUTE, CONNECTION),
        each(TUNNEL, "peerIp", matching(r"^(\d{1,3}(\.\d{1,3}){3}|\$\{.+)$", "an address")),
        each(CUSTOMER, "ipAddress", PRESENT),
        source="MOVE-1; INF-3",
    ),
    rule(
        "bridge.data-only",
        "Through the way pass PostgreSQL and Redis, and nothing else.",
        judged(_data_only, TUNNEL),
        source="MOVE-1; INF-3",
    ),
)
