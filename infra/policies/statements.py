"""Policy documents of AWS within the inputs, read statement by statement."""

from collections.abc import Iterator
from typing import Any

from infra.graph import Resource
from infra.policies.reading import Stack, entries, items, opened

IDENTITY = ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy", "aws:iam/userPolicy:UserPolicy")
"""Documents of what a role may do; all others belong to a resource and say who may use it."""
SAY_NO_ACCOUNT = {"events.amazonaws.com", "delivery.logs.amazonaws.com"}
"""EventBridge writes to topics and log groups without saying for which account: a condition would refuse it."""


def documents(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each input that is a policy document, with its key."""
    for key, found in resource.inputs.items():
        document = entries(opened(found))
        if "Statement" in document:
            yield key, document


def in_resource(resource: Resource) -> list[dict[str, Any]]:
    """All statements of a resource's documents."""
    return [entries(statement) for _, document in documents(resource) for statement in items(document["Statement"])]


def everywhere(stack: Stack) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Every statement of the stack that allows something, with its resource."""
    for resource in stack.graph.resources:
        if resource.type.startswith("aws:"):
            for statement in in_resource(resource):
                if statement.get("Effect") != "Deny":
                    yield resource, statement


def principals(statement: dict[str, Any]) -> list[str]:
    """Whom it is for: services, accounts, roles, or * for everybody."""
    given = statement.get("Principal")
    if isinstance(given, dict):
        return [str(name) for names in entries(given).values() for name in items(names)]
    return [str(name) for name in items(given)]
