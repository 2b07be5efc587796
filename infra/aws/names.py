"""Names that must be known before the thing is made, or that people look for; all others Pulumi makes unique itself."""

from infra.config import StackConfig


def named(config: StackConfig, *parts: str) -> str:
    """`cloudbill-prod`, `cloudbill-prod-api`: two stacks may share an account."""
    return "-".join(("cloudbill", config.stack, *parts))
