"""What happens to a subscription: each transition takes the agreement and gives the next, the items to bill, the trail.

Pure: who stores the outcome does it whole, in one transaction. Errors are named and leave nothing behind.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from core.billing.pricing.plans.errors import ComponentUnknown
from core.billing.subscriptions import lines
from core.billing.subscriptions.agreement import BILLED, Agreement, Held, Part, Terms, Wanted
from core.billing.subscriptions.errors import NothingChanges, SubscriptionState
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.periods import Cycle, anniversary, calendar_cycle
from core.billing.subscriptions.trials import trial_end
from core.foundation.money import format_decimal

TRIAL_NOTICE = timedelta(days=3)
Unused = Literal["credit", "keep"]
Bill = Literal["now", "next_invoice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`kind` and `details` are the trail's; `fact` is what others are told (None: nothing)."""

    agreement: Agreement
    kind: str
    items: tuple[InvoiceItem, ...] = ()
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    fact: str | None = None
    forward_to: datetime | None = None
    """What waits to be billed later is billed then: the subscription, or its rhythm, ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a subscription begins with besides its terms."""

    tenant_id: UUID
    id: UUID
    customer_id: UUID
    collection: str
    zone: str
    anchor_day: int | None = None
    trial_days: int | None = None
    """Instead of the plan's; 0 for none."""


def begin(terms: Terms, wanted: Wanted, begun: Begun, *, now: datetime) -> Outcome:
    """The first period, or a trial before it. Automatic collection waits for the first payment (`incomplete`)."""
    days = terms.trial_days if begun.trial_days is None else begun.trial_days
    until = terms.trial_until if begun.trial_days is None else None
    ends = trial_end(now, days=days, until=until, zone=begun.zone)
    first = ends or now
    cycle = _cycle(terms, first, begun.zone, begun.anchor_day)
    period = cycle.period_at(first)
    agreement = Agreement(
        tenant_id=begun.tenant_id,
        id=begun.id,
        customer_id=begun.customer_id,
        currency=terms.currency,
        state="trialing" if ends else "active",
        collection=begun.collection,
        cycle=cycle,
        period_number=period.number,
        ordinal=-1 if ends else 0,
        period_start=now,
        period_end=ends or period.end,
        paid_through=first,
        created_at=now,
        held=Held(terms=terms, since=now),
        parts=choose(terms, wanted, now=now),
        trial_end=ends,
        trial_notice_at=max(now, ends - TRIAL_NOTICE) if ends else None,
    )
    if ends:
        return Outcome(agreement=agreement, kind="created", fact="subscription.created", details=summary(agreement))
    agreement, items = _open(agreement, at=now, first=True)
    if begun.collection == "automatic" and any(item.amount_minor for item in items):
        agreement = replace(agreement, state="incomplete")
    return Outcome(
        agreement=agreement, kind="created", fact="subscription.created", items=items, details=summary(agreement)
    )


def renew(
    agreement: Agreement,
    *,
    at: datetime,
    terms: Terms | None = None,
    wanted: Wanted | None = None,
    waits: bool = False,
) -> Outcome:
    """The period that ends is billed for what it used, the next one ahead. `terms`: those taken from here on.

    What is billed, or `waits` to be billed with it, must be paid before others hear that it was renewed, or is active
    after its trial (renewals.py): the trail then names the renewal, and there is no fact yet.
    """
    is_trial = agreement.state == "trialing"
    items = [] if is_trial else lines.closing(agreement, at=at, bill_at=at)
    before = agreement
    left = None if agreement.commitment_left is None or is_trial else agreement.commitment_left - 1
    agreement = replace(
        agreement,
        commitment=agreement.commitment if left != 0 else None,
        commitment_from=agreement.commitment_from if left != 0 else None,
        commitment_left=left or None,
        state="active" if is_trial else agreement.state,
        pending=None,
    )
    if terms is not None:
        agreement = _taking(agreement, terms, choose(terms, wanted or Wanted(), now=at, former=agreement.parts), at=at)
    if agreement.terms.rhythm != before.terms.rhythm:
        cycle = _cycle(agreement.terms, at, agreement.cycle.zone, None)
        period = cycle.period_at(at)
    else:
        cycle = agreement.cycle
        period = cycle.period_at(at) if is_trial else cycle.following(before.whole)
    agreement = replace(
        agreement, cycle=cycle, period_number=period.number, ordinal=agreement.ordinal + 1, period_start=at,
        period_end=period.end, trial_notice_at=None, past_parts=(), past_held=(),
    )  # fmt: skip
    agreement, opened = _open(agreement, at=at, first=is_trial)
    billed = (*items, *opened)
    details, fact = summary(agreement), begun_fact(agreement.ordinal)
    if billed or waits:
        details, fact = {**details, "renewal": agreement.ordinal}, None
    return Outcome(agreement=agreement, kind="renewed", fact=fact, items=billed, details=details)


