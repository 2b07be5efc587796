"""Cost Explorer, asked over HTTP as AWS answers it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import pytest
from moto.server import ThreadedMotoServer

from core.operations.costs.cost_explorer import CostExplorerUnavailable, read_cost_explorer
from infra.costs.exports import Charge

OCTOBER = date(2026, 10, 1)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def _answer(*groups: tuple[str, str, str], token: str | None = None) -> dict[str, object]:
    found = [
        {"Keys": [first, second], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
        for first, second, amount in groups
    ]
    period = {"Start": "2026-10-01", "End": "2026-11-01"}
    answer: dict[str, object] = {"ResultsByTime": [{"TimePeriod": period, "Groups": found, "Estimated": False}]}
    return {**answer, "NextPageToken": token} if token else answer


def _seed(moto: str, *answers: dict[str, object]) -> None:
    body = {"results": list(answers)}
    httpx.post(f"{moto}/moto-api/static/ce/cost-and-usage-results", json=body).raise_for_status()


def test_services_and_usage_types_are_read_page_by_page_and_taxes_stand_apart(moto: str) -> None:
    rds = ("Amazon Relational Database Service", "Multi-AZUsage:db.m7g.large", "245.28")
    nat = ("EC2 - Other", "NatGateway-Hours", "98.55")
    _seed(moto, _answer(rds, token="more"), _answer(nat), _answer(("Tax", "Tax", "20.50"), ("Credit", "x", "-5")))

    lines = read_cost_explorer(OCTOBER, stack="prod", now=NOW, endpoint=moto)

    assert [(line.service, line.usage, line.cost, line.charge) for line in lines] == [
        ("Amazon Relational Database Service", "Multi-AZUsage:db.m7g.large", Decimal("245.28"), Charge.USAGE),
        ("EC2 - Other", "NatGateway-Hours", Decimal("98.55"), Charge.USAGE),
        ("Tax", "", Decimal("20.50"), Charge.TAX),
        ("x", "", Decimal("-5"), Charge.CREDIT),
    ]
    assert {line.start.date() for line in lines} == {OCTOBER}


def test_a_refusal_names_what_is_needed() -> None:
    with pytest.raises(CostExplorerUnavailable, match="ce:GetCostAndUsage"):
        read_cost_explorer(OCTOBER, stack="prod", now=NOW, endpoint="http://127.0.0.1:9")
