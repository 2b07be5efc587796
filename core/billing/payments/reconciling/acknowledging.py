"""A movement on the provider's account that is not ours: an operator says whose it is, and it asks for nothing more.

What is said is a row that nobody changes, of the installation's tenant, and its audit log keeps who said it.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.reconciling.comparing import Acknowledged, Compared, Difference, Finding, Key
from core.billing.payments.reconciling.errors import DifferenceNotFound, DifferenceOurs, DifferenceTooYoung
from core.billing.payments.reconciling.models import PaymentAcknowledgement
from core.billing.payments.reconciling.reconcile import list_acknowledged
from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID, new_id
from core.identity.access import Principal
from core.identity.tenants.auditing import record


async def acknowledge(
    database: Database,
    done: Compared,
    key: Key,
    *,
    account_id: str,
    reason: str,
    actor: Principal | None,
    wall: datetime,
) -> tuple[Finding, bool]:
    """The difference as it is from now on, and whether that was said before. `done` is what was compared just now.

    The sum is the provider's, never the caller's. Raises DifferenceNotFound, DifferenceOurs, DifferenceTooYoung.
    """
    finding = done.find(key)
    if finding is None:
        raise DifferenceNotFound
    if finding.difference is Difference.ACKNOWLEDGED:
        return finding, True
    if finding.difference is Difference.TIMING:
        raise DifferenceTooYoung
    if finding.difference is not Difference.MISSING_HERE or finding.theirs_minor is None:
        raise DifferenceOurs(finding.difference.value)
    by = actor.id if actor else None
    said = Acknowledged(finding.theirs_minor, finding.currency, reason, by, wall)
    async with database.tenant(INSTALLATION_ID) as session:
        _keep(session, key, said, account_id=account_id, actor=actor, amount_minor=said.amount_minor)
    return done.accept(finding, said), False


async def take_back(
    database: Database, key: Key, *, account_id: str, actor: Principal | None, wall: datetime
) -> Acknowledged:
    """From the next comparison on the movement asks for somebody again. Raises DifferenceNotFound."""
    async with database.tenant(INSTALLATION_ID) as session:
        known = (await list_acknowledged(session, account_id=account_id)).get(key)
        if known is None:
            raise DifferenceNotFound
        said = Acknowledged(known.amount_minor, known.currency, known.reason, actor.id if actor else None, wall)
        _keep(session, key, said, account_id=account_id, actor=actor, amount_minor=None)
    return known


def _keep(
    session: AsyncSession,
    key: Key,
    said: Acknowledged,
    *,
    account_id: str,
    actor: Principal | None,
    amount_minor: int | None,
) -> None:
    kind, provider_id = key
    session.add(
        PaymentAcknowledgement(
            tenant_id=INSTALLATION_ID,
            id=new_id(),
            provider_account_id=account_id,
            kind=kind,
            provider_id=provider_id,
            amount_minor=amount_minor,
            currency=said.currency,
            reason=said.reason,
            acknowledged_by=said.by,
            acknowledged_at=said.at,
        )
    )
    record(
        session,
        tenant_id=INSTALLATION_ID,
        actor=actor,
        action="payment.acknowledged" if amount_minor is not None else "payment.acknowledgement_taken_back",
        subject=provider_id,
        reason=said.reason,
        details={"kind": kind, "amountMinor": said.amount_minor, "currency": said.currency},
        occurred_at=said.at,
    )