def begun_fact(ordinal: int) -> str:
    """What a renewal is told as: a trial comes before period 0, and nothing else renews into that."""
    return "subscription.activated" if ordinal == 0 else "subscription.renewed"


def change(
    agreement: Agreement,
    terms: Terms,
    wanted: Wanted,
    *,
    at: datetime,
    prorate: bool = True,
    bill: Bill = "next_invoice",
) -> Outcome:
    """Another plan, other quantities or add-ons, from now on. Raises SubscriptionState, NothingChanges.

    Terms of another rhythm begin a cycle of their own now, and are billed now.
    """
    _refuse(agreement, ("trialing", *BILLED), "a change")
    parts = choose(terms, wanted, now=at, former=agreement.parts)
    if terms.price_id == agreement.terms.price_id and _taken(parts) == _taken(agreement.parts):
        raise NothingChanges
    before = agreement
    if agreement.state == "trialing":
        agreement = _taking(agreement, terms, parts, at=at)
        if terms.rhythm != before.terms.rhythm and agreement.trial_end is not None:
            cycle = _cycle(terms, agreement.trial_end, agreement.cycle.zone, None)
            agreement = replace(agreement, cycle=cycle, period_number=cycle.period_at(agreement.trial_end).number)
        return _changed(before, agreement, ())
    if terms.rhythm != before.terms.rhythm:
        return _restart(agreement, terms, parts, at=at, prorate=prorate)
    bill_at = at if bill == "now" else agreement.period_end
    items: list[InvoiceItem] = []
    agreement = _taking(agreement, terms, parts, at=at)
    if prorate:
        items = _prorated(before, agreement, at=at, bill_at=bill_at)
    items += [
        lines.charge(
            agreement, part, kind="one_off", terms=terms, start=at, end=agreement.period_end, bill_at=bill_at, now=at
        )
        for part in parts
        if part.component.kind == "one_time"
        and part.component.is_add_on
        and part.component.code not in {one.component.code for one in before.parts}
    ]
    return _changed(before, agreement, tuple(items))


def cancel(agreement: Agreement, *, at: datetime, unused: Unused = "credit", reason: str = "requested") -> Outcome:
    """Ends it now: usage and floors are billed, what was paid ahead comes back unless it is kept."""
    if agreement.state == "canceled":
        raise SubscriptionState("canceled", "to cancel it", "It has ended; subscribe anew.")
    items: list[InvoiceItem] = []
    if agreement.state in BILLED:
        if unused == "credit":
            items = lines.unused(agreement, agreement.parts, at=at, bill_at=at)
        items += lines.closing(agreement, at=at, bill_at=at, ends=True)
    elif agreement.state == "paused":
        # What a pause kept for a resumption comes back when there will be none.
        items = lines.unused(agreement, agreement.parts, at=at, bill_at=at) if unused == "credit" else []
        items += lines.closing(agreement, at=at, bill_at=at, ends=True, gives_back=bool(items))
    was = agreement.state
    agreement = replace(
        agreement.closed(at), state="canceled", canceled_at=at, cancel_at=None, cancel_reason=reason, pending=None,
        paused_at=None, resume_at=None, trial_notice_at=None, commitment=None, commitment_from=None,
        commitment_left=None,
    )  # fmt: skip
    return Outcome(
        agreement=agreement,
        kind="canceled",
        fact="subscription.canceled",
        items=tuple(items),
        details={"reason": reason, "was": was},
        forward_to=at,
    )


def pause(agreement: Agreement, *, at: datetime, resume_at: datetime | None, unused: Unused = "credit") -> Outcome:
    """Stops billing: usage up to now is billed, what was paid ahead comes back unless it is kept for the resumption."""
    _refuse(agreement, BILLED, "to pause it")
    credited = lines.unused(agreement, agreement.parts, at=at, bill_at=at) if unused == "credit" else []
    items = [*credited, *lines.closing(agreement, at=at, bill_at=at, keeps=unused == "keep")]
    items = [item for item in items if item.kind != lines.COMMITMENT]
    was = agreement.state
    agreement = replace(
        agreement,
        state="paused",
        paused_at=at,
        resume_at=resume_at,
        # What was until now is billed; what is left of the period is what a resumption in it takes up.
        period_start=at if at < agreement.period_end else agreement.period_start,
        paid_through=at if unused == "credit" else agreement.paid_through,
    )
    details = {"was": was, "resumeAt": _written(resume_at), "unused": unused}
    return Outcome(
        agreement=agreement, kind="paused", fact="subscription.paused", items=tuple(items), details=details,
        forward_to=at,
    )  # fmt: skip


