"""What the provider says against what we say, movement by movement. Pure.

Every movement on the provider's account is a charge, a refund, a dispute, a payout or a fee of the provider's own. The
first three have a row of ours each; with every difference explained, the provider's balance is what came in, less what
went back, what is disputed, what it took as fees and what it paid out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.billing.payments.providers.saving import MovementKind, ProviderMovement

GRACE = timedelta(minutes=15)
"""How long what one side knows may be news to the other."""


class Difference(StrEnum):
    """What is wrong, by what has to be done about it."""

    MISSING_HERE = "missing_here"
    """The provider moved money that we know nothing of: replay its events, or look whose it is."""
    MISSING_THERE = "missing_there"
    """We say that money moved, and the provider does not."""
    AMOUNT = "amount"
    CURRENCY = "currency"
    STATE = "state"
    """Both know it; one side says that the money moved, the other that it did not."""
    LEDGER = "ledger"
    """The payment is right and its credits were not booked, or not as many."""
    TIMING = "timing"
    """Too young to say: it is looked at again in the next run."""
    ACKNOWLEDGED = "acknowledged"
    """The provider moved it, it is not ours, and an operator has said whose it is."""


ASKING = frozenset(Difference) - {Difference.TIMING, Difference.ACKNOWLEDGED}
"""What somebody has to do something about."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an operator said of a movement that is not ours. It holds for this sum only: another asks anew."""

    amount_minor: int
    currency: str
    reason: str
    by: UUID | None
    """None: the command on the server."""
    at: datetime


Key = tuple[str, str]
"""A movement: its kind, and its id at the provider."""


@dataclass(frozen=True, slots=True)
class Known:
    """A payment, refund or dispute of ours. `moved_minor` is what it moved on the account, with its sign."""

    kind: str
    row_id: str
    tenant_id: str
    provider_id: str
    amount_minor: int
    moved_minor: int
    currency: str
    state: str
    changed_at: datetime
    booked_micro: int | None = None
    """What the ledger says it was worth in credits; None where none belong to it."""
    expected_micro: int | None = None
    booked_as: str = "micro-units of credits"
    """What both are: of an invoice's payment it is minor units that its invoice counts, or that went back at once."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, with what each side says."""

    difference: Difference
    kind: str
    provider_id: str
    row_id: str | None
    tenant_id: str | None
    currency: str
    ours_minor: int | None
    theirs_minor: int | None
    detail: str
    acknowledged: Acknowledged | None = None


@dataclass(slots=True)
class Sums:
    """A currency's account: what moved, in minor units."""

    charged_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    fees_minor: int = 0
    paid_out_minor: int = 0
    other_minor: int = 0
    net_minor: int = 0
    ours_minor: int = 0
    """What our rows say came in, less what went back."""
    acknowledged_minor: int = 0
    """What came in, less what went back, and is not ours: somebody said so."""

    @property
    def unexplained_minor(self) -> int:
        """Zero: every unit that moved belongs to one of the parts."""
        parts = self.charged_minor + self.refunded_minor + self.disputed_minor + self.paid_out_minor + self.other_minor
        return self.net_minor - (parts - self.fees_minor)


@dataclass(slots=True)
class Compared:
    """All differences, and the account by currency."""

    findings: list[Finding] = field(default_factory=list[Finding])
    sums: dict[str, Sums] = field(default_factory=dict[str, Sums])
    compared: int = 0

    @property
    def open_findings(self) -> list[Finding]:
        """Those that somebody has to do something about."""
        return [finding for finding in self.findings if finding.difference in ASKING]

    def find(self, key: Key) -> Finding | None:
        """The difference about a movement; of several the first."""
        return next((finding for finding in self.findings if (finding.kind, finding.provider_id) == key), None)

    def accept(self, finding: Finding, said: Acknowledged) -> Finding:
        """The same difference from now on: acknowledged."""
        accepted = replace(finding, difference=Difference.ACKNOWLEDGED, acknowledged=said, detail=said.reason)
        self.findings[self.findings.index(finding)] = accepted
        _sums(self, finding.currency).acknowledged_minor += said.amount_minor
        return accepted


@dataclass(slots=True)
class _Theirs:
    kind: str
    moved_minor: int
    currency: str
    newest_at: datetime


_KINDS = {
    MovementKind.CHARGE: "charge",
    MovementKind.REFUND: "refund",
    MovementKind.REFUND_FAILURE: "refund",
    MovementKind.DISPUTE: "dispute",
    MovementKind.DISPUTE_REVERSAL: "dispute",
}


