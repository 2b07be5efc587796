"""What items come to: from price versions, quantities, shares and raw events, and never from stored amounts.

The same computation serves drafts, finalization, previews and the nightly recomputation. With `as_of` usage is counted
from the events that were known then; without it from the aggregates, as of now, which is for looking ahead only.

Order (pricing/totals.py): each line by its price; the minimum on what its period came to; the commitment on what all
its periods came to; coupons by period, in the order of their redemption. Tax and credits are the invoice's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.meters.definitions import Definitions
from core.billing.metering.meters.repository import load_definitions
from core.billing.metering.usage.quantities import usage_of
from core.billing.metering.usage.raw import RawUsage, Span, raw_usage, raw_usage_of
from core.billing.pricing.schemes.arithmetic import Rated, part_of, settle
from core.billing.pricing.schemes.arithmetic import Row as Step
from core.billing.pricing.schemes.commitments import Commitment, Minimum, parse_floor
from core.billing.pricing.schemes.definitions import Percentage, Scheme, parse
from core.billing.pricing.schemes.rating import Measured, rate
from core.billing.subscriptions import loading
from core.billing.subscriptions.agreement import Terms
from core.billing.subscriptions.discounting import Discounted, Earlier, Found, bills_before, discount, opening_minor
from core.billing.subscriptions.lines import period_of
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.repository import list_redemptions
from core.foundation.crypto import input_hash
from core.foundation.errors import CloudBillError
from core.foundation.money import MAX_MINOR, AmountOutOfRange, Rounding, minor_digits, minor_to_units, round_to_whole

FLOORS = ("minimum", "commitment")
COUNTED = ("recurring", "usage", "one_time", "unused", "remaining")
"""What a period came to before its floors."""

_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An item with its amount. `inputs` is what it was computed from; `discount_minor` its share of the coupons."""

    item: InvoiceItem
    quantity: Decimal | None
    rated: Rated
    inputs: dict[str, Any]
    discount_minor: int = 0

    @property
    def amount_minor(self) -> int:
        """Before coupons and tax."""
        return self.rated.amount_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """`lines` in the order of the items given, less those of nothing; `total_minor` is before tax and credits."""

    lines: tuple[Line, ...]
    discounts: tuple[Discounted, ...]
    subtotal_minor: int
    total_minor: int


async def compute(
    session: AsyncSession,
    items: Sequence[InvoiceItem],
    *,
    as_of: datetime | None,
    assumed: Sequence[InvoiceItem] = (),
    coupons: Sequence[Row[Any]] | None = None,
) -> Computed:
    """The items of one bill: of one subscription or of none. Writes nothing.

    `assumed` are items that are not stored and on another bill, `coupons` what would be redeemed (both for previews).
    Raises AmountOutOfRange.
    """
    of = [*items, *assumed]
    reader = Reader(session, as_of)
    if coupons is not None:
        found = [Found.assumed(row) for row in coupons]
    else:
        found = (await _coupons(session, [of])).get(_subscription_of(of), [])
    return await _compute(reader, items, assumed=assumed, coupons=found)


async def compute_all(
    session: AsyncSession, groups: Sequence[Sequence[InvoiceItem]], *, as_of: datetime | None
) -> list[Computed | CloudBillError]:
    """Many bills of one tenant, what they have in common read once; one that cannot be computed is its error."""
    reader = Reader(session, as_of)
    coupons = await _coupons(session, groups)
    await reader.count([item for items in groups for item in items])
    found: list[Computed | CloudBillError] = []
    for items in groups:
        try:
            found.append(await _compute(reader, items, coupons=coupons.get(_subscription_of(items), [])))
        except CloudBillError as refused:
            found.append(refused)
        reader.lines.clear()
    return found


async def _coupons(session: AsyncSession, groups: Sequence[Sequence[InvoiceItem]]) -> dict[UUID | None, list[Found]]:
    subscriptions = [one for items in groups if (one := _subscription_of(items)) is not None]
    found: dict[UUID | None, list[Found]] = {}
    if subscriptions:
        for row in await list_redemptions(session, groups[0][0].tenant_id, subscriptions):
            found.setdefault(row.subscription_id, []).append(Found.redeemed(row))
    return found


