"""What is seen from outside: logs as JSON lines, metrics for Prometheus, traces for OpenTelemetry where asked for.

Rooms register their own counters here at import, named `cloudbill_<what>_<unit>`.
"""

import logging
import sys
from contextvars import ContextVar
from typing import Any

import orjson
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from core.foundation.settings import Settings

disable_created_metrics()  # a time stamp for each series says nothing and doubles them

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that this task answers; every log line carries it."""

HTTP_REQUESTS = Counter(
    "cloudbill_http_requests_total", "Requests answered, by route template.", ["method", "route", "status"]
)
HTTP_SECONDS = Histogram(
    "cloudbill_http_request_seconds",
    "Time to answer, in seconds, by route template.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
POOL_CONNECTIONS = Gauge(
    "cloudbill_database_pool_connections", "Database connections by role and state.", ["role", "state"]
)
POOL_EXHAUSTED = Counter(
    "cloudbill_database_pool_exhausted_total",
    "Transactions that gave up since no connection of their pool became free, by role.",
    ["role"],
)
CACHE_UP = Gauge("cloudbill_cache_up", "Whether the cache answered last (1) or not (0).")
DATABASE_UP = Gauge("cloudbill_database_up", "Whether the database answered last (1) or not (0).")
SIGN_INS = Counter("cloudbill_sign_ins_total", "Successful sign-ins.")
SIGN_IN_FAILURES = Counter("cloudbill_sign_in_failures_total", "Failed sign-ins, by why.", ["reason"])
RATE_LIMITED = Counter(
    "cloudbill_rate_limited_total", "Requests refused by a rate limit, by kind of caller.", ["caller"]
)
RATE_LIMIT_FALLBACK = Counter(
    "cloudbill_rate_limit_fallback_total",
    "Decisions taken by this process alone, since the cache did not answer.",
    ["limit"],
)

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _add_request_id(_logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        line.setdefault("requestId", request_id)
    return line


def _dumps(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def configure_logs(settings: Settings) -> None:
    """One line a record on standard output: ours through structlog, and other libraries' in the same form."""
    shared: list[Any] = [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    if settings.log_format == "json":
        last: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
    else:
        # The ornate form of an error shows the values of all variables, secrets too, and takes a second to draw.
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain)]
    level = _LEVELS[settings.log_level]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for chatty in ("httpx", "httpcore", "stripe", "procrastinate", "alembic"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


def log(room: str) -> Any:
    """A structured logger: `log("billing").info("purchase_paid", purchaseId=...)`. Ids only, no names, no secrets."""
    return structlog.get_logger(room=room)


def create_tracer_provider(settings: Settings, *, role: str) -> TracerProvider | None:
    """Traces go to OTEL_EXPORTER_OTLP_ENDPOINT when it is set; shut the provider down at the end."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": f"cloudbill-{role}"}))
    exporter = OTLPSpanExporter(endpoint=f"{settings.otel_exporter_otlp_endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
