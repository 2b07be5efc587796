"""A month's bill, in each format, beside the estimate; what is broken or foreign is named and refused."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.costs import focus
from infra.costs.actual import Actual, Selection, compare_month, names_of, read_export
from infra.costs.errors import InvalidExport, UnusableExport
from infra.costs.estimate import estimate
from tests.infra.costs.toy import cache, cloud_sql, database, graph, resource
from tests.infra.recorded import recorded

TODAY = date(2026, 11, 21)
OCTOBER = date(2026, 10, 1)
AWS = graph(
    "aws",
    database(identifier="cloudbill-prod"),
    cache(replicationGroupId="cloudbill-prod"),
    resource("aws:ec2/natGateway:NatGateway", "nat"),
)
"""Database 245.28, storage 23.00, backups 9.50, cache 94.90, NAT 32.85 and 6.30 of data (no private endpoint)."""


def _compare(content: str | bytes, whole: Any = AWS, **given: Any) -> Actual:
    lines = read_export(content.encode() if isinstance(content, str) else content, name="bill")
    return compare_month(estimate(whole, today=TODAY), lines, **{"month": OCTOBER, "names": names_of(whole), **given})


def _cur(*rows: str) -> str:
    header = (
        "identity_line_item_id,line_item_line_item_type,line_item_usage_start_date,line_item_usage_end_date,"
        "line_item_product_code,line_item_usage_type,line_item_resource_id,line_item_unblended_cost,"
        "line_item_currency_code,line_item_usage_account_id,resource_tags"
    )
    return "\n".join([header, *rows]) + "\n"


def _row(
    number: int,
    product: str,
    usage: str,
    cost: str,
    *,
    resource_id: str = "",
    kind: str = "Usage",
    start: str = "2026-10-01T00:00:00Z",
    end: str = "2026-11-01T00:00:00Z",
    currency: str = "USD",
    account: str = "123456789012",
    tags: str = "{}",
) -> str:
    quoted = '"' + tags.replace('"', '""') + '"'
    return f"id{number},{kind},{start},{end},{product},{usage},{resource_id},{cost},{currency},{account},{quoted}"


MONTH = (
    _row(
        1, "AmazonRDS", "Multi-AZUsage:db.m7g.large", "245.28", resource_id="arn:aws:rds:us-east-1:1:db:cloudbill-prod"
    ),
    _row(2, "AmazonRDS", "RDS:Multi-AZ-GP3-Storage", "23.00", resource_id="arn:aws:rds:us-east-1:1:db:cloudbill-prod"),
    _row(3, "AmazonRDS", "RDS:ChargedBackupUsage", "9.50"),
    _row(4, "AmazonElastiCache", "NodeUsage:cache.t4g.medium", "113.88"),
    _row(5, "AmazonEC2", "NatGateway-Hours", "32.85"),
    _row(6, "AmazonEC2", "NatGateway-Bytes", "6.30"),
)


def test_a_bill_like_the_estimate_has_no_alert_and_a_line_beyond_15_percent_has_one() -> None:
    """The cache was estimated at 94.90 and billed at 113.88: 20 % more."""
    found = _compare(_cur(*MONTH))

    by_name = {line.name: line for line in found.lines}
    assert by_name["database instance"].difference == 0
    assert by_name["NAT"].actual == by_name["NAT"].estimated == Decimal("39.15")
    assert (by_name["cache"].estimated, by_name["cache"].actual, by_name["cache"].percent) == (
        Decimal("94.90"),
        Decimal("113.88"),
        Decimal("20.0"),
    )
    assert found.alerts == ["cache: 113.88 billed, 94.90 estimated (+20.0 %)"]
    assert not found.total.alert  # 18.98 of 411.83 are 4.6 %
    (owned,) = by_name["database instance"].resources
    assert (owned.resource, owned.actual) == ("db", Decimal("245.28"))
    assert found.billed == Decimal("430.81")


def test_exactly_15_percent_is_no_alert_and_a_cent_more_is() -> None:
    """15 % of 94.90 are 14.235."""
    for cost, alerts in (("109.13", 0), ("109.14", 1)):
        rows = (*MONTH[:3], _row(4, "AmazonElastiCache", "NodeUsage", cost), *MONTH[4:])
        assert len(_compare(_cur(*rows)).alerts) == alerts


def test_taxes_credits_and_refunds_stand_apart() -> None:
    found = _compare(
        _cur(
            *MONTH,
            _row(7, "AmazonRDS", "", "-100.00", kind="Credit"),
            _row(8, "AmazonRDS", "", "-5.00", kind="Refund"),
            _row(9, "AWSTax", "", "20.50", kind="Tax"),
        )
    )

    assert found.total.actual == Decimal("430.81")
    assert found.apart == {"credit": Decimal("-100.00"), "refund": Decimal("-5.00"), "tax": Decimal("20.50")}
    assert found.billed == Decimal("346.31")


def test_a_savings_plan_is_counted_once_with_what_it_covers() -> None:
    """Covered usage at list price, its negation and the plan's fee: what is paid is the fee."""
    found = _compare(
        _cur(
            *MONTH,
            _row(7, "AmazonECS", "Fargate-vCPU-Hours:perCPU", "60.00", kind="SavingsPlanCoveredUsage"),
            _row(8, "ComputeSavingsPlans", "Fargate", "-60.00", kind="SavingsPlanNegation"),
            _row(9, "ComputeSavingsPlans", "ComputeSP:1yrNoUpfront", "48.00", kind="SavingsPlanRecurringFee"),
        )
    )

    by_name = {line.name: line.actual for line in found.lines}
    assert (by_name["tasks: vCPU"], by_name["commitments"]) == (Decimal("60.00"), Decimal("-12.00"))