def _subscription_of(items: Sequence[InvoiceItem]) -> UUID | None:
    return next((item.subscription_id for item in items if item.subscription_id is not None), None)


async def _compute(
    reader: "Reader",
    items: Sequence[InvoiceItem],
    *,
    assumed: Sequence[InvoiceItem] = (),
    coupons: Sequence[Found] = (),
) -> Computed:
    for item in items:
        await reader.rate(item)
    floors = [item for item in items if item.kind in FLOORS]
    for item in sorted(floors, key=lambda item: FLOORS.index(item.kind)):
        await reader.floor(item, [*items, *assumed])
    lines = [reader.lines[item.id] for item in items if item.id in reader.lines]
    lines, discounts = discount(lines, coupons, earlier=await reader.earlier(items, assumed, coupons))
    subtotal_minor = sum(line.amount_minor for line in lines)
    if abs(subtotal_minor) > MAX_MINOR:
        raise AmountOutOfRange
    total_minor = subtotal_minor - sum(one.amount_minor for one in discounts)
    return Computed(
        lines=tuple(lines), discounts=tuple(discounts), subtotal_minor=subtotal_minor, total_minor=total_minor
    )


@dataclass(slots=True)
class Reader:
    """What was read for one bill, each thing once."""

    session: AsyncSession
    as_of: datetime | None
    lines: dict[UUID, Line] = field(default_factory=dict[UUID, Line])
    _prices: dict[str, Terms] = field(default_factory=dict[str, Terms])
    _meters: dict[UUID, Definitions] = field(default_factory=dict[UUID, Definitions])
    _counted_before: dict[UUID, RawUsage] = field(default_factory=dict[UUID, RawUsage])

    async def rate(self, item: InvoiceItem) -> Rated | None:
        """The amount of an item by itself; None for floors, which need the others."""
        if item.id in self.lines:
            return self.lines[item.id].rated
        if item.kind in FLOORS:
            return None
        quantity, inputs = item.quantity, dict[str, Any](item.basis)
        if item.kind == "correction":
            rated, inputs = await self._correction(item)
        elif "componentId" not in item.basis:
            assert item.amount_minor is not None, "a line without a price has an amount of its own"
            rated = flat(item.amount_minor, item.currency)
        else:
            scheme, definition = await self._scheme(item.basis)
            inputs |= {"price": input_hash(definition).hex(), "rhythm": (await self.terms(item.basis)).written_rhythm}
            if item.kind == "usage":
                if self.as_of is not None:
                    inputs["meter"] = await self._meter(item)
                used = await self.usage(item, as_of=self.as_of, with_amounts=isinstance(scheme, Percentage))
                quantity = used.quantity
                inputs |= {"events": used.events, "digest": used.digest}
                rated = rate(scheme, measured(used, scheme), currency=item.currency)
            else:
                rated = rate(scheme, Measured(item.quantity or Decimal(0)), currency=item.currency)
                part = Fraction(*item.basis["share"])
                rated = rated if part == 1 else part_of(rated, part)
        self.lines[item.id] = Line(item=item, quantity=quantity, rated=rated, inputs=inputs)
        return rated

    async def floor(self, item: InvoiceItem, others: Sequence[InvoiceItem]) -> None:
        """What is missing to a minimum or a commitment is a line; nothing missing, none."""
        owed_minor, charged_minor, inputs = await self._missing(item, others)
        if owed_minor > charged_minor:
            step = Step("true_up", Decimal(1), minor_to_units(owed_minor - charged_minor, item.currency))
            rated = settle(item.kind, [step], currency=item.currency, rounding=Rounding.HALF_UP)
            inputs |= {"owedMinor": owed_minor, "chargedMinor": charged_minor}
            self.lines[item.id] = Line(item=item, quantity=None, rated=rated, inputs={**item.basis, **inputs})

    async def _missing(self, item: InvoiceItem, others: Sequence[InvoiceItem]) -> tuple[int, int, dict[str, Any]]:
        """What a floor asks for, what was charged, and the prices it follows from."""
        counted = await self._counted(item, others)
        charged_minor = 0
        for one in counted:
            rated = await self.rate(one)
            if rated is None:
                if one.id not in self.lines:
                    await self.floor(one, others)
                rated = self.lines[one.id].rated if one.id in self.lines else None
            charged_minor += rated.amount_minor if rated is not None else 0
        owed_minor, inputs = await self._owed(item, counted)
        return owed_minor, charged_minor, inputs

    async def usage(self, item: InvoiceItem, *, as_of: datetime | None, with_amounts: bool) -> RawUsage:
        """What the item's meter counted in its time."""
        assert item.meter_id is not None, "the database holds usage to a meter"
        assert item.period_start is not None, "and what is of a subscription to a time"
        assert item.period_end is not None, "which has two ends"
        if as_of is None and not with_amounts:
            quantity = await usage_of(
                self.session, item.tenant_id, item.customer_id, item.meter_id, item.period_start, item.period_end
            )
            return RawUsage(quantity, 0, "")
        if not with_amounts and item.id in self._counted_before:
            return self._counted_before[item.id]
        definitions = await self._definitions(item.tenant_id, item.meter_id)
        return await raw_usage(
            self.session,
            definitions,
            tenant_id=item.tenant_id,
            customer_id=item.customer_id,
            start=item.period_start,
            end=item.period_end,
            as_of=as_of or _EVER,
            with_amounts=with_amounts,
        )

    async def _meter(self, item: InvoiceItem) -> str:
        """What counted in the item's time, in short: a version that begins later makes no difference."""
        assert item.meter_id is not None, "the database holds usage to a meter"
        known = (await self._definitions(item.tenant_id, item.meter_id)).all
        begun = [one for one in known if item.period_end is None or one.since < item.period_end]
        return input_hash([one.written() for one in begun]).hex()[:16]

    async def count(self, items: Sequence[InvoiceItem]) -> None:
        """What meters counted in the items' times, by one statement a meter, where no price asks for each event."""
        by_meter: dict[UUID, list[tuple[UUID, Span]]] = {}
        for item in items if self.as_of is not None else ():
            if item.kind != "usage" or item.meter_id is None or item.period_start is None or item.period_end is None:
                continue
            if not isinstance((await self._scheme(item.basis))[0], Percentage):
                span = Span(item.customer_id, item.period_start, item.period_end)
                by_meter.setdefault(item.meter_id, []).append((item.id, span))
        for meter_id, own in by_meter.items():
            tenant_id = items[0].tenant_id
            definitions = await self._definitions(tenant_id, meter_id)
            if definitions.all and self.as_of is not None:
                spans = [span for _, span in own]
                found = await raw_usage_of(self.session, definitions, spans, tenant_id=tenant_id, as_of=self.as_of)
                self._counted_before.update(zip([item_id for item_id, _ in own], found, strict=True))

    async def _definitions(self, tenant_id: UUID, meter_id: UUID) -> Definitions:
        if meter_id not in self._meters:
            self._meters[meter_id] = await load_definitions(self.session, tenant_id, meter_id=meter_id)
        return self._meters[meter_id]

    async def earlier(
        self, items: Sequence[InvoiceItem], assumed: Sequence[InvoiceItem], coupons: Sequence[Found]
    ) -> dict[int, Earlier]:
        """Of each period on the bill its other bills, where an amount may be taken off."""
        periods = {period_of(item) for item in items if item.kind != "correction"}
        ordinals = {ordinal for ordinal in periods if ordinal is not None}
        if not any(coupon.terms.amount_minor is not None for coupon in coupons) or not ordinals:
            return {}
        first = items[0]
        stored = await self.session.scalars(
            select(InvoiceItem).where(
                InvoiceItem.tenant_id == first.tenant_id,
                InvoiceItem.subscription_id == next(item.subscription_id for item in items if item.subscription_id),
                InvoiceItem.ordinal.in_(ordinals),
                InvoiceItem.kind != "correction",
            )
        )
        here = {item.id for item in items}
        given = {item.id: item for item in assumed if item.kind != "correction"}
        rows = [*(row for row in stored if row.id not in here and row.id not in given), *given.values()]
        found: dict[int, Earlier] = {}
        for ordinal in ordinals:
            own = [item for item in items if period_of(item) == ordinal and item.kind != "correction"]
            of_it = [row for row in rows if period_of(row) == ordinal]
            bills = bills_before(own, of_it)
            others_minor = opening_minor(of_it)
            whole_minor = others_minor + opening_minor(own)
            found[ordinal] = Earlier(
                others_minor > 0,
                [(await self._lines(bill), whole_minor - opening_minor(bill) <= 0) for bill in bills],
            )
        return found

    async def _lines(self, items: Sequence[InvoiceItem]) -> list[Line]:
        """Of another bill."""
        for item in sorted(items, key=lambda item: item.kind == "commitment"):
            if await self.rate(item) is None and item.id not in self.lines:
                await self.floor(item, items)
        return [self.lines[item.id] for item in items if item.id in self.lines]

    async def terms(self, basis: Mapping[str, Any], price_id: str | None = None) -> Terms:
        """The price of a basis."""
        name = price_id or basis["priceId"]
        if name not in self._prices:
            self._prices[name] = await loading.load_terms(self.session, UUID(basis["sellerId"]), UUID(name))
        return self._prices[name]

    async def _scheme(self, basis: Mapping[str, Any]) -> tuple[Scheme, dict[str, Any]]:
        terms = await self.terms(basis)
        wanted = UUID(basis["componentId"])
        definition = next((one.definition for one in terms.components if one.id == wanted), None)
        assert definition is not None, "the basis names a component of its price"
        return parse(definition), definition

    async def difference(self, item: InvoiceItem, *, before: datetime, after: datetime) -> tuple[Rated, dict[str, Any]]:
        """What an item by itself comes to by what was known later, less what it came to by what was known before."""
        amounts: list[int] = []
        inputs: dict[str, Any] = {}
        for name, as_of in (("asOfBefore", before), ("asOf", after)):
            then = Reader(self.session, as_of, _prices=self._prices, _meters=self._meters)
            if item.kind in FLOORS:
                owed_minor, charged_minor, prices = await then._missing(item, [])
                amounts.append(max(0, owed_minor - charged_minor))
                inputs |= {**prices, f"{name}Usage": {"owedMinor": owed_minor, "chargedMinor": charged_minor}}
            else:
                rated = await then.rate(item)
                assert rated is not None, "only floors need the others"
                line = then.lines[item.id]
                kept = {"events": line.inputs.get("events"), "digest": line.inputs.get("digest")}
                amounts.append(rated.amount_minor)
                inputs |= {"price": line.inputs["price"], f"{name}Usage": {"quantity": str(line.quantity), **kept}}
        steps = [
            Step(kind, Decimal(sign), minor_to_units(amount, item.currency))
            for kind, sign, amount in (("as_known_now", 1, amounts[1]), ("as_known_before", -1, amounts[0]))
        ]
        return settle("correction", steps, currency=item.currency, rounding=Rounding.HALF_UP), inputs

    async def _correction(self, item: InvoiceItem) -> tuple[Rated, dict[str, Any]]:
        corrected = await self.session.get_one(InvoiceItem, (item.tenant_id, UUID(item.basis["itemId"])))
        rated, inputs = await self.difference(
            corrected,
            before=datetime.fromisoformat(item.basis["asOfBefore"]),
            after=datetime.fromisoformat(item.basis["asOf"]),
        )
        return rated, {**item.basis, **inputs}

    async def _counted(self, item: InvoiceItem, others: Sequence[InvoiceItem]) -> list[InvoiceItem]:
        """The items that count for a floor, wherever they are billed.

        For a minimum also those of its period before a pause that kept what was paid ahead. The minimum up to such a
        pause counts what began before it.
        """
        kinds = (*COUNTED, "minimum")
        last = item.ordinal or 0
        first = await self._kept_from(item, others) if item.kind == "minimum" else int(item.basis["fromOrdinal"])
        stored = await self.session.scalars(
            select(InvoiceItem)
            .where(
                InvoiceItem.tenant_id == item.tenant_id,
                InvoiceItem.subscription_id == item.subscription_id,
                InvoiceItem.kind.in_(kinds),
                InvoiceItem.ordinal.between(first, last + 1),
            )
            .order_by(InvoiceItem.id)
        )
        found: dict[UUID, InvoiceItem] = {}
        for one in (*stored, *others):
            ordinal = period_of(one)
            if one.kind in kinds and ordinal is not None and first <= ordinal <= last:
                found.setdefault(one.id, one)
        if item.kind == "commitment":
            return list(found.values())
        return [
            one
            for one in found.values()
            if (one.kind == "minimum" and (one.ordinal or 0) < last)
            or (one.kind in COUNTED and not ("keeps" in item.basis and _is_from(item.period_end, one)))
        ]

    async def _kept_from(self, item: InvoiceItem, others: Sequence[InvoiceItem]) -> int:
        """The first ordinal of a minimum's period: the one before, where a pause ended it that kept what was paid."""
        first = item.ordinal or 0
        if sum((Fraction(*owed["share"]) for owed in item.basis["owed"]), Fraction(0)) == 1:
            return first
        stored = await self.session.scalars(
            select(InvoiceItem).where(
                InvoiceItem.tenant_id == item.tenant_id,
                InvoiceItem.subscription_id == item.subscription_id,
                InvoiceItem.kind == "minimum",
                InvoiceItem.ordinal < first,
                InvoiceItem.basis.has_key("keeps"),
            )
        )
        # A pause that is only looked at is not stored.
        assumed = [one for one in others if one.kind == "minimum" and "keeps" in one.basis]
        ended = {one.ordinal: one for one in (*stored, *assumed) if one.ordinal is not None and one.ordinal < first}
        for one in (ended[ordinal] for ordinal in sorted(ended, reverse=True)):
            through = datetime.fromisoformat(one.basis["keeps"])
            if one.ordinal != first - 1 or item.period_start is None or item.period_start >= through:
                break
            first -= 1
        return first

    async def _owed(self, item: InvoiceItem, counted: Sequence[InvoiceItem]) -> tuple[int, dict[str, Any]]:
        scale = 10 ** minor_digits(item.currency)
        if item.kind == "commitment":
            terms = await self.terms(item.basis)
            commitment = parse_floor(terms.commitment or {})
            assert isinstance(commitment, Commitment), "the basis names a price that has one"
            price = input_hash(terms.commitment).hex()
            return round_to_whole(Fraction(commitment.amount) * scale, commitment.rounding), {"price": price}
        exact, rounding, prices = Fraction(0), Rounding.HALF_UP, list[str]()
        before = [one for one in counted if one.kind == "minimum"]
        for owed in (owed for one in (*before, item) for owed in one.basis["owed"]):
            terms = await self.terms(item.basis, owed["priceId"])
            minimum = parse_floor(terms.minimum or {})
            assert isinstance(minimum, Minimum), "the basis names a price that has one"
            exact += Fraction(minimum.amount) * scale * Fraction(*owed["share"])
            rounding = minimum.rounding
            prices.append(input_hash(terms.minimum).hex())
        return round_to_whole(exact, rounding), {"prices": prices}


def _is_from(end: datetime | None, item: InvoiceItem) -> bool:
    """Whether an item is of the time from an instant on."""
    return end is not None and item.period_start is not None and item.period_start >= end


def measured(used: RawUsage, scheme: Scheme) -> Measured:
    """Usage as a price reads it: percentages take the transactions one by one."""
    return Measured(used.quantity, used.amounts if isinstance(scheme, Percentage) else None)


def flat(amount_minor: int, currency: str) -> Rated:
    """An amount that follows from no price."""
    step = Step("flat", Decimal(1), minor_to_units(amount_minor, currency))
    return settle("flat", [step], currency=currency, rounding=Rounding.HALF_UP)
