"""Every statement on saved means of payment."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.methods.errors import PaymentMethodNotFound, SetupNotFound
from core.billing.payments.methods.models import PaymentMethod, PaymentSetup, ProviderCustomer


async def find_provider_customer(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, account_id: str
) -> ProviderCustomer | None:
    """A customer as the provider knows it."""
    return await session.scalar(
        select(ProviderCustomer).where(
            ProviderCustomer.tenant_id == tenant_id,
            ProviderCustomer.customer_id == customer_id,
            ProviderCustomer.provider_account_id == account_id,
        )
    )


async def insert_provider_customer(session: AsyncSession, row: dict[str, Any]) -> None:
    """Keeps the first of two that race."""
    await session.execute(insert(ProviderCustomer).values(row).on_conflict_do_nothing())


async def get_method(session: AsyncSession, tenant_id: UUID, method_id: UUID, *, locked: bool = False) -> PaymentMethod:
    """Raises PaymentMethodNotFound."""
    statement = select(PaymentMethod).where(PaymentMethod.tenant_id == tenant_id, PaymentMethod.id == method_id)
    found = await session.scalar(statement.with_for_update() if locked else statement)
    if found is None:
        raise PaymentMethodNotFound
    return found


async def find_default(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> PaymentMethod | None:
    """The card that a customer is charged by."""
    return await session.scalar(
        select(PaymentMethod).where(
            PaymentMethod.tenant_id == tenant_id,
            PaymentMethod.customer_id == customer_id,
            PaymentMethod.is_default,
        )
    )


async def find_method_at_provider(
    session: AsyncSession, tenant_id: UUID, *, account_id: str, provider_id: str
) -> PaymentMethod | None:
    """A card by the provider's id, locked."""
    return await session.scalar(
        select(PaymentMethod)
        .where(
            PaymentMethod.tenant_id == tenant_id,
            PaymentMethod.provider_account_id == account_id,
            PaymentMethod.provider_id == provider_id,
        )
        .with_for_update()
    )


async def lock_customer(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> None:
    """Changes of a customer's cards take turns."""
    await session.execute(
        text("SELECT id FROM customers WHERE tenant_id = :tenant AND id = :customer FOR NO KEY UPDATE"),
        {"tenant": tenant_id, "customer": customer_id},
    )


async def clear_default(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> None:
    """No card of the customer's is the default."""
    await session.execute(
        update(PaymentMethod)
        .where(PaymentMethod.tenant_id == tenant_id, PaymentMethod.customer_id == customer_id, PaymentMethod.is_default)
        .values(is_default=False, default_since=None)
    )


async def list_methods(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    customer_id: UUID | None,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[PaymentMethod]:
    """Newest first; one more than `limit` where there is a next page."""
    statement = select(PaymentMethod).where(PaymentMethod.tenant_id == tenant_id)
    if customer_id is not None:
        statement = statement.where(PaymentMethod.customer_id == customer_id)
    if state is not None:
        statement = statement.where(PaymentMethod.state == state)
    if before is not None:
        statement = statement.where(PaymentMethod.id < before)
    return (await session.scalars(statement.order_by(PaymentMethod.id.desc()).limit(limit + 1))).all()


async def insert_setup(session: AsyncSession, row: dict[str, Any]) -> bool:
    """False where the idempotency key is taken."""
    statement = (
        insert(PaymentSetup)
        .values(row)
        .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
        .returning(PaymentSetup.id)
    )
    return await session.scalar(statement) is not None


async def find_setup_by_key(session: AsyncSession, tenant_id: UUID, key: str) -> PaymentSetup | None:
    """The setup made with an idempotency key, locked."""
    statement = select(PaymentSetup).where(PaymentSetup.tenant_id == tenant_id, PaymentSetup.idempotency_key == key)
    return await session.scalar(statement.with_for_update())


async def get_setup(session: AsyncSession, tenant_id: UUID, setup_id: UUID, *, locked: bool = False) -> PaymentSetup:
    """Raises SetupNotFound."""
    statement = select(PaymentSetup).where(PaymentSetup.tenant_id == tenant_id, PaymentSetup.id == setup_id)
    statement = statement.execution_options(populate_existing=True)
    found = await session.scalar(statement.with_for_update() if locked else statement)
    if found is None:
        raise SetupNotFound
    return found


async def list_open_setups(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> list[UUID]:
    """The newest setups of a customer that have not ended and that the provider knows."""
    statement = (
        select(PaymentSetup.id)
        .where(
            PaymentSetup.tenant_id == tenant_id,
            PaymentSetup.customer_id == customer_id,
            PaymentSetup.state.in_(("pending", "failed")),
            PaymentSetup.provider_id.is_not(None),
        )
        .order_by(PaymentSetup.id.desc())
        .limit(3)
    )
    return list(await session.scalars(statement))


async def find_tenant_of_method(session: AsyncSession, *, account_id: str, provider_id: str) -> UUID | None:
    """Whose card the provider means; as the reading operator, across tenants."""
    statement = text("SELECT tenant_id FROM payment_methods WHERE provider_account_id = :account AND provider_id = :id")
    return await session.scalar(statement, {"account": account_id, "id": provider_id})
