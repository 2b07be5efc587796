"""What the installation watches of itself: only what it can really see."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from core.operations.alerts.notices import Severity

UNSEALED_MOST = timedelta(minutes=1)
ERRORS_MOST = 0.01
REQUESTS_LEAST = 50
"""Requests in five minutes below which a share of errors says nothing."""
SIGN_IN_FAILURES_MOST = 100


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What was seen at one time; None where it could not be seen, which changes nothing of what fires."""

    cache: bool | None = None
    worker: bool | None = None
    payment_provider: bool | None = None
    chain_holds: bool | None = None
    unsealed_for: timedelta | None = None
    """Age of the oldest transaction that no block holds; zero where there is none."""
    parked_jobs: int | None = None
    parked_webhooks: int | None = None
    usage_differing: int | None = None
    """Hours of metered usage whose aggregates were not as counted from their events, in the last day."""
    invoices_drifted: int | None = None
    recompute_overdue: bool | None = None
    payments_differing: int | None = None
    """Differences between the payment provider and the books, as last compared."""
    requests: int | None = None
    """Answered in the last five minutes by all API processes; `errors` of them with 5xx."""
    errors: int | None = None
    sign_in_failures: int | None = None
    backup_troubles: int | None = None
    """With the backups of this machine, or with those of the cloud as the worker saw them last."""
    held: bool | None = None
    """Whether the worker waits until a restored copy is released."""
    drill_overdue: bool | None = None
    drill_failed: bool | None = None
    """Whether the newest drill did."""
    replicas_fail: bool | None = None
    """Whether a standby or a replica could not take over now; None where there is none."""
    recovery_unseen: bool | None = None
    """Whether the worker could not look for minutes at how recovery stands."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Fires when `broken` has been true for `after`; `broken` answers None where nothing is known."""

    name: str
    severity: Severity
    says: str
    runbook: str
    after: timedelta
    broken: Callable[[Signals], bool | None]


def _is_down(part: bool | None) -> bool | None:
    return None if part is None else not part


def _more_than(count: int | None, most: int) -> bool | None:
    return None if count is None else count > most


def _too_many_errors(seen: Signals) -> bool | None:
    if seen.requests is None or seen.errors is None:
        return None
    return seen.requests >= REQUESTS_LEAST and seen.errors > seen.requests * ERRORS_MOST


AT_ONCE, SHORTLY, A_MINUTE = timedelta(0), timedelta(seconds=20), timedelta(minutes=1)

DATABASE = Rule(
    name="database-unreachable",
    severity="critical",
    says="The database did not answer: nothing could be booked or read.",
    runbook="database-down",
    after=SHORTLY,
    broken=lambda seen: False,  # whoever has seen anything has reached it; its absence is noted by the watch itself
)

