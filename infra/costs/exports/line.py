"""One charge of a bill, whatever cloud and format it came in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Charge(StrEnum):
    """What a charge is. Only usage and commitments are compared with an estimate, which has no taxes and no credits."""

    USAGE = "usage"
    COMMITMENT = "commitment"
    CREDIT = "credit"
    REFUND = "refund"
    TAX = "tax"
    OTHER = "other"
    """Support, marketplace, adjustments."""


@dataclass(frozen=True, kw_only=True)
class ActualLine:
    """A charge: its service and usage in the cloud's own words, when, and to which account and resource."""

    row: int
    """Its line in the export, the header being 1."""
    cloud: str
    """aws, gcp, or the provider's own name."""
    service: str
    usage: str
    """The usage type or SKU."""
    resource: str
    cost: Decimal
    currency: str
    start: datetime
    end: datetime
    charge: Charge
    account: str
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    identity: str = ""
    """What makes two rows the same charge."""
