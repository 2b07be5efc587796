"""What is alarming about the application and what it runs on; all alarms of a stack."""

from dataclasses import replace

from infra.config import Role, StackConfig
from infra.contract import Severity
from infra.gcp.alarm import MINUTE, SCHEDULE_FAILURES, Alarm, Watched, while_awake
from infra.gcp.store_alarms import cache_alarms, database_alarms


def alarms(config: StackConfig, watched: Watched) -> list[Alarm]:
    """All of a stack."""
    every = [
        *_application(config),
        *database_alarms(config, watched),
        *cache_alarms(config, watched),
        *_platform(config, watched),
    ]
    return [replace(alarm, query=while_awake(config, alarm.query)) if alarm.awake else alarm for alarm in every]


def _application(config: StackConfig) -> list[Alarm]:
    ours = f'stack="{config.stack}"'
    requests, failed = (
        f"cloudbill_http_requests_total{{{ours}}}",
        f'cloudbill_http_requests_total{{{ours},status=~"5.."}}',
    )
    calls, lost = (
        f"cloudbill_console_api_calls_total{{{ours}}}",
        f'cloudbill_console_api_calls_total{{{ours},outcome=~"failed|unreachable"}}',
    )
    unreconciled = f"cloudbill_reconciliation_errors_total{{{ours}}}"
    pool = f"cloudbill_database_pool_connections{{{ours},state="

    def slower_than_a_second(share: float) -> str:
        times = f"sum by (le) (rate(cloudbill_http_request_seconds_bucket{{{ours}}}[5m]))"
        return f"histogram_quantile({share}, {times}) > 1"

    return [
        Alarm(
            name="error-rate",
            severity=Severity.CRITICAL,
            title="The API answers over 5 % of requests with an error of its own",
            query=f"sum(rate({failed}[5m])) / sum(rate({requests}[5m])) > 0.05",
            awake=True,
        ),
        Alarm(
            name="database-unreachable",
            severity=Severity.CRITICAL,
            title="No instance of the API reaches the database",
            query=f"max(cloudbill_database_up{{{ours}}}) < 1",
            seconds=2 * MINUTE,
            awake=True,
        ),
        Alarm(
            name="latency-p95",
            severity=Severity.WARNING,
            title="One request in 20 takes longer than a second",
            query=slower_than_a_second(0.95),
            awake=True,
        ),
        Alarm(
            name="latency-p99",
            severity=Severity.WARNING,
            title="One request in 100 takes longer than a second",
            query=slower_than_a_second(0.99),
            awake=True,
        ),
        Alarm(
            name="failed-sign-ins",
            severity=Severity.WARNING,
            title="Over 20 sign-ins a minute fail",
            query=f"sum(rate(cloudbill_sign_in_failures_total{{{ours}}}[5m])) * 60 > 20",
        ),
        Alarm(
            name="webhook-failures",
            severity=Severity.WARNING,
            title="Events of the payment provider could not be applied and are parked",
            query=f'max(cloudbill_webhook_events_open{{{ours},state="parked"}}) > 0',
        ),
        Alarm(
            name="reconciliation-errors",
            severity=Severity.WARNING,
            title="Usage could not be reconciled",
            query=f"sum(increase({unreconciled}[5m])) > 0",
            seconds=0,
            awake=True,
        ),
        Alarm(
            name="pool-exhaustion",
            severity=Severity.WARNING,
            title="A pool of database connections is nine tenths used",
            query=f'max by (role) ({pool}"used"}}) / max by (role) ({pool}"most"}}) > 0.9',
        ),
        Alarm(
            name="jobs-parked",
            severity=Severity.WARNING,
            title="Jobs failed for good and wait for a person",
            query=f"max(cloudbill_jobs_parked{{{ours}}}) > 0",
        ),
        Alarm(
            name="double-payments",
            severity=Severity.WARNING,
            title="A purchase was paid twice and one payment given back",
            query=f"sum(increase(cloudbill_double_payments_total{{{ours}}}[10m])) > 0",
            seconds=0,
        ),
        Alarm(
            name="invoices-drifted",
            severity=Severity.CRITICAL,
            title="A final invoice, worked out anew, is not what it says",
            query=f"max(cloudbill_invoices_drifted{{{ours}}}) > 0",
        ),
        Alarm(
            name="recompute-overdue",
            severity=Severity.WARNING,
            title="Final invoices were not worked out anew for more than a day",
            query=f"max(cloudbill_recompute_overdue{{{ours}}}) > 0",
        ),
        Alarm(
            name="payments-differ",
            severity=Severity.CRITICAL,
            title="The payment provider's account and the books say different things",
            query=f"max(cloudbill_payments_differing{{{ours}}}) > 0",
        ),
        Alarm(
            name="console-calls",
            severity=Severity.WARNING,
            title="Over 5 % of the console's calls to the API fail or are not answered",
            query=f"sum(rate({lost}[5m])) / sum(rate({calls}[5m])) > 0.05 and sum(increase({calls}[5m])) >= 20",
            awake=True,
        ),
        Alarm(
            name="cache-unreachable",
            severity=Severity.WARNING,
            title="No instance of the API reaches the cache: limits are kept by each alone",
            query=f"max(cloudbill_cache_up{{{ours}}}) < 1",
        ),
    ]