def compare(
    ours: Sequence[Known],
    moved: Iterable[ProviderMovement],
    *,
    since: datetime,
    wall: datetime,
    acknowledged: Mapping[Key, Acknowledged] | None = None,
) -> Compared:
    """Each source of the provider's against its row of ours, and back.

    `moved` may reach further back than `since`, so that what lies on the edge finds its other half.
    """
    done = Compared()
    theirs: dict[Key, _Theirs] = {}
    for movement in moved:
        _add_up(done, movement)
        kind = _KINDS.get(movement.kind)
        key = movement.payment_id if kind == "charge" else movement.source_id
        if kind is None or key is None:
            continue
        found = theirs.get((kind, key))
        if found is None:
            theirs[kind, key] = _Theirs(kind, movement.amount_minor, movement.currency, movement.created_at)
        else:
            found.moved_minor += movement.amount_minor
            found.newest_at = max(found.newest_at, movement.created_at)
    by_key = {(known.kind, known.provider_id): known for known in ours}
    for (kind, key), found in sorted(theirs.items()):
        known = by_key.get((kind, key))
        done.compared += 1
        if known is None:
            # What came back there, such as a refund that failed, is nothing anybody must look at.
            if found.moved_minor and found.newest_at >= since:
                _not_ours(done, _missing_here(kind, key, found, wall), (acknowledged or {}).get((kind, key)))
            continue
        _sums(done, known.currency).ours_minor += known.moved_minor
        done.findings.extend(_judge(known, found, wall))
    for key, known in sorted(by_key.items()):
        if key not in theirs and known.moved_minor and known.changed_at >= since:
            done.compared += 1
            _sums(done, known.currency).ours_minor += known.moved_minor
            done.findings.append(_missing_there(known, wall))
    return done


def _not_ours(done: Compared, finding: Finding, said: Acknowledged | None) -> None:
    done.findings.append(finding)
    if said is None:
        return
    if (said.amount_minor, said.currency) == (finding.theirs_minor, finding.currency):
        done.accept(finding, said)
    else:
        changed = f"{said.amount_minor} {said.currency} of it were acknowledged, and it is another sum now"
        done.findings[-1] = replace(finding, detail=changed)


def _missing_here(kind: str, key: str, found: _Theirs, wall: datetime) -> Finding:
    young = wall - found.newest_at < GRACE
    return Finding(
        Difference.TIMING if young else Difference.MISSING_HERE,
        kind,
        key,
        None,
        None,
        found.currency,
        None,
        found.moved_minor,
        "the provider moved it and there is no row of ours",
    )


def _missing_there(known: Known, wall: datetime) -> Finding:
    young = wall - known.changed_at < GRACE
    return _finding(
        Difference.TIMING if young else Difference.MISSING_THERE, known, None, "the provider has not moved it"
    )


def _judge(known: Known, found: _Theirs, wall: datetime) -> list[Finding]:
    findings: list[Finding] = []
    if known.currency != found.currency:
        findings.append(
            _finding(
                Difference.CURRENCY,
                known,
                found.moved_minor,
                f"ours is in {known.currency}, theirs in {found.currency}",
            )
        )
    elif known.moved_minor != found.moved_minor:
        young = wall - max(found.newest_at, known.changed_at) < GRACE
        is_state = known.moved_minor == 0 or found.moved_minor == 0
        kind = Difference.TIMING if young else Difference.STATE if is_state else Difference.AMOUNT
        findings.append(_finding(kind, known, found.moved_minor, f"ours is {known.state}"))
    if known.expected_micro is not None and known.booked_micro != known.expected_micro and known.moved_minor:
        findings.append(
            _finding(
                Difference.LEDGER,
                known,
                found.moved_minor,
                f"{known.expected_micro} {known.booked_as} should be booked and {known.booked_micro or 0} are",
            )
        )
    return findings


def _finding(difference: Difference, known: Known, theirs_minor: int | None, detail: str) -> Finding:
    return Finding(
        difference,
        known.kind,
        known.provider_id,
        known.row_id,
        known.tenant_id,
        known.currency,
        known.moved_minor,
        theirs_minor,
        detail,
    )


def _add_up(done: Compared, movement: ProviderMovement) -> None:
    sums = _sums(done, movement.currency)
    sums.net_minor += movement.net_minor
    sums.fees_minor += movement.fee_minor
    match movement.kind:
        case MovementKind.CHARGE:
            sums.charged_minor += movement.amount_minor
        case MovementKind.REFUND | MovementKind.REFUND_FAILURE:
            sums.refunded_minor += movement.amount_minor
        case MovementKind.DISPUTE | MovementKind.DISPUTE_REVERSAL:
            sums.disputed_minor += movement.amount_minor
        case MovementKind.PAYOUT:
            sums.paid_out_minor += movement.amount_minor
        case MovementKind.OTHER:
            sums.other_minor += movement.amount_minor


def _sums(done: Compared, currency: str) -> Sums:
    return done.sums.setdefault(currency, Sums())