def move_resumption(agreement: Agreement, *, resume_at: datetime | None) -> Outcome:
    """Another end of a pause, or none: it lasts until it is resumed."""
    return Outcome(
        agreement=replace(agreement, resume_at=resume_at),
        kind="resumption_moved",
        fact="subscription.changed",
        details={"from": _written(agreement.resume_at), "to": _written(resume_at)},
    )


def resume(agreement: Agreement, *, at: datetime) -> Outcome:
    """Bills again from now on: the rest of the period that the instant lies in, less what is paid already."""
    _refuse(agreement, ("paused",), "to resume it")
    period = agreement.cycle.period_at(at)
    is_same = period.number == agreement.period_number
    left = agreement.commitment_left
    if left is not None and not is_same:
        left = max(1, left - 1)
    parts = tuple(replace(part, since=at, until=None, id=None) for part in agreement.parts)
    agreement = replace(
        agreement.closed(agreement.paused_at or at),
        held=Held(terms=agreement.terms, since=at),
        parts=parts,
        state="active",
        paused_at=None,
        resume_at=None,
        period_number=period.number,
        ordinal=agreement.ordinal + 1,
        period_start=at,
        period_end=period.end,
        commitment_left=left,
    )
    start = max(at, agreement.paid_through)
    items: list[InvoiceItem] = []
    if start < period.end:
        items = lines.ahead(agreement, start=start, bill_at=at)
        agreement = replace(agreement, paid_through=period.end)
    return Outcome(
        agreement=agreement, kind="resumed", fact="subscription.resumed", items=_kept(items), details=summary(agreement)
    )


def state_to(agreement: Agreement, state: str, *, of: tuple[str, ...], fact: str, kind: str) -> Outcome:
    """A state that follows from a payment: active, past_due. Raises SubscriptionState."""
    _refuse(agreement, of, kind)
    return Outcome(agreement=replace(agreement, state=state), kind=kind, fact=fact, details={"was": agreement.state})


def choose(terms: Terms, wanted: Wanted, *, now: datetime, former: tuple[Part, ...] = ()) -> tuple[Part, ...]:
    """The parts that are taken: all but add-ons, and the add-ons chosen. Raises ComponentUnknown.

    Quantities and add-ons that are not named are those of the former parts of the same code, else 1 and none.
    """
    known = {component.code: component for component in terms.components}
    kept = {part.component.code: part for part in former}
    add_ons = wanted.add_ons
    if add_ons is None:
        add_ons = tuple(code for code, part in kept.items() if part.component.is_add_on and code in known)
    for code in add_ons:
        if code not in known or not known[code].is_add_on:
            raise ComponentUnknown(
                f"addOns.{code}", f"is no add-on of this plan; it has {_listed(terms, add_ons=True)}"
            )
    for code in wanted.quantities:
        if code not in known or known[code].kind == "usage":
            raise ComponentUnknown(f"quantities.{code}", f"is no part with a quantity; it has {_listed(terms)}")
        if known[code].is_add_on and code not in add_ons:
            raise ComponentUnknown(f"quantities.{code}", "is an add-on that is not among addOns")
    found: list[Part] = []
    for code, component in known.items():
        if component.is_add_on and code not in add_ons:
            continue
        quantity = None
        if component.kind != "usage":
            before = kept[code].quantity if code in kept else None
            quantity = wanted.quantities.get(code, before if before is not None else Decimal(1))
        former_part = kept.get(code)
        if former_part is not None and former_part.component.id == component.id and former_part.quantity == quantity:
            found.append(former_part)
        else:
            found.append(Part(component=component, quantity=quantity, since=now))
    # Before it costs anything, every quantity is one that can be priced.
    for part in found:
        part.rated(terms.currency)
    return tuple(found)


def summary(agreement: Agreement) -> dict[str, Any]:
    """What the trail keeps of an agreement."""
    return {
        "plan": agreement.terms.plan_code,
        "version": agreement.terms.version,
        "status": agreement.state,
        "quantities": {
            part.component.code: format_decimal(part.quantity) for part in agreement.parts if part.quantity is not None
        },
        "addOns": [part.component.code for part in agreement.parts if part.component.is_add_on],
        "currentPeriodStart": agreement.period_start.isoformat(),
        "currentPeriodEnd": agreement.period_end.isoformat(),
    }


