"""A purchase with all that belongs to it, and the pure rules on it: whose payment, what is left, in what state.

The facts that a provider reports come late, twice and in any order. Each rule here only looks at what is known, so
the end is the same whatever came first: success outlasts failure and cancellation, money that went stays gone.
"""

from dataclasses import dataclass
from uuid import UUID

from core.billing.payments.errors import NotPrepared
from core.billing.payments.models import Dispute, Payment, Purchase, Refund
from core.foundation.money import share

GONE = ("pending", "succeeded")
"""States of a refund whose money is with the payer, or on its way."""

TAKEN = ("open", "lost")
"""States of a dispute whose money the bank has."""


@dataclass(slots=True)
class Sale:
    """One purchase, locked, with its payments by means, its refunds and its disputes."""

    purchase: Purchase
    payments: dict[str, Payment]
    refunds: list[Refund]
    disputes: list[Dispute]

    @property
    def is_automatic(self) -> bool:
        """Whether a saved card pays it: the hosted page was never to be."""
        checkout = self.payments["checkout"]
        return checkout.state == "canceled" and checkout.provider_id is None and self.purchase.paid_by is None

    @property
    def settling(self) -> Payment | None:
        """The payment that gave the credits."""
        return self.payments[self.purchase.paid_by] if self.purchase.paid_by else None

    def settles(self, payment: Payment) -> bool:
        """Whether the credits stand against this payment; those against a second payment never did."""
        return self.purchase.paid_by == payment.means

    def payment_of(self, *, payment_id: str | None, checkout_id: str | None = None) -> Payment:
        """The payment that a provider's id means. Raises NotPrepared while that cannot be told."""
        intent, checkout = self.payments["intent"], self.payments["checkout"]
        if checkout_id is not None or (payment_id is not None and payment_id == checkout.provider_intent_id):
            return checkout
        if payment_id == intent.provider_id and payment_id is not None:
            return intent
        if intent.provider_id is None:
            raise NotPrepared
        # Ours by its metadata, and not our own intent: the one that the hosted page made.
        return checkout

    def gone_minor(self, payment: Payment) -> int:
        """What of a payment has gone back, or is on its way."""
        return sum(r.amount_minor for r in self.refunds if r.payment_id == payment.id and r.state in GONE)

    def disputed_minor(self, payment: Payment) -> int:
        """What the payer's bank has taken of a payment."""
        return sum(d.amount_minor for d in self.disputes if d.payment_id == payment.id and d.state in TAKEN)

    @property
    def refundable_minor(self) -> int:
        """What may still go back of the payment that settled it: what the bank took is not there."""
        payment = self.settling
        if payment is None:
            return 0
        return max(0, self.purchase.amount_minor - self.gone_minor(payment) - self.disputed_minor(payment))

    @property
    def refunded_minor(self) -> int:
        """What has certainly gone back of the payment that settled it."""
        payment = self.settling
        return sum(
            refund.amount_minor
            for refund in self.refunds
            if payment and refund.payment_id == payment.id and refund.state == "succeeded"
        )

    @property
    def credits_left_micro(self) -> int:
        """Credits of this purchase that no refund or dispute has taken back; below zero where a bank took more money
        than refunds had left."""
        refunded = sum(refund.credits_micro for refund in self.refunds if refund.state in GONE)
        disputed = sum(dispute.credits_micro for dispute in self.disputes if dispute.state in TAKEN)
        return self.purchase.credits_micro - refunded - disputed

    def credits_for(self, payment: Payment, amount_minor: int) -> int:
        """Credits to take back for further money that goes: in proportion, so that all of it takes all of them.

        A bank may take the whole of a payment that was refunded in part: what went beyond it takes its share, too.
        """
        if not self.settles(payment):
            return 0
        gone = self.gone_minor(payment) + self.disputed_minor(payment) + amount_minor
        taken = self.purchase.credits_micro - self.credits_left_micro
        return max(0, share(self.purchase.credits_micro, gone, self.purchase.amount_minor) - taken)

    def state(self) -> str:
        """The purchase's state, which follows from everything else."""
        if self.purchase.paid_by:
            return "refunded" if self.refunded_minor == self.purchase.amount_minor else "paid"
        states = {payment.state for payment in self.payments.values()}
        if states == {"canceled"}:
            return "canceled"
        return "failed" if "failed" in states else "pending"

    def conclude(self) -> None:
        """Brings the purchase's own row up to date with the rest."""
        self.purchase.refunded_minor = self.refunded_minor
        self.purchase.state = self.state()

    def find_refund(self, *, refund_id: UUID | None, provider_id: str | None) -> Refund | None:
        """A refund by our id, else by the provider's."""
        for refund in self.refunds:
            if refund.id == refund_id or (provider_id is not None and refund.provider_id == provider_id):
                return refund
        return None

    def nameless(self, payment: Payment) -> list[Refund]:
        """Refunds of a payment that are known by their sum alone."""
        known = (payment.id, "reported", None)
        return [one for one in self.refunds if (one.payment_id, one.origin, one.provider_id) == known]

    def find_dispute(self, provider_id: str) -> Dispute | None:
        """A dispute by the provider's id."""
        return next((dispute for dispute in self.disputes if dispute.provider_id == provider_id), None)