def _platform(config: StackConfig, watched: Watched) -> list[Alarm]:
    names = "|".join(name for role, name in watched.services.items() if role is not Role.WORKER)
    services = f'monitored_resource="cloud_run_revision",service_name=~"{names}"'
    pool = f'monitored_resource="cloud_run_worker_pool",worker_pool_name="{watched.services[Role.WORKER]}"'
    answered = 'loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule"'

    def busy(what: str) -> str:
        def of(resource: str, by: str) -> str:
            buckets = f"run_googleapis_com:container_{what}_utilizations_bucket{{{resource}}}"
            return f"histogram_quantile(0.95, sum by (le, {by}) (rate({buckets}[5m]))) > 0.8"

        return f"{of(services, 'service_name')} or {of(pool, 'worker_pool_name')}"

    def at_most(role: Role) -> str:
        where = f'monitored_resource="cloud_run_revision",service_name="{watched.services[role]}"'
        return f"sum(run_googleapis_com:container_instance_count{{{where}}}) >= {config.size(role).max}"

    job = f'monitored_resource="cloud_run_job",result="failed",job_name=~"{watched.job}"'
    failed_job = f"run_googleapis_com:job_completed_execution_count{{{job}}}"
    return [
        Alarm(
            name="errors-5xx",
            severity=Severity.CRITICAL,
            title="The load balancer answers over 1 % of requests with 5xx",
            query=f'sum(rate({answered},response_code_class="500"}}[5m])) / sum(rate({answered}}}[5m])) > 0.01',
            awake=True,
        ),
        Alarm(name="cpu", severity=Severity.WARNING, title="A service's CPU is over 80 % busy", query=busy("cpu")),
        Alarm(
            name="memory", severity=Severity.WARNING, title="A service's memory is over 80 % used", query=busy("memory")
        ),
        Alarm(
            name="task-failures",
            severity=Severity.WARNING,
            title="A one-off task failed: a migration, a drill, a move",
            query=f"sum(increase({failed_job}[10m])) > 0",
            seconds=0,
        ),
        Alarm(
            name="schedule-failures",
            severity=Severity.WARNING,
            title="A scheduled call failed: an export, a drill, off-hours",
            query=f"sum(increase(logging_googleapis_com:user_{SCHEDULE_FAILURES}[10m])) > 0",
            seconds=0,
        ),
        Alarm(
            name="nat-dropped",
            severity=Severity.WARNING,
            title="NAT has no port left and drops packets",
            query="sum(rate(router_googleapis_com:nat_dropped_sent_packets_count[5m])) > 0",
        ),
        Alarm(
            name="certificate-expiry",
            severity=Severity.WARNING,
            title="The certificate ends within two weeks",
            query="min(monitoring_googleapis_com:uptime_check_time_until_ssl_cert_expires) < 14",
        ),
        Alarm(
            name="scaled-out",
            severity=Severity.INFO,
            title="A service runs as many instances as it may",
            query=f"{at_most(Role.API)} or {at_most(Role.CONSOLE)}",
        ),
    ]