def test_a_part_of_a_month_is_held_against_that_part_and_says_so() -> None:
    """Ten days of 31: 245.28 x 10 / 31 = 79.12."""
    rows = [
        _row(
            day,
            "AmazonRDS",
            "Multi-AZUsage:db.m7g.large",
            "7.912",
            start=f"2026-10-{day:02}T00:00:00Z",
            end=f"2026-10-{day + 1:02}T00:00:00Z",
        )
        for day in range(1, 11)
    ]

    found = _compare(_cur(*rows))

    assert (found.days_covered, found.days) == (10, 31)
    assert "the bill has 10 of 31 days: held against that part of the estimate (pro rata)" in found.notes
    (line,) = [line for line in found.lines if line.name == "database instance"]
    assert (line.estimated, line.actual) == (Decimal("79.12"), Decimal("79.12"))


def test_rows_that_stand_there_twice_count_once_and_other_months_not_at_all() -> None:
    other = _row(7, "AmazonRDS", "Multi-AZUsage", "1000", start="2026-09-01T00:00:00Z", end="2026-10-01T00:00:00Z")

    found = _compare(_cur(*MONTH, MONTH[0], other))

    assert found.total.actual == Decimal("430.81")
    assert found.notes[:2] == ["1 rows stand there twice: counted once", "1 rows of other months are left out"]


def test_charges_of_other_stacks_and_accounts_are_left_out_or_asked_about() -> None:
    foreign = _row(7, "AmazonRDS", "Multi-AZUsage", "500", tags='{"user_stack": "staging"}')
    assert _compare(_cur(*MONTH, foreign)).total.actual == Decimal("430.81")
    other = _row(8, "AmazonRDS", "Multi-AZUsage", "500", account="999999999999")
    with pytest.raises(
        UnusableExport, match="charges of 2 accounts .123456789012, 999999999999.: name one with --account"
    ):
        _compare(_cur(*MONTH, other))
    found = _compare(_cur(*MONTH, other), selection=Selection(account="123456789012"))
    assert found.total.actual == Decimal("430.81")
    with pytest.raises(UnusableExport, match="no charge is of account 1: the export has 123456789012"):
        _compare(_cur(*MONTH), selection=Selection(account="1"))
    with pytest.raises(UnusableExport, match="no charge is tagged stack=prod: are cost allocation tags switched on"):
        _compare(_cur(*MONTH), selection=Selection(tags={"stack": "prod"}))


def test_the_legacy_report_reads_the_same() -> None:
    header = (
        "identity/LineItemId,identity/TimeInterval,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,"
        "lineItem/ProductCode,lineItem/UsageType,lineItem/ResourceId,lineItem/UnblendedCost,lineItem/CurrencyCode,"
        "lineItem/UsageAccountId,resourceTags/user:stack"
    )
    row = (
        "a,i,Usage,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,AmazonElastiCache,NodeUsage:cache.t4g.medium,,94.90,USD,"
        "1234,toy"
    )

    (line,) = read_export(gzip.compress(f"{header}\n{row}\n".encode()))

    assert (line.service, line.cost, dict(line.tags)) == ("AmazonElastiCache", Decimal("94.90"), {"stack": "toy"})


def test_googles_export_reads_as_json_lines_and_as_csv_with_credits_apart() -> None:
    """1,460 vCPU-hours at 0.0826 are 120.60; a promotion is a credit, a free tier is part of the price."""
    whole = graph("gcp", cloud_sql())
    charge = {
        "service": {"id": "9662-B51E-5089", "description": "Cloud SQL"},
        "sku": {"id": "x", "description": "Cloud SQL for PostgreSQL: Regional - vCPU in Americas"},
        "usage_start_time": "2026-10-01 00:00:00 UTC",
        "usage_end_time": "2026-11-01 00:00:00 UTC",
        "project": {"id": "cloudbill-production"},
        "labels": [{"key": "stack", "value": "toy"}],
        "cost": 202.36,
        "currency": "USD",
        "credits": [{"name": "c", "amount": -50.0, "type": "PROMOTION"}],
        "cost_type": "regular",
    }
    tax = {**charge, "service": {"description": "Invoice"}, "cost": 9.5, "credits": [], "cost_type": "tax"}
    lines = "\n".join(json.dumps(one) for one in (charge, tax))

    found = _compare(lines, whole)

    by_name = {line.name: line for line in found.lines}
    assert by_name["database instance"].estimated == by_name["database instance"].actual == Decimal("202.36")
    assert found.apart == {"credit": Decimal("-50.00"), "tax": Decimal("9.50")}
    text = (
        "service_description,sku_description,usage_start_time,usage_end_time,cost,currency,project_id\n"
        "Cloud SQL,Cloud SQL for PostgreSQL: Regional - vCPU in Americas,2026-10-01 00:00:00 UTC,"
        "2026-11-01 00:00:00 UTC,202.36,USD,cloudbill-production\n"
    )
    (line,) = read_export(text.encode("utf-8-sig"))
    assert (line.cloud, line.account, line.cost) == ("gcp", "cloudbill-production", Decimal("202.36"))