RULES = (
    DATABASE,
    Rule(
        name="worker-silent",
        severity="critical",
        says="No worker shows signs of life: payments are not applied, blocks not sealed, holds not expired.",
        runbook="instances-failing",
        after=A_MINUTE,
        broken=lambda seen: _is_down(seen.worker),
    ),
    Rule(
        name="chain-broken",
        severity="critical",
        says="The last verification of the ledgers found something that does not agree.",
        runbook="ledger-chain",
        after=AT_ONCE,
        broken=lambda seen: _is_down(seen.chain_holds),
    ),
    Rule(
        name="backups",
        severity="critical",
        says="A backup failed or is missing, or the log is not archived: `cloudbill backup verify` says more.",
        runbook="backup-failed",
        after=A_MINUTE,
        broken=lambda seen: _more_than(seen.backup_troubles, 0),
    ),
    Rule(
        name="worker-held",
        severity="critical",
        says="The worker of a restored, moved or failed-over copy is held: no job runs until it is released.",
        runbook="worker-held",
        after=SHORTLY,
        broken=lambda seen: seen.held,
    ),
    Rule(
        name="replicas",
        severity="critical",
        says="The standby or a replica could not take over now, or is further behind than may be lost.",
        runbook="replica-lag",
        after=A_MINUTE,
        broken=lambda seen: seen.replicas_fail,
    ),
    Rule(
        name="drill-failed",
        severity="critical",
        says="The last drill failed: nobody knows that a restore would work.",
        runbook="drills",
        after=AT_ONCE,
        broken=lambda seen: seen.drill_failed,
    ),
    Rule(
        name="drill-overdue",
        severity="warning",
        says="A drill is overdue: what the last one showed was long ago, or there was none.",
        runbook="drills",
        after=AT_ONCE,
        broken=lambda seen: seen.drill_overdue,
    ),
    Rule(
        name="recovery-unseen",
        severity="warning",
        says="The worker cannot look at how backups, standbys or the evidence stand: what is shown of them is old.",
        runbook="backup-failed",
        after=A_MINUTE,
        broken=lambda seen: seen.recovery_unseen,
    ),
    Rule(
        name="usage-uncounted",
        severity="critical",
        says="Metered usage was not counted as its events say: an invoice made of it would be wrong.",
        runbook="usage-uncounted",
        after=AT_ONCE,
        broken=lambda seen: _more_than(seen.usage_differing, 0),
    ),
    Rule(
        name="invoices-drifted",
        severity="critical",
        says="A final invoice, worked out anew, is not what it says: something that it rests on was altered.",
        runbook="invoices-drifted",
        after=AT_ONCE,
        broken=lambda seen: _more_than(seen.invoices_drifted, 0),
    ),
    Rule(
        name="recompute-overdue",
        severity="warning",
        says="The final invoices were not worked out anew for more than a day: nobody knows that they still hold.",
        runbook="invoices-drifted",
        after=AT_ONCE,
        broken=lambda seen: seen.recompute_overdue,
    ),
    Rule(
        name="payments-differ",
        severity="critical",
        says="The payment provider's account and the books say different things about the same money.",
        runbook="payments-differ",
        after=AT_ONCE,
        broken=lambda seen: _more_than(seen.payments_differing, 0),
    ),
    Rule(
        name="errors",
        severity="critical",
        says="More than 1 % of the requests of the last five minutes failed by our fault (5xx).",
        runbook="errors",
        after=AT_ONCE,
        broken=_too_many_errors,
    ),
    Rule(
        name="cache-unreachable",
        severity="warning",
        says="Redis does not answer: the console signs people out, limits are kept by each process alone.",
        runbook="cache",
        after=SHORTLY,
        broken=lambda seen: _is_down(seen.cache),
    ),
    Rule(
        name="ledger-unsealed",
        severity="warning",
        says="A transaction has waited for more than a minute to be sealed into its ledger's chain.",
        runbook="ledger-chain",
        after=AT_ONCE,
        broken=lambda seen: None if seen.unsealed_for is None else seen.unsealed_for > UNSEALED_MOST,
    ),
    Rule(
        name="jobs-parked",
        severity="warning",
        says="A job failed for good and waits for a replay.",
        runbook="jobs-parked",
        after=AT_ONCE,
        broken=lambda seen: _more_than(seen.parked_jobs, 0),
    ),
    Rule(
        name="webhooks-parked",
        severity="warning",
        says="An event of the payment provider could not be applied and is parked.",
        runbook="webhooks",
        after=AT_ONCE,
        broken=lambda seen: _more_than(seen.parked_webhooks, 0),
    ),
    Rule(
        name="sign-ins",
        severity="warning",
        says=f"More than {SIGN_IN_FAILURES_MOST} sign-ins failed in five minutes: somebody may be guessing.",
        runbook="sign-ins",
        after=AT_ONCE,
        broken=lambda seen: _more_than(seen.sign_in_failures, SIGN_IN_FAILURES_MOST),
    ),
    Rule(
        name="payment-provider-unreachable",
        severity="warning",
        says="Stripe does not answer: purchases wait, and go on with the same key once it does.",
        runbook="payment-provider",
        after=A_MINUTE,
        broken=lambda seen: _is_down(seen.payment_provider),
    ),
)
