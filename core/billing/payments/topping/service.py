"""Watching wallets: low is told once a crossing, and a top-up is bought once, however many look at the same time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments import repository as payments
from core.billing.payments.methods import repository as methods
from core.billing.payments.models import PURCHASE_MEANS, Payment, Purchase
from core.billing.payments.topping import repository
from core.billing.payments.topping.models import WalletWatch
from core.foundation.crypto import input_hash
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.outbox import tell

NO_CARD = "no_payment_method"
NO_PACKAGE = "unknown_package"


async def look(session: AsyncSession, watch_id: UUID, *, tenant_id: UUID, now: datetime, wall: datetime) -> None:
    """Does what is due about one wallet, under its lock."""
    watch = await repository.lock(session, tenant_id, watch_id)
    if watch is None:
        return
    available_micro = await repository.available(session, watch)
    await _alert(session, watch, available_micro, now=now)
    await _conclude(session, watch, now=now)
    if watch.failed_at is not None:
        card = await methods.find_default(session, tenant_id, watch.customer_id)
        if card is not None and card.default_since is not None and card.default_since > watch.failed_at:
            watch.failed_code = watch.failed_at = None
    if watch.blocked_until is not None and watch.blocked_until <= now:
        watch.blocked_until = None
    is_wanted = watch.top_up_below_micro is not None and available_micro < watch.top_up_below_micro
    if is_wanted and watch.purchase_id is None and watch.failed_code is None and watch.blocked_until is None:
        await _top_up(session, watch, now=now, wall=wall)
    await session.flush()


async def _alert(session: AsyncSession, watch: WalletWatch, available_micro: int, *, now: datetime) -> None:
    if watch.alert_below_micro is None:
        return
    is_low = available_micro < watch.alert_below_micro
    if is_low and not watch.is_low:
        watch.crossings += 1
        await _tell(
            session,
            watch,
            "credits.low",
            str(watch.crossings),
            now=now,
            availableMicro=available_micro,
            thresholdMicro=watch.alert_below_micro,
        )
    watch.is_low = is_low


async def _conclude(session: AsyncSession, watch: WalletWatch, *, now: datetime) -> None:
    """What became of the top-up that was under way."""
    if watch.purchase_id is None:
        return
    purchase = await session.get(Purchase, (watch.tenant_id, watch.purchase_id), populate_existing=True)
    if purchase is None or purchase.state == "pending":
        return
    purchase_id, watch.purchase_id = watch.purchase_id, None
    more = {"purchaseId": str(purchase_id), "amountMinor": purchase.amount_minor}
    if purchase.paid_by is not None:
        await _tell(session, watch, "credits.topped_up", str(purchase_id), now=now, **more)
        return
    codes = await payments.list_failure_codes(session, watch.tenant_id, [purchase_id])
    watch.failed_code, watch.failed_at = codes.get(purchase_id) or "declined", now
    await _tell(
        session, watch, "credits.top_up_failed", str(purchase_id), now=now, declineCode=watch.failed_code, **more
    )


async def _top_up(session: AsyncSession, watch: WalletWatch, *, now: datetime, wall: datetime) -> None:
    assert watch.package_code is not None, "a constraint holds it"
    assert watch.monthly_limit_minor is not None, "a constraint holds it"
    package = await payments.find_package(session, watch.tenant_id, code=watch.package_code, currency=watch.currency)
    card = await methods.find_default(session, watch.tenant_id, watch.customer_id)
    if package is None or card is None:
        watch.failed_code, watch.failed_at = NO_CARD if package else NO_PACKAGE, now
        await _tell(
            session, watch, "credits.top_up_failed", f"{watch.fired + 1}", now=now, declineCode=watch.failed_code
        )
        return
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent_minor = await repository.spent_since(session, watch, since=month)
    if spent_minor + package.amount_minor > watch.monthly_limit_minor:
        watch.blocked_until = _next_month(month)
        return
    watch.fired += 1
    purchase = Purchase(
        tenant_id=watch.tenant_id,
        id=new_id(),
        customer_id=watch.customer_id,
        package_code=package.code,
        package_name=package.name,
        state="pending",
        amount_minor=package.amount_minor,
        credits_micro=package.credits_micro,
        currency=package.currency,
        # The second lock beside the row's: the database knows no two purchases of one key.
        idempotency_key=f"auto-top-up:{watch.id}:{watch.fired}",
        input_hash=input_hash(["auto-top-up", str(watch.id), watch.fired]),
        success_url="about:blank",
        cancel_url="about:blank",
        created_at=now,
    )
    session.add(purchase)
    await session.flush()
    session.add_all(
        Payment(
            tenant_id=watch.tenant_id,
            id=new_id(),
            purchase_id=purchase.id,
            means=means,
            state="pending" if means == "intent" else "canceled",
            amount_minor=package.amount_minor,
            currency=package.currency,
            provider_account_id=card.provider_account_id,
            created_at=wall,
            updated_at=wall,
        )
        for means in PURCHASE_MEANS
    )
    watch.purchase_id = purchase.id
    await session.flush()
    await defer(session, "payments:top_up", tenant_id=str(watch.tenant_id), purchase_id=str(purchase.id))


def _next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


async def _tell(
    session: AsyncSession, watch: WalletWatch, kind: str, fact: str, *, now: datetime, **more: str | int | None
) -> None:
    await tell(
        session,
        tenant_id=watch.tenant_id,
        kind=kind,
        subject_id=watch.id,
        fact=fact,
        occurred_at=now,
        customer_id=watch.customer_id,
        document={"customerId": str(watch.customer_id), "currency": watch.currency, **more},
    )
