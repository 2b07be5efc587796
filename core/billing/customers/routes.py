"""/billing/customers: who pays the tenant."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query

from core.billing.customers import repository, service
from core.billing.customers.errors import CustomerExists, TaxExemptInvalid, TaxIdInvalid
from core.billing.customers.schemas import CustomerAnswer, CustomerChange, NewCustomer
from core.foundation.countries import CountryUnknown
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, Text, dump
from core.foundation.sorting import describe_sorts, read_sort
from core.foundation.zones import TimeZoneUnknown
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record
from core.identity.tenants.customers import CustomerErased, CustomerNotFound
from core.identity.tenants.models import Customer

router = APIRouter(prefix="/billing/customers", tags=["billing"])

CustomerPath = Annotated[str, Path(max_length=63, description="The id, or `self` for the tenant itself.")]
SubscriptionStatus = Literal["incomplete", "trialing", "active", "past_due", "paused", "canceled"]
_PROFILE = (TaxIdInvalid, TaxExemptInvalid, CountryUnknown, TimeZoneUnknown)


@router.post(
    "",
    operation_id="create_customer",
    status_code=201,
    responses=refusals(CustomerExists, *_PROFILE, KeyReused, KeyInFlight),
)
async def create_customer(scope: Writing, body: NewCustomer, idempotency_key: KeyHeader = None) -> CustomerAnswer:
    """A customer with its profile. One that only uses something is made at first use, and may be completed later."""
    async with scope.writing() as unit:

        async def make() -> CustomerAnswer:
            made = await service.create_customer(unit.session, body, tenant_id=unit.tenant_id, now=unit.now)
            _record(unit, "customer.created", made.id, fields=sorted(body.model_fields_set), after=dump(body))
            return _shown(made)

        answer = await answer_once(unit, make, door="customers", key=idempotency_key, document=dump(body))
    return CustomerAnswer.model_validate(answer)


@router.get("", operation_id="list_customers")
async def list_customers(
    scope: Reading,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer_id: Annotated[
        list[UUID] | None, Query(alias="customerId", max_length=200, description="Only these.")
    ] = None,
    external_id: Annotated[str | None, Query(alias="externalId", max_length=200)] = None,
    search: Annotated[
        Text | None, Query(max_length=200, description="Part of the name, the e-mail address or the external id.")
    ] = None,
    currency: Annotated[
        Text | None, Query(pattern="^[A-Z]{3}$", description="Billed in it: their own, else the tenant's.")
    ] = None,
    country: Annotated[Text | None, Query(pattern="^[A-Z]{2}$", description="Of the address.")] = None,
    open_invoices: Annotated[bool | None, Query(alias="openInvoices", description="Whether they owe.")] = None,
    subscription_status: Annotated[
        SubscriptionStatus | None, Query(alias="subscriptionStatus", description="Having a subscription so.")
    ] = None,
    sort: Annotated[str, Query(max_length=20, description=describe_sorts(repository.SORTS))] = "-createdAt",
) -> Page[CustomerAnswer]:
    """Customers, newest first; those to whom all of what is asked applies."""
    by = read_sort(sort, repository.SORTS)
    wanted = repository.Wanted(
        ids=customer_id,
        external_id=external_id,
        search=search,
        currency=currency,
        country=country,
        owes=open_invoices,
        subscribed=subscription_status,
    )
    async with scope.reading() as unit:
        page, next_cursor = await repository.list_customers(
            unit.session, unit.tenant_id, wanted, sort=by, cursor=cursor, limit=limit
        )
    return Page(data=[_shown(row) for row in page], next_cursor=next_cursor)


@router.get("/{customer_id}", operation_id="get_customer", responses=refusals(CustomerNotFound))
async def get_customer(scope: Reading, customer_id: CustomerPath) -> CustomerAnswer:
    """One customer."""
    async with scope.reading() as unit:
        return _shown(await service.get_customer(unit.session, unit.tenant_id, _wanted(customer_id)))


@router.patch(
    "/{customer_id}",
    operation_id="change_customer",
    responses=refusals(CustomerNotFound, CustomerErased, *_PROFILE),
)
async def change_customer(scope: Writing, customer_id: CustomerPath, body: CustomerChange) -> CustomerAnswer:
    """Another name, address or tax number: invoices that were issued keep what they say."""
    async with scope.writing() as unit:
        changed, before, after = await service.change_customer(
            unit.session, body, tenant_id=unit.tenant_id, customer_id=_wanted(customer_id), now=unit.now
        )
        if before:
            _record(unit, "customer.changed", changed.id, fields=sorted(before), before=before, after=after)
        return _shown(changed)


def _wanted(customer_id: str) -> UUID | None:
    return None if customer_id == "self" else parse_id(customer_id, "customerId")


def _record(
    unit: Unit,
    action: str,
    customer_id: UUID,
    *,
    fields: list[str],
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    record(
        unit.session,
        tenant_id=unit.tenant_id,
        actor=unit.actor,
        action=action,
        subject=str(customer_id),
        details={"fields": fields},
        before=before,
        after=after,
        occurred_at=unit.now,
    )


def _shown(row: Customer) -> CustomerAnswer:
    columns: dict[str, Any] = {
        name: getattr(row, name) for name in CustomerAnswer.model_fields if name not in ("customer_id", "replayed")
    }
    return CustomerAnswer(customer_id=row.id, **columns)
