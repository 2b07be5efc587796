"""Who may import whom. Read from the files themselves, so an import inside a function counts too."""

import sys

from tests.support.sources import Source, sources

# A wing uses those before it. The entry points are last: the API and the worker assemble, the command starts both.
WINGS = ("foundation", "identity", "billing", "operations", "api", "worker", "cli")
APART = {("api", "worker"), ("worker", "api")}

# Within billing a room uses those before it; news in the other direction is a job or an event.
ROOMS = (
    "catalog",
    "customers",
    "sellers",
    "pricing",
    "metering",
    "ledger",
    "credits",
    "usage",
    "subscriptions",
    "tax",
    "invoices",
    "payments",
    "webhooks",
    "dunning",
    "reports",
    "notifications",
    "clocks",
)

# The simulator is a small program of its own that plays Stripe: it may not lean on the product, nor the product on it.
SIMULATOR = "core.billing.payments.providers.simulator"
# What Stripe publishes is written down once: how it signs, and what a card payment may be.
PUBLISHED = ("core.billing.payments.providers.stripe_signature", "core.billing.catalog.payable")

# HTTP is known to routes, to the API that assembles them, and to what every route takes: its dependencies and
# parameters.
TAKEN_BY_ROUTES = ("scope", "idempotency", "assembly")
KNOWS_HTTP = (
    "core.api",
    "core.foundation.paging",
    "core.foundation.runtime",
    *[f"core.identity.{name}" for name in TAKEN_BY_ROUTES],
    SIMULATOR,
)


def wing(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def room(module: str) -> str:
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "billing" else ""


def within(source: Source, *packages: str) -> bool:
    return any(source.module == package or source.module.startswith(f"{package}.") for package in packages)


def test_each_wing_imports_only_those_before_it() -> None:
    faults = [
        f"{source.place} imports {name}"
        for source in sources("core")
        for name in source.imported("core")
        if (own := wing(source.module)) and (used := wing(name)) and own != used
        if WINGS.index(used) > WINGS.index(own) or (own, used) in APART
    ]
    assert faults == [], "\n".join(faults)


def test_each_room_of_billing_imports_only_those_before_it() -> None:
    faults = [
        f"{source.place} imports {name}"
        for source in sources("core/billing")
        for name in source.imported("core.billing")
        if (own := room(source.module)) and (used := room(name)) and own != used
        if ROOMS.index(used) > ROOMS.index(own)
    ]
    assert faults == [], "\n".join(faults)


def test_only_the_providers_know_stripe() -> None:
    faults = [
        source.place
        for source in sources("core", "console", "infra")
        if source.imported("stripe") and not within(source, "core.billing.payments.providers")
    ]
    assert faults == [], "\n".join(faults)


def test_the_simulator_and_the_product_know_each_other_by_http_alone() -> None:
    own, product = [], []
    for source in sources("core"):
        if within(source, SIMULATOR):
            own += [
                f"{source.place} imports {name}"
                for name in source.imported("core")
                if not name.startswith((SIMULATOR, *PUBLISHED, "core.foundation"))
            ]
        elif source.imported(SIMULATOR) and wing(source.module) != "cli":
            product.append(source.place)
    assert (own, product) == ([], [])


def test_only_routes_and_the_api_know_http() -> None:
    faults = [
        source.place
        for source in sources("core")
        if source.imported("fastapi") | source.imported("starlette")
        if source.path.name != "routes.py" and not within(source, *KNOWS_HTTP)
    ]
    assert faults == [], "\n".join(faults)


def test_infrastructure_knows_nothing_of_the_core() -> None:
    assert [source.place for source in sources("infra") if source.imported("core")] == []


def test_the_core_knows_of_infrastructure_only_its_costs_and_of_the_console_nothing() -> None:
    faults = [
        f"{source.place} imports {name}"
        for source in sources("core")
        for name in source.imported("infra") | source.imported("console")
        if not (name.startswith("infra.costs") and wing(source.module) == "operations") and name != "infra"
        if not (name.startswith("console.serve") and wing(source.module) == "cli")  # the command starts it
    ]
    assert faults == [], "\n".join(faults)


def test_the_console_imports_nothing_of_the_core_but_schemas() -> None:
    faults = [
        f"{source.place} imports {name}"
        for source in sources("console")
        for name in source.imported("core")
        if ".schemas" not in name
        and not any(other.startswith(f"{name}.") and ".schemas" in other for other in source.imports)
    ]
    assert faults == [], "\n".join(faults)


def test_the_product_does_not_import_its_tests_or_benchmarks() -> None:
    faults = [
        source.place
        for source in sources("core", "console", "infra")
        if source.imported("tests") | source.imported("bench") | source.imported("pytest")
    ]
    assert faults == [], "\n".join(faults)


def test_no_file_of_infra_or_console_hides_a_standard_library_module() -> None:
    # Both folders are put first on the path by the programs that run them.
    faults = [
        source.place
        for source in sources("infra", "console")
        if source.path.parent.name in ("infra", "console") and source.path.stem in sys.stdlib_module_names
    ]
    assert faults == [], "\n".join(faults)
