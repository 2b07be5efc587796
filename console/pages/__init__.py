"""The pages, each with its state in one module; importing them puts them at their addresses."""

from console.pages import (
    alerts,
    clock,
    costs,
    deployment,
    deployments,
    holds,
    keys,
    not_found,
    overview,
    purchases,
    sign_in,
    tenant,
    tenants,
    usage,
)

__all__ = [
    "alerts",
    "clock",
    "costs",
    "deployment",
    "deployments",
    "holds",
    "keys",
    "not_found",
    "overview",
    "purchases",
    "sign_in",
    "tenant",
    "tenants",
    "usage",
]
