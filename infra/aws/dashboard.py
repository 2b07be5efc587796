"""The dashboard: application, console, database, cache, load balancer, payments."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input

from infra.aws.cache import Cache
from infra.aws.database import Database
from infra.aws.edge import Edge
from infra.aws.names import named
from infra.aws.service import Service
from infra.aws.watching import Metric, application
from infra.config import Role, StackConfig

WIDTH, HEIGHT, COLUMNS = 8, 6, 3


def widgets(
    config: StackConfig, *, database: Database, cache: Cache, edge: Edge, services: Mapping[Role, Service]
) -> list[dict[str, Any]]:
    """In the form that CloudWatch reads: a heading for each part, its graphs below it, three in a row."""
    parts: Mapping[str, Sequence[tuple[str, Sequence[Metric]]]] = {
        "Application": _application(config, services),
        "Console": _console(config),
        "Database": _database(config, database),
        "Cache": _cache(config, cache),
        "Load balancer": _edge(edge),
        "Payments": _payments(config),
    }
    found: list[dict[str, Any]] = []
    top = 0
    for title, graphs in parts.items():
        found.append(
            {
                "type": "text",
                "x": 0,
                "y": top,
                "width": WIDTH * COLUMNS,
                "height": 1,
                "properties": {"markdown": f"## {title}"},
            }
        )
        top += 1
        for place, (heading, metrics) in enumerate(graphs):
            row, column = divmod(place, COLUMNS)
            found.append(_graph(config, heading, metrics, x=column * WIDTH, y=top + row * HEIGHT))
        top += HEIGHT * -(-len(graphs) // COLUMNS)
    return found


def _graph(config: StackConfig, title: str, metrics: Sequence[Metric], *, x: int, y: int) -> dict[str, Any]:
    lines: list[list[Any]] = []
    for metric in metrics:
        dimensions: list[Input[str]] = [part for pair in metric.dimensions.items() for part in pair]
        lines.append([metric.namespace, metric.name, *dimensions, {"stat": metric.statistic}])
    return {
        "type": "metric",
        "x": x,
        "y": y,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": config.region,
            "view": "timeSeries",
            "stacked": False,
            "period": 60,
            "metrics": lines,
        },
    }


def _application(config: StackConfig, services: Mapping[Role, Service]) -> list[tuple[str, list[Metric]]]:
    def ecs(name: str) -> list[Metric]:
        return [
            Metric(
                namespace="AWS/ECS",
                name=name,
                dimensions={"ClusterName": named(config), "ServiceName": service.name},
                statistic="Average",
            )
            for service in services.values()
        ]

    def ours(*names: str, statistic: str = "Sum") -> list[Metric]:
        return [application(config, name, Role.API, statistic) for name in names]

    return [
        ("CPU, %", ecs("CPUUtilization")),
        ("Memory, %", ecs("MemoryUtilization")),
        ("Requests answered by the API", ours("cloudbill_http_requests_total")),
        ("Sign-ins", ours("cloudbill_sign_ins_total", "cloudbill_sign_in_failures_total")),
        (
            "Gave up waiting for a connection",
            [
                application(config, "cloudbill_database_pool_exhausted_total", Role.API, "Sum", role=role)
                for role in ("app", "operator")
            ],
        ),
        ("Refused by a limit", ours("cloudbill_rate_limited_total", "cloudbill_rate_limit_fallback_total")),
        (
            "Jobs",
            [
                *(
                    application(config, "cloudbill_jobs_total", Role.WORKER, "Sum", outcome=outcome)
                    for outcome in ("succeeded", "failed", "parked")
                ),
                application(config, "cloudbill_jobs_parked", Role.API, "Maximum"),
            ],
        ),
    ]


def _console(config: StackConfig) -> list[tuple[str, list[Metric]]]:
    def ours(name: str, *outcomes: str) -> list[Metric]:
        return [application(config, name, Role.CONSOLE, "Sum", outcome=outcome) for outcome in outcomes]

    return [
        (
            "Calls to the API",
            ours("cloudbill_console_api_calls_total", "answered", "refused", "failed", "unreachable"),
        ),
        (
            "Sign-ins at the form",
            ours("cloudbill_console_sign_ins_total", "signed_in", "refused", "unreachable", "no_cache"),
        ),
        (
            "Events of pages that failed, web sockets",
            [
                application(config, "cloudbill_console_event_failures_total", Role.CONSOLE, "Sum"),
                application(config, "cloudbill_console_connections", Role.CONSOLE, "Average"),
            ],
        ),
    ]


def _database(config: StackConfig, made: Database) -> list[tuple[str, list[Metric]]]:
    def rds(*names: str) -> list[Metric]:
        of = {"DBInstanceIdentifier": made.identifier}
        return [Metric(namespace="AWS/RDS", name=name, dimensions=of, statistic="Average") for name in names]

    pools = [
        application(config, "cloudbill_database_pool_connections", Role.API, "Maximum", role=role, state=state)
        for role in ("app", "operator")
        for state in ("used", "most")
    ]
    return [
        ("CPU, %", rds("CPUUtilization")),
        ("Free memory and storage, bytes", rds("FreeableMemory", "FreeStorageSpace")),
        ("Connections", rds("DatabaseConnections")),
        ("Latency, s", rds("ReadLatency", "WriteLatency")),
        ("Input and output a second", rds("ReadIOPS", "WriteIOPS")),
        ("Pools", pools),
    ]


def _cache(config: StackConfig, made: Cache) -> list[tuple[str, list[Metric]]]:
    def nodes(name: str, statistic: str = "Average") -> list[Metric]:
        return [
            Metric(
                namespace="AWS/ElastiCache",
                name=name,
                dimensions={"CacheClusterId": f"{named(config)}-{number:03}"},
                statistic=statistic,
            )
            for number in range(1, made.nodes + 1)
        ]

    return [
        ("CPU of the engine, %", nodes("EngineCPUUtilization")),
        ("Memory, %", nodes("DatabaseMemoryUsagePercentage")),
        ("Hits and misses", nodes("CacheHits", "Sum") + nodes("CacheMisses", "Sum")),
    ]


def _edge(made: Edge) -> list[tuple[str, list[Metric]]]:
    def answers(name: str, *statistics: str) -> list[Metric]:
        of = {"LoadBalancer": made.load_balancer.arn_suffix}
        return [
            Metric(namespace="AWS/ApplicationELB", name=name, dimensions=of, statistic=statistic)
            for statistic in statistics
        ]

    codes = ("HTTPCode_Target_2XX_Count", "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count")
    return [
        ("Requests", answers("RequestCount", "Sum")),
        ("Time to answer, s", answers("TargetResponseTime", "p50", "p95", "p99")),
        ("Answers", [metric for code in (*codes, "HTTPCode_ELB_5XX_Count") for metric in answers(code, "Sum")]),
    ]


def _payments(config: StackConfig) -> list[tuple[str, list[Metric]]]:
    states = ("received", "duplicate", "applied", "ignored", "parked")
    return [
        (
            "Purchases paid",
            [
                application(config, name, Role.WORKER, "Sum")
                for name in ("cloudbill_purchases_paid_total", "cloudbill_double_payments_total")
            ],
        ),
        (
            "Events of the payment provider",
            [
                application(config, "cloudbill_webhook_events_total", role, "Sum", state=state)
                for role, of in ((Role.API, states[:2]), (Role.WORKER, states[2:]))
                for state in of
            ],
        ),
        (
            "Reconciliations that failed",
            [application(config, "cloudbill_reconciliation_errors_total", Role.API, "Sum")],
        ),
    ]
