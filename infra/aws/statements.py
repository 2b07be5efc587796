"""Policy documents from typed statements: what is granted is read in one place and in one form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pulumi import Input, Output

Conditions = Mapping[str, Mapping[str, Input[Any]]]
"""Operator -> key -> value or values."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement. Principals only where the document belongs to a resource: services, accounts or everybody."""

    actions: Sequence[str]
    resources: Sequence[Input[str]] = ()
    effect: Literal["Allow", "Deny"] = "Allow"
    services: Sequence[Input[str]] = ()
    accounts: Sequence[Input[str]] = ()
    everybody: bool = False
    conditions: Conditions = field(default_factory=dict[str, Mapping[str, Input[Any]]])

    def document(self) -> dict[str, Any]:
        """In the form that AWS reads."""
        principal: Any = {}
        if self.everybody:
            principal = {"AWS": "*"}
        elif self.services:
            principal = {"Service": list(self.services)}
        elif self.accounts:
            principal = {"AWS": list(self.accounts)}
        return {
            "Effect": self.effect,
            **({"Principal": principal} if principal else {}),
            "Action": list(self.actions),
            **({"Resource": list(self.resources)} if self.resources else {}),
            **({"Condition": {name: dict(keys) for name, keys in self.conditions.items()}} if self.conditions else {}),
        }


def policy(*statements: Statement) -> Output[str]:
    """The document, as JSON."""
    return Output.json_dumps({"Version": "2012-10-17", "Statement": [statement.document() for statement in statements]})


def only_tls(*resources: Input[str], actions: Sequence[str]) -> Statement:
    """Refuses what comes in clear, whoever sends it."""
    return Statement(
        effect="Deny",
        everybody=True,
        actions=actions,
        resources=resources,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
