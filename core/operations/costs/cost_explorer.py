"""A month's charges from AWS Cost Explorer."""

import importlib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from core.foundation.errors import CloudBillError
from infra.costs.exports import ActualLine, Charge

_RECORDS = {
    "Credit": Charge.CREDIT,
    "Refund": Charge.REFUND,
    "Tax": Charge.TAX,
    "Support": Charge.OTHER,
}
"""What is not compared with an estimate. AWS bills each call 0.01 USD: two are made, and one for each further page."""


class CostExplorerUnavailable(CloudBillError):
    """Cost Explorer does not answer, or refuses."""

    code = "cost_explorer_unavailable"


def read_cost_explorer(
    month: date, *, stack: str, now: datetime, tagged: bool = False, endpoint: str | None = None
) -> list[ActualLine]:
    """The account's charges of the month by service and usage type; `tagged` takes those with the stack's tag only.

    Credentials are those that boto3 finds. Raises CostExplorerUnavailable.
    """
    try:
        boto3: Any = importlib.import_module("boto3")
        errors: Any = importlib.import_module("botocore.exceptions")
    except ModuleNotFoundError:
        raise CostExplorerUnavailable("boto3 is not installed: install CloudBill with its extra `clouds`") from None
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": month.isoformat(), "End": following.isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
    }
    of_records = {"Dimensions": {"Key": "RECORD_TYPE", "Values": list(_RECORDS)}}
    of_stack = {"Tags": {"Key": "stack", "Values": [stack]}}
    try:
        # Cost Explorer lives in one region, whatever the account uses.
        client: Any = boto3.client("ce", region_name="us-east-1", endpoint_url=endpoint)
        used = _pages(
            client,
            {**asked, "GroupBy": _by("SERVICE", "USAGE_TYPE"), "Filter": _both({"Not": of_records}, of_stack, tagged)},
        )
        apart = _pages(
            client,
            {**asked, "GroupBy": _by("RECORD_TYPE", "SERVICE"), "Filter": _both(of_records, of_stack, tagged)},
        )
    except (errors.BotoCoreError, errors.ClientError) as error:
        raise CostExplorerUnavailable(
            f"{' '.join(str(error).split())}: it takes credentials with ce:GetCostAndUsage and Cost Explorer on"
        ) from None
    return [
        *(_line(number, group, month, following, now=now, record=False) for number, group in enumerate(used, start=1)),
        *(_line(number, group, month, following, now=now, record=True) for number, group in enumerate(apart, start=1)),
    ]


def _by(*keys: str) -> list[dict[str, str]]:
    return [{"Type": "DIMENSION", "Key": key} for key in keys]


def _both(records: dict[str, Any], stack: dict[str, Any], tagged: bool) -> dict[str, Any]:
    return {"And": [records, stack]} if tagged else records


def _pages(client: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        answer = client.get_cost_and_usage(**asked, **({"NextPageToken": token} if token else {}))
        for period in answer["ResultsByTime"]:
            groups += period.get("Groups") or []
        token = answer.get("NextPageToken")
        if not token:
            return groups


def _line(
    number: int, group: dict[str, Any], month: date, following: date, *, now: datetime, record: bool
) -> ActualLine:
    first, second = (*group["Keys"], "")[:2]
    cost = group["Metrics"]["UnblendedCost"]
    end = min(datetime(following.year, following.month, following.day, tzinfo=UTC), now)
    return ActualLine(
        row=number,
        cloud="aws",
        service=second if record else first,
        usage="" if record else second,
        resource="",
        cost=Decimal(cost["Amount"]),
        currency=cost["Unit"],
        start=datetime(month.year, month.month, 1, tzinfo=UTC),
        end=max(end, datetime(month.year, month.month, 1, tzinfo=UTC)),
        charge=_RECORDS.get(first, Charge.OTHER) if record else Charge.USAGE,
        account="",
    )
