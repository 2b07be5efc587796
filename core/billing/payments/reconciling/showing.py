"""How a reconciliation is shown, to the API's callers and by the command."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from core.billing.payments.reconciling.comparing import Compared, Finding
from core.billing.payments.reconciling.schemas import (
    AccountAnswer,
    AcknowledgementAnswer,
    DifferenceAnswer,
    ReconciliationAnswer,
)

NOBODY: Mapping[UUID, str] = MappingProxyType({})


def show(done: Compared, *, since: datetime, people: Mapping[UUID, str] = NOBODY) -> ReconciliationAnswer:
    """All of it, differences first by what they are; `people` are the addresses of those who acknowledged."""
    return ReconciliationAnswer(
        since=since,
        compared=done.compared,
        differences=[
            show_difference(finding, people)
            for finding in sorted(done.findings, key=lambda finding: (finding.difference, finding.provider_id))
        ],
        accounts=[
            AccountAnswer(
                currency=currency,
                charged_minor=sums.charged_minor,
                refunded_minor=sums.refunded_minor,
                disputed_minor=sums.disputed_minor,
                fees_minor=sums.fees_minor,
                paid_out_minor=sums.paid_out_minor,
                other_minor=sums.other_minor,
                net_minor=sums.net_minor,
                ours_minor=sums.ours_minor,
                acknowledged_minor=sums.acknowledged_minor,
                unexplained_minor=sums.unexplained_minor,
            )
            for currency, sums in sorted(done.sums.items())
        ],
    )


def show_difference(finding: Finding, people: Mapping[UUID, str] = NOBODY) -> DifferenceAnswer:
    """One of them."""
    said = finding.acknowledged
    acknowledgement = said and AcknowledgementAnswer(
        reason=said.reason, by=said.by, by_email=people.get(said.by) if said.by else None, at=said.at
    )
    return DifferenceAnswer(
        difference=finding.difference.value,
        kind=finding.kind,
        provider_id=finding.provider_id,
        id=UUID(finding.row_id) if finding.row_id else None,
        tenant_id=UUID(finding.tenant_id) if finding.tenant_id else None,
        currency=finding.currency,
        ours_minor=finding.ours_minor,
        theirs_minor=finding.theirs_minor,
        detail=finding.detail,
        acknowledgement=acknowledgement,
    )
