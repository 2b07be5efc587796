"""What is watched of the payment business, of its console, and of what keeps it: the backups."""

from collections.abc import Iterator

from infra.aws.watching import CRITICAL, FIVE_MINUTES, WARNING, Alarm, Metric, application
from infra.config import Role, StackConfig

SIGN_IN_FAILURES_MOST = 50
"""In five minutes, of the whole installation."""
CONSOLE_CALLS_MOST_PERCENT, CONSOLE_CALLS_LEAST = 5, 20
"""Of how many in five minutes: a page is some five calls."""


def business(config: StackConfig) -> Iterator[Alarm]:
    """What our own code counts."""
    for title, metric, service, statistic, labels, limit, says, runbook in (
        ("sign-ins", "cloudbill_sign_in_failures_total", Role.API, "Sum", {}, SIGN_IN_FAILURES_MOST,
         f"More than {SIGN_IN_FAILURES_MOST} sign-ins failed in five minutes: somebody may be guessing.", "sign-ins"),
        ("webhooks", "cloudbill_webhook_events_total", Role.WORKER, "Sum", {"state": "parked"}, 0,
         "An event of the payment provider could not be applied and is parked.", "webhooks"),
        ("jobs-parked", "cloudbill_jobs_parked", Role.API, "Maximum", {}, 0,
         "A job failed for good and waits for a replay.", "jobs-parked"),
        ("double-payments", "cloudbill_double_payments_total", Role.WORKER, "Sum", {}, 0,
         "A purchase was paid twice; the second payment was refunded.", "double-payments"),
        ("recompute-overdue", "cloudbill_recompute_overdue", Role.API, "Maximum", {}, 0,
         "Final invoices were not worked out anew for more than a day.", "invoices-drifted"),
    ):  # fmt: skip
        yield Alarm(
            title=title,
            severity=WARNING,
            says=says,
            metrics={"m": application(config, metric, service, statistic, **labels)},
            limit=limit,
            period_seconds=FIVE_MINUTES,
            periods=1,
            runbook=runbook,
        )
    for title, metric, says in (
        ("invoices-drifted", "cloudbill_invoices_drifted", "A final invoice, worked out anew, is not what it says."),
        ("payments-differ", "cloudbill_payments_differing",
         "The payment provider's account and the books say different things about the same money."),
    ):  # fmt: skip
        yield Alarm(
            title=title,
            severity=CRITICAL,
            says=says,
            metrics={"m": application(config, metric, Role.API, "Maximum")},
            limit=0,
            period_seconds=FIVE_MINUTES,
            periods=1,
            runbook=title,
        )
    yield Alarm(
        title="reconciliation",
        severity=CRITICAL,
        says="Usage could not be reconciled by our fault: credits may be spent unseen until callers try again.",
        metrics={"m": application(config, "cloudbill_reconciliation_errors_total", Role.API, "Sum")},
        limit=0,
        period_seconds=FIVE_MINUTES,
        periods=1,
        runbook="reconciliation",
    )


def console(config: StackConfig) -> Iterator[Alarm]:
    """What its people see fail: it asks the API for everything."""

    def calls(**labels: str) -> Metric:
        return application(config, "cloudbill_console_api_calls_total", Role.CONSOLE, "Sum", **labels)

    yield Alarm(
        title="console-calls",
        severity=WARNING,
        says=f"More than {CONSOLE_CALLS_MOST_PERCENT} % of the console's calls to the API fail or are not answered.",
        metrics={"f": calls(outcome="failed"), "u": calls(outcome="unreachable"), "c": calls()},
        expression=f"IF(c >= {CONSOLE_CALLS_LEAST}, 100 * (FILL(f, 0) + FILL(u, 0)) / c, 0)",
        limit=CONSOLE_CALLS_MOST_PERCENT,
        period_seconds=FIVE_MINUTES,
        periods=1,
        runbook="console-calls",
    )


def backups() -> Iterator[Alarm]:
    """AWS Backup's jobs; the events tell which one."""
    for title in ("BackupJobsFailed", "CopyJobsFailed", "RestoreJobsFailed"):
        yield Alarm(
            title=f"{title.removesuffix('JobsFailed').lower()}-failed",
            severity=WARNING,
            says="A backup, a copy or a restore test failed.",
            metrics={"m": Metric(namespace="AWS/Backup", name=f"NumberOf{title}", dimensions={}, statistic="Sum")},
            limit=0,
            period_seconds=3600,
            periods=1,
            runbook="backup-failed",
        )