@pytest.mark.parametrize("stack", ["prod", "prod-gcp"])
def test_the_estimate_as_a_focus_bill_is_its_own_actual_cost(stack: str) -> None:
    """Every line of both production stacks is found again, in the same part and at the same resource."""
    whole = recorded(stack)
    priced = estimate(whole, today=TODAY)

    found = compare_month(priced, read_export(focus.to_csv(priced, month=OCTOBER).encode()), month=OCTOBER)

    assert found.total.actual == found.total.estimated == priced.monthly
    assert found.alerts == []
    assert all(line.difference == 0 for line in found.lines)
    assert not any("not in the estimate" in line.name for line in found.lines)


def test_a_focus_bill_of_the_cloud_itself_is_mapped_by_its_services() -> None:
    header = (
        "BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,ProviderName,ServiceName,SkuMeter,"
        "ResourceId,SubAccountId"
    )
    rows = [
        "245.28,USD,Usage,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,AWS,Amazon Relational Database Service,"
        "InstanceUsage:db.m7g.large,arn:aws:rds:us-east-1:1:db:cloudbill-prod,1",
        "3.00,USD,Usage,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,AWS,Amazon Polly,Neural,,1",
        "7.00,USD,Tax,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,AWS,Tax,,,1",
    ]

    found = _compare("\n".join([header, *rows]) + "\n")

    by_name = {line.name: line.actual for line in found.lines}
    assert by_name["database instance"] == Decimal("245.28")
    assert by_name["not in the estimate: Amazon Polly"] == Decimal("3.00")
    assert "not in the estimate: Amazon Polly: 3.00 billed, 0 estimated (nothing was)" in found.alerts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "bill is empty"),
        (b"  \n", "bill is empty"),
        (b"a,b\n1,2\n", "bill line 1: no billing export begins so: focus, aws-cur, aws-cur-legacy, gcp are known"),
        (
            _cur(*MONTH).replace("line_item_unblended_cost", "cost").encode(),
            "lacks the column line_item_unblended_cost",
        ),
        (_cur(*MONTH)[:-80].encode(), "line 7: fewer fields than columns: does the file break off"),
        (gzip.compress(_cur(*MONTH).encode())[:-20], "bill is gzip that breaks off"),
        (b"PAR1xxxx", "bill is Parquet"),
        (b"PK\x03\x04", "bill is a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "bill line 1: this is no text"),
        (_cur(MONTH[0].replace("245.28", "lots")).encode(), "line 2: line_item_unblended_cost is 'lots'"),
        (_cur(MONTH[0].replace("245.28", "NaN")).encode(), "line 2: line_item_unblended_cost is 'NaN'"),
        (
            _cur(MONTH[0].replace("2026-10-01T00:00:00Z", "soon")).encode(),
            "line 2: line_item_usage_start_date is 'soon'",
        ),
        (_cur(MONTH[0].replace("Usage,", "Gift,", 1)).encode(), "line 2: the line item's type is 'Gift'"),
        (_cur(MONTH[0] + ",more").encode(), "line 2: more fields than columns"),
        (_cur().encode(), "bill has no charges"),
        (b'{"service": {"description": "Cloud SQL"}, "cost": "x"', "bill line 1: .*does it break off"),
        (
            b'{"service": {"description": "Cloud SQL"}, "usage_start_time": "2026-10-01 00:00:00 UTC"}',
            "line 1: cost is ''",
        ),
    ],
)
def test_a_broken_export_is_refused_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(InvalidExport, match=said):
        read_export(content, name="bill")


def test_another_currency_cloud_or_month_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnusableExport, match="line 2 is in EUR, the estimate in USD, and nothing is converted here"):
        _compare(_cur(MONTH[0].replace(",USD,", ",EUR,")))
    with pytest.raises(UnusableExport, match="no charge is of 2026-08: the export has 2026-10"):
        _compare(_cur(*MONTH), month=date(2026, 8, 1))
    with pytest.raises(UnusableExport, match="line 2 is a charge of AWS, and toy is on GCP"):
        _compare(_cur(*MONTH), graph("gcp", cloud_sql()))
    with pytest.raises(InvalidExport, match="cannot be read"):
        read_export(Path("nowhere.csv"))