def _restart(agreement: Agreement, terms: Terms, parts: tuple[Part, ...], *, at: datetime, prorate: bool) -> Outcome:
    before = agreement
    items = lines.unused(agreement, agreement.parts, at=at, bill_at=at) if prorate else []
    items += [item for item in lines.closing(agreement, at=at, bill_at=at) if item.kind != lines.COMMITMENT]
    agreement = _taking(agreement, terms, parts, at=at)
    cycle = _cycle(terms, at, agreement.cycle.zone, None)
    period = cycle.period_at(at)
    agreement = replace(
        agreement, cycle=cycle, period_number=period.number, ordinal=agreement.ordinal + 1, period_start=at,
        period_end=period.end, past_parts=(), past_held=(),
        cancel_at=period.end if agreement.cancel_at is not None else None,
    )  # fmt: skip
    agreement, opened = _open(agreement, at=at, first=False)
    changed = _changed(before, agreement, (*items, *opened))
    return replace(changed, forward_to=at)


def _prorated(before: Agreement, after: Agreement, *, at: datetime, bill_at: datetime) -> list[InvoiceItem]:
    """The unused rest back and the rest of the new charged, of what differs; what stays the same has no line."""
    old = {part.component.code: part for part in before.parts if part.component.kind == "recurring"}
    new = {part.component.code: part for part in after.parts if part.component.kind == "recurring"}
    changed = [
        code
        for code in dict.fromkeys((*old, *new))
        if (old[code].rated(before.currency) if code in old else None)
        != (new[code].rated(before.currency) if code in new else None)
    ]
    items = lines.unused(before, [old[code] for code in changed if code in old], at=at, bill_at=bill_at)
    rest = lines.part_between(after, at, after.period_end)
    items += [
        lines.charge(
            after, new[code], kind="remaining", terms=after.terms, start=at, end=after.period_end, bill_at=bill_at,
            now=at, part_of_period=rest,
        )
        for code in changed
        if code in new and rest
    ]  # fmt: skip
    return items


def _open(agreement: Agreement, *, at: datetime, first: bool) -> tuple[Agreement, tuple[InvoiceItem, ...]]:
    """Charges the period from `at` on ahead; a commitment of the terms begins with it."""
    items = lines.ahead(agreement, start=at, bill_at=at, one_time=first)
    agreement = replace(agreement, paid_through=agreement.period_end)
    floor = agreement.terms.commitment
    if floor is not None and agreement.commitment is None:
        agreement = replace(
            agreement,
            commitment=lines.basis_of(agreement.terms, fromOrdinal=agreement.ordinal),
            commitment_from=at,
            commitment_left=int(floor["periods"]),
        )
    return agreement, _kept(items)


def _taking(agreement: Agreement, terms: Terms, parts: tuple[Part, ...], *, at: datetime) -> Agreement:
    """With other terms and parts from an instant on; what stays goes on as it is."""
    kept = [part for part in agreement.parts if part in parts]
    ended = [replace(part, until=at) for part in agreement.parts if part not in parts]
    fresh = [part if part in kept else replace(part, since=at, until=None, id=None) for part in parts]
    agreement = replace(agreement, parts=tuple(fresh), past_parts=(*agreement.past_parts, *ended))
    if terms.price_id != agreement.terms.price_id:
        past = (*agreement.past_held, replace(agreement.held, until=at))
        agreement = replace(agreement, held=Held(terms=terms, since=at), past_held=past)
    return agreement


def _cycle(terms: Terms, start: datetime, zone: str, day: int | None) -> Cycle:
    if terms.cycle == "calendar":
        return calendar_cycle(start, terms.interval, count=terms.interval_count, zone=zone)
    return anniversary(start, terms.interval, count=terms.interval_count, zone=zone, day=day)


def _changed(before: Agreement, after: Agreement, items: tuple[InvoiceItem, ...]) -> Outcome:
    return Outcome(
        agreement=after,
        kind="changed",
        fact="subscription.changed",
        items=_kept(items),
        details={"from": summary(before), "to": summary(after)},
    )


def _kept(items: "tuple[InvoiceItem, ...] | list[InvoiceItem]") -> tuple[InvoiceItem, ...]:
    return tuple(item for item in items if not lines.is_nothing(item))


def _taken(parts: tuple[Part, ...]) -> dict[str, tuple[UUID, Decimal | None]]:
    return {part.component.code: (part.component.id, part.quantity) for part in parts}


def _listed(terms: Terms, *, add_ons: bool = False) -> str:
    return ", ".join(one.code for one in terms.components if not add_ons or one.is_add_on) or "none"


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _refuse(agreement: Agreement, states: tuple[str, ...], what: str) -> None:
    if agreement.state not in states:
        raise SubscriptionState(agreement.state, what, f"It is possible while it is {' or '.join(states)}.")
