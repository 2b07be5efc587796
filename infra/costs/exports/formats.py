"""The formats of billing exports: FOCUS 1.x, AWS's cost and usage reports (2.0 and legacy), Google's BigQuery export.

Sources: focus.finops.org (column library), docs.aws.amazon.com/cur (data dictionary), cloud.google.com/billing/docs
(structure of Standard and Detailed data exports).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from infra.costs.errors import InvalidExport
from infra.costs.exports.line import ActualLine, Charge
from infra.costs.exports.reading import Row

CLOUDS = {"aws": "aws", "amazon web services": "aws", "gcp": "gcp", "google cloud": "gcp", "google": "gcp"}
_FOCUS_CHARGES = {
    "usage": Charge.USAGE,
    "purchase": Charge.COMMITMENT,
    "tax": Charge.TAX,
    "credit": Charge.CREDIT,
    "adjustment": Charge.OTHER,
}
_AWS_CHARGES = {
    "usage": Charge.USAGE,
    "discountedusage": Charge.USAGE,
    "savingsplancoveredusage": Charge.USAGE,
    "savingsplannegation": Charge.COMMITMENT,
    "savingsplanrecurringfee": Charge.COMMITMENT,
    "savingsplanupfrontfee": Charge.COMMITMENT,
    "rifee": Charge.COMMITMENT,
    "tax": Charge.TAX,
    "credit": Charge.CREDIT,
    "refund": Charge.REFUND,
    "edpdiscount": Charge.CREDIT,
    "privateratediscount": Charge.CREDIT,
    "bundleddiscount": Charge.CREDIT,
    "fee": Charge.OTHER,
}


@dataclass(frozen=True)
class Format:
    """Which columns make it, and how a row is read."""

    name: str
    needs: Sequence[str]

    def lines(self, rows: Iterator[Row], *, name: str) -> Iterator[ActualLine]:
        """Raises InvalidExport, with the line."""
        read = {"focus": _focus, "aws-cur": _cur, "aws-cur-legacy": _legacy, "gcp": _gcp}[self.name]
        for number, row in rows:
            try:
                yield from read(_Fields(number, row))
            except (KeyError, ValueError, InvalidOperation, TypeError, AttributeError) as error:
                text = str(error.args[0]) if error.args else type(error).__name__
                raise InvalidExport(f"{name} line {number}: {text}") from None


FORMATS: Mapping[str, Format] = {
    "focus": Format(
        "focus",
        (
            "BilledCost",
            "BillingCurrency",
            "ChargeCategory",
            "ChargePeriodStart",
            "ChargePeriodEnd",
            "ProviderName",
            "ServiceName",
        ),
    ),
    "aws-cur": Format(
        "aws-cur",
        (
            "line_item_line_item_type",
            "line_item_usage_start_date",
            "line_item_product_code",
            "line_item_usage_type",
            "line_item_unblended_cost",
            "line_item_currency_code",
            "line_item_usage_account_id",
        ),
    ),
    "aws-cur-legacy": Format(
        "aws-cur-legacy",
        (
            "lineItem/LineItemType",
            "lineItem/UsageStartDate",
            "lineItem/ProductCode",
            "lineItem/UsageType",
            "lineItem/UnblendedCost",
            "lineItem/CurrencyCode",
            "lineItem/UsageAccountId",
        ),
    ),
    "gcp": Format("gcp", ("service.description", "sku.description", "usage_start_time", "cost", "currency")),
}


class _Fields:
    """A row by names; what is missing or no number says which."""

    def __init__(self, number: int, row: Mapping[str, Any]) -> None:
        self.number = number
        self.row = row

    def get(self, key: str) -> str:
        """A text, empty where there is none; `a.b` also finds b within a."""
        if key in self.row:
            found = self.row[key]
        else:
            found: Any = self.row
            for part in key.split("."):
                found = cast("Mapping[str, Any]", found).get(part) if isinstance(found, Mapping) else None
        return "" if found is None else str(found).strip()

    def amount(self, key: str) -> Decimal:
        text = self.get(key)
        try:
            amount = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{key} is {text!r}: a number is expected") from None
        if not amount.is_finite():
            raise ValueError(f"{key} is {text!r}: a number is expected")
        return amount

    def time(self, key: str) -> datetime:
        text = self.get(key)
        for form in ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.%f UTC"):
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
        try:
            found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise ValueError(f"{key} is {text!r}: a time like 2026-10-01T00:00:00Z is expected") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def tags(self, key: str) -> dict[str, str]:
        """A map as JSON, or Google's list of keys and values."""
        found: Any = self.row.get(key)
        if isinstance(found, str):
            try:
                found = json.loads(found) if found.strip() else {}
            except json.JSONDecodeError:
                raise ValueError(f"{key} is {found[:40]!r}: JSON is expected") from None
        if isinstance(found, list):
            entries = cast("list[Mapping[str, Any]]", found)
            return {str(entry.get("key", "")): str(entry.get("value", "")) for entry in entries}
        if isinstance(found, Mapping):
            return {str(tag): str(value) for tag, value in cast("Mapping[str, Any]", found).items()}
        return {}


