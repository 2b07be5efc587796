"""The dashboard, in parts from the application to payments; as Cloud Monitoring wants it, in JSON."""

import json
from typing import Any

from infra.config import Role, StackConfig
from infra.gcp.alarm import Watched

COLUMNS, WIDTH, HEIGHT = 48, 16, 14


def dashboard(config: StackConfig, watched: Watched) -> str:
    """Sections below each other, three charts a row."""
    tiles: list[dict[str, Any]] = []
    top = 0
    for title, charts in _sections(config, watched).items():
        tiles.append(_tile(0, top, COLUMNS, 3, {"title": title, "sectionHeader": {"dividerBelow": True}}))
        top += 3
        for place, (name, query) in enumerate(charts.items()):
            left, down = place % 3 * WIDTH, place // 3 * HEIGHT
            tiles.append(_tile(left, top + down, WIDTH, HEIGHT, _chart(name, query)))
        top += (len(charts) + 2) // 3 * HEIGHT
    board = {"displayName": f"CloudBill {config.stack}", "mosaicLayout": {"columns": COLUMNS, "tiles": tiles}}
    return json.dumps(board, sort_keys=True)


def _sections(config: StackConfig, watched: Watched) -> dict[str, dict[str, str]]:
    ours = f'stack="{config.stack}"'
    database = f'{{monitored_resource="cloudsql_database",database_id="{watched.database}"}}'
    api = f'monitored_resource="cloud_run_revision",service_name="{watched.services[Role.API]}"'
    balancer = 'monitored_resource="https_lb_rule"'
    return {
        "Application": {
            "Requests a second by status": f"sum by (status) (rate(cloudbill_http_requests_total{{{ours}}}[5m]))",
            "Time to answer, p95, seconds": _quantile(0.95, f"cloudbill_http_request_seconds_bucket{{{ours}}}"),
            "Time to answer, p99, seconds": _quantile(0.99, f"cloudbill_http_request_seconds_bucket{{{ours}}}"),
            "Instances of the API": f"sum(run_googleapis_com:container_instance_count{{{api}}})",
            "Pool connections": f"sum by (role, state) (cloudbill_database_pool_connections{{{ours}}})",
            "Gave up waiting for a connection, a minute": "sum by (role) "
            f"(rate(cloudbill_database_pool_exhausted_total{{{ours}}}[5m])) * 60",
            "Jobs a minute by outcome": f"sum by (outcome) (rate(cloudbill_jobs_total{{{ours}}}[5m])) * 60",
            "Sign-ins that fail, a minute": "sum by (reason) "
            f"(rate(cloudbill_sign_in_failures_total{{{ours}}}[5m])) * 60",
            "Refused by a limit, a minute": f"sum by (caller) (rate(cloudbill_rate_limited_total{{{ours}}}[5m])) * 60",
            "Jobs parked": f"max(cloudbill_jobs_parked{{{ours}}})",
        },
        "Console": {
            "Calls to the API, a minute": "sum by (outcome) "
            f"(rate(cloudbill_console_api_calls_total{{{ours}}}[5m])) * 60",
            "Time of a call, p95, seconds": _quantile(0.95, f"cloudbill_console_api_call_seconds_bucket{{{ours}}}"),
            "Sign-ins at the form, a minute": "sum by (outcome) "
            f"(rate(cloudbill_console_sign_ins_total{{{ours}}}[5m])) * 60",
            "Events of pages that failed, a minute": "sum by (reason) "
            f"(rate(cloudbill_console_event_failures_total{{{ours}}}[5m])) * 60",
            "Web sockets": f"sum(cloudbill_console_connections{{{ours}}})",
        },
        "Database": {
            "CPU, share": f"cloudsql_googleapis_com:database_cpu_utilization{database}",
            "Memory, share": f"cloudsql_googleapis_com:database_memory_utilization{database}",
            "Disk, share": f"cloudsql_googleapis_com:database_disk_utilization{database}",
            "Connections": f"sum(cloudsql_googleapis_com:database_postgresql_num_backends{database})",
            "Disk reads a second": f"rate(cloudsql_googleapis_com:database_disk_read_ops_count{database}[5m])",
            "Disk writes a second": f"rate(cloudsql_googleapis_com:database_disk_write_ops_count{database}[5m])",
        },
        "Cache": _cache(config, watched),
        "Load balancer": {
            "Requests a second by class": "sum by (response_code_class) "
            f"(rate(loadbalancing_googleapis_com:https_request_count{{{balancer}}}[5m]))",
            "Time to answer at the edge, p95, ms": _quantile(
                0.95, f"loadbalancing_googleapis_com:https_total_latencies_bucket{{{balancer}}}"
            ),
            "Bytes out a second": "sum("
            f"rate(loadbalancing_googleapis_com:https_response_bytes_count{{{balancer}}}[5m]))",
        },
        "Payments": {
            "Purchases paid, an hour": f"sum by (means) (increase(cloudbill_purchases_paid_total{{{ours}}}[1h]))",
            "Events of the payment provider, a minute": "sum by (state) "
            f"(rate(cloudbill_webhook_events_total{{{ours}}}[5m])) * 60",
            "Events that wait or are parked": f"max by (state) (cloudbill_webhook_events_open{{{ours}}})",
        },
    }


def _cache(config: StackConfig, watched: Watched) -> dict[str, str]:
    if config.cache.engine == "redis":
        where = f'{{monitored_resource="redis_instance",instance_id="{watched.cache}"}}'
        return {
            "CPU, share": f"rate(redis_googleapis_com:stats_cpu_utilization_main_thread{where}[5m])",
            "Memory, share": f"redis_googleapis_com:stats_memory_usage_ratio{where}",
            "Clients": f"redis_googleapis_com:clients_connected{where}",
        }
    where = f'{{monitored_resource="memorystore.googleapis.com/Instance",instance_id="{watched.cache}"}}'
    return {
        "CPU, share": f"memorystore_googleapis_com:instance_cpu_maximum_utilization{where}",
        "Memory, share": f"memorystore_googleapis_com:instance_memory_maximum_utilization{where}",
        "Clients": f"memorystore_googleapis_com:instance_clients_total_connected_clients{where}",
    }


def _quantile(share: float, buckets: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[5m])))"


def _tile(left: int, top: int, width: int, height: int, widget: dict[str, Any]) -> dict[str, Any]:
    return {"xPos": left, "yPos": top, "width": width, "height": height, "widget": widget}


def _chart(title: str, query: str) -> dict[str, Any]:
    data = {"plotType": "LINE", "targetAxis": "Y1", "timeSeriesQuery": {"prometheusQuery": query}}
    return {"title": title, "xyChart": {"dataSets": [data], "yAxis": {"scale": "LINEAR"}}}
