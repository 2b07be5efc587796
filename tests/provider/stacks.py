"""The graphs that the provider judges: the AWS stacks as committed, and with what production leaves off or on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from infra.graph import Graph
from infra.recording.program import record
from tests.infra.recorded import recorded

STACKS = ("prod", "staging", "dev")
_DIGEST = "sha256:" + "ab" * 32
_REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
_BRIDGE = {"until": "2026-12-31", "peerAddress": "203.0.113.7", "peerCidr": "10.40.0.0/16"}
_SECRETS = {
    "cloudbill:bridgeKey": "a-key-of-the-bridge",
    "cloudbill:pagerKey": "a-key-of-the-pager",
    "cloudbill:stripeSecretKey": "a-key-of-stripe",
    "cloudbill:stripeWebhookSecret": "a-secret-of-its-webhooks",
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A committed stack with other choices."""

    stack: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=lambda: dict(_SECRETS))


VARIANTS: Mapping[str, Variant] = {
    # Redis instead of Valkey, published images, a canary, ARM, a replica, an open bridge, stopped at night; no domain.
    "dev-everything": Variant(
        stack="dev",
        config={
            "cache": {"engine": "redis", "version": "7.1", "node": "cache.t4g.micro"},
            "bridge": _BRIDGE,
            "release": {
                "image": f"{_REGISTRY}/app@{_DIGEST}",
                "collector": f"{_REGISTRY}/otel@{_DIGEST}",
                "canary": 5,
                "architecture": "arm64",
            },
            "database": {"replicas": 1, "version": "16", "backupRegion": "us-west-2"},
            "switches": {"guardDuty": True, "configRecorder": True, "cloudTrail": True, "offHours": True},
            "alerts": {"emails": ["dev@example.com"], "budget": 250},
        },
    ),
    # What production has switched on is off, its zone is there already, and it moves to the other cloud.
    "prod-otherwise": Variant(
        stack="prod",
        config={
            "bridge": _BRIDGE,
            "cache": {"engine": "redis", "version": "7.1", "node": "cache.t4g.medium"},
            "database": {"replicas": 2, "backupRegion": None},
            "dnsZone": "Z0123456789ABCDEFGHIJ",
            "network": {"zones": ["us-east-1a", "us-east-1b"], "natPerZone": False},
            "switches": {"guardDuty": False, "configRecorder": False, "cloudTrail": False},
        },
    ),
}


@cache
def graph_of(name: str) -> Graph:
    """A stack's graph, or a variant's."""
    variant = VARIANTS.get(name)
    if variant is None:
        return recorded(name)
    config = {
        f"cloudbill:{key}": json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in variant.config.items()
    }
    return record(variant.stack, config=config, secrets=variant.secrets)