def _focus(row: _Fields) -> Iterator[ActualLine]:
    category = row.get("ChargeCategory")
    charge = _FOCUS_CHARGES.get(category.lower())
    if charge is None:
        raise ValueError(f"ChargeCategory is {category!r}: it may be Usage, Purchase, Tax, Credit or Adjustment")
    if row.get("ChargeClass") == "Correction" and charge is Charge.USAGE:
        charge = Charge.REFUND
    provider = row.get("ProviderName")
    usage = next(
        (
            found
            for key in ("x_PriceId", "x_UsageType", "SkuMeter", "ChargeDescription", "SkuId")
            if (found := row.get(key))
        ),
        "",
    )
    yield ActualLine(
        row=row.number,
        cloud=CLOUDS.get(provider.lower(), provider),
        service=row.get("ServiceName"),
        usage=usage,
        resource=row.get("ResourceId") or row.get("ResourceName"),
        cost=row.amount("BilledCost"),
        currency=row.get("BillingCurrency"),
        start=row.time("ChargePeriodStart"),
        end=row.time("ChargePeriodEnd"),
        charge=charge,
        account=row.get("SubAccountId") or row.get("BillingAccountId"),
        tags=row.tags("Tags"),
        identity=_whole(row),
    )


def _cur(row: _Fields) -> Iterator[ActualLine]:
    tags = {key.removeprefix("user_"): value for key, value in row.tags("resource_tags").items()}
    yield _aws(row, "line_item_", tags, row.get("identity_line_item_id") + row.get("identity_time_interval"))


def _legacy(row: _Fields) -> Iterator[ActualLine]:
    tags = {
        key.rpartition("user:")[2]: str(value)
        for key, value in row.row.items()
        if key.startswith("resourceTags/") and value
    }
    yield _aws(row, "lineItem/", tags, row.get("identity/LineItemId") + row.get("identity/TimeInterval"))


def _aws(row: _Fields, prefix: str, tags: Mapping[str, str], identity: str) -> ActualLine:
    def key(new: str, legacy: str) -> str:
        return prefix + (new if prefix == "line_item_" else legacy)

    kind = row.get(key("line_item_type", "LineItemType"))
    charge = _AWS_CHARGES.get(kind.lower())
    if charge is None:
        raise ValueError(f"the line item's type is {kind!r}: it may be {', '.join(sorted(_AWS_CHARGES))}")
    start = row.time(key("usage_start_date", "UsageStartDate"))
    ends = key("usage_end_date", "UsageEndDate")
    return ActualLine(
        row=row.number,
        cloud="aws",
        service=row.get(key("product_code", "ProductCode")),
        usage=row.get(key("usage_type", "UsageType")),
        resource=row.get(key("resource_id", "ResourceId")),
        cost=row.amount(key("unblended_cost", "UnblendedCost")),
        currency=row.get(key("currency_code", "CurrencyCode")),
        start=start,
        end=row.time(ends) if row.get(ends) else start,
        charge=charge,
        account=row.get(key("usage_account_id", "UsageAccountId")),
        tags=tags,
        identity=identity or _whole(row),
    )


def _gcp(row: _Fields) -> Iterator[ActualLine]:
    kind = row.get("cost_type") or "regular"
    charge = {"regular": Charge.USAGE, "tax": Charge.TAX}.get(kind, Charge.OTHER)
    start = row.time("usage_start_time")
    line = ActualLine(
        row=row.number,
        cloud="gcp",
        service=row.get("service.description"),
        usage=row.get("sku.description"),
        resource=row.get("resource.name") or row.get("resource.global_name"),
        cost=row.amount("cost"),
        currency=row.get("currency"),
        start=start,
        end=row.time("usage_end_time") if row.get("usage_end_time") else start,
        charge=charge,
        account=row.get("project.id"),
        tags=row.tags("labels"),
        identity=_whole(row),
    )
    yield line
    for credit in _credits(row):
        amount = Decimal(str(credit.get("amount", "0")))
        if amount:
            kind = str(credit.get("type", ""))
            # A free tier is in the estimate's own prices; a committed use is what its fee pays for.
            free = kind in ("FREE_TIER", "DISCOUNT")
            committed = kind.startswith("COMMITTED_USAGE")
            charge = Charge.USAGE if free else Charge.COMMITMENT if committed else Charge.CREDIT
            yield replace(line, cost=amount, charge=charge, identity=f"{line.identity} {credit}")


def _credits(row: _Fields) -> Sequence[Mapping[str, Any]]:
    found: Any = row.row.get("credits")
    if isinstance(found, str):
        try:
            found = json.loads(found) if found.strip() else []
        except json.JSONDecodeError:
            raise ValueError(f"credits is {found[:40]!r}: JSON is expected") from None
    return cast("list[Mapping[str, Any]]", found or [])


def _whole(row: _Fields) -> str:
    return json.dumps(row.row, sort_keys=True, default=str)


def month_of(text: str) -> date:
    """The first day of a month written YYYY-MM. ValueError where it is none."""
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
