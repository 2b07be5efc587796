"""The API: the rooms' routes behind the guard, the edge around them, errors in one form."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError

from core.api import errors, health, metrics
from core.api.edge import Edge
from core.api.exact import ExactRoutes, OwnAddresses
from core.api.groups import group_of
from core.api.guard import guarded
from core.api.limits import Limits
from core.api.openapi import describe
from core.api.patience import Patience
from core.billing.catalog import routes as catalog
from core.billing.catalog.coupons import routes as coupons
from core.billing.catalog.products import routes as products
from core.billing.clocks import routes as clocks
from core.billing.credits import routes as credits
from core.billing.credits.charges import Charges
from core.billing.credits.lots import routes as credit_lots
from core.billing.customers import routes as customers
from core.billing.dunning import routes as dunning
from core.billing.invoices import routes as invoices
from core.billing.invoices.credit_notes import routes as credit_notes
from core.billing.invoices.items import routes as invoice_items
from core.billing.invoices.late_usage import routes as late_usage
from core.billing.invoices.parked import routes as parked
from core.billing.invoices.previews import routes as previews
from core.billing.ledger import routes as ledger
from core.billing.ledger.verification import routes as verification
from core.billing.metering import routes as metering
from core.billing.metering.amendments import routes as amendments
from core.billing.metering.events import routes as metered_events
from core.billing.metering.events.desk import BatchDesk
from core.billing.metering.meters import routes as meters
from core.billing.metering.usage import routes as metered_usage
from core.billing.notifications import routes as notifications
from core.billing.notifications.webhooks import routes as endpoints
from core.billing.payments import routes as payments
from core.billing.payments.charges import routes as charges
from core.billing.payments.gateway import close_providers
from core.billing.payments.methods import routes as payment_methods
from core.billing.payments.pay_links import routes as payment_links
from core.billing.payments.reconciling import routes as reconciliation
from core.billing.payments.topping import routes as wallet_watches
from core.billing.pricing import routes as pricing
from core.billing.pricing.plans import routes as plans
from core.billing.reports import routes as reports
from core.billing.sellers import routes as sellers
from core.billing.subscriptions import routes as subscriptions
from core.billing.tax import routes as tax
from core.billing.webhooks import routes as webhooks
from core.foundation.cache import create_cache
from core.foundation.database import Database
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings, load_settings
from core.foundation.telemetry import configure_logs, create_tracer_provider, log
from core.identity.api_keys import routes as api_keys
from core.identity.assembly import open_identity
from core.identity.oauth import routes as oauth
from core.identity.sign_in import routes as sign_in
from core.identity.tenants import routes as tenants
from core.operations.alerts import routes as alerts
from core.operations.alerts.watching import Watch
from core.operations.costs import routes as costs
from core.operations.deployments import routes as deployments
from core.operations.jobs import routes as jobs
from core.operations.overview import routes as overview
from core.operations.records import routes as records
from core.operations.records.retention import routes as retention
from core.operations.recovery import routes as recovery

_LOG = log("api")
_WAIT_FOR_DATABASE_SECONDS = 20
OBJECTS_BETWEEN_COLLECTIONS = 50_000

ROUTERS = (
    health.router,
    metrics.router,
    sign_in.router,
    oauth.router,
    tenants.router,
    api_keys.router,
    catalog.router,
    products.router,
    coupons.router,
    plans.router,
    customers.router,
    sellers.router,
    tax.router,
    pricing.router,
    previews.router,
    subscriptions.router,
    invoice_items.router,
    invoices.router,
    late_usage.router,
    credit_notes.router,
    parked.router,
    clocks.router,
    metering.router,
    meters.router,
    metered_events.router,
    amendments.router,
    metered_usage.router,
    ledger.router,
    verification.router,
    overview.router,
    credits.router,
    payments.router,
    payment_methods.router,
    charges.router,
    payment_links.router,
    dunning.router,
    credit_lots.router,
    wallet_watches.router,
    reconciliation.router,
    webhooks.router,
    reports.router,
    notifications.router,
    endpoints.router,
    jobs.router,
    deployments.router,
    costs.router,
    alerts.router,
    recovery.router,
    records.router,
    retention.router,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application; granian calls it without arguments, and then the environment rules.

    At its start it raises SettingsInvalid, or UnsafeRole for a database role that row security does not bind.
    """
    chosen = settings or load_settings()
    if settings is None:
        configure_logs(chosen)
    traces = create_tracer_provider(chosen, role="api")
    app = FastAPI(
        title="CloudBill",
        version="1.0.0",
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(chosen, owns_process=settings is None),
        telemetry={
            "tracing": traces is not None,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "tracer_provider": traces,
        },
    )
    app.state.traces = traces
    errors.install(app)
    app.add_middleware(Patience, owner=app)
    app.add_middleware(Edge, owner=app, settings=chosen)
    app.router.routes.extend(guarded(ROUTERS))
    describe(app, chosen)
    _keep_groups(app, chosen)
    app.router.routes.insert(0, OwnAddresses(routes_of(app)))
    if traces is None:  # a trace wants the route that was tried and found
        app.router.routes.insert(0, ExactRoutes(routes_of(app)))
    return app


def _keep_groups(app: FastAPI, settings: Settings) -> None:
    """Leaves the routes of the groups that this process serves; the document describes all of them anywhere."""
    app.router.routes[:] = [
        route
        for route in app.router.routes
        if not isinstance(route, APIRoute)
        or route.path in ("/openapi.json", "/docs")
        or (group := group_of(route.path)) is None
        or group in settings.cloudbill_services
    ]


def routes_of(app: FastAPI) -> list[APIRoute]:
    """The routes of the rooms, for the document and for tests."""
    return [route for route in app.router.routes if isinstance(route, APIRoute)]


def _lifespan(settings: Settings, *, owns_process: bool) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        runtime = Runtime(settings, Database(settings), create_cache(settings))
        try:
            await _refuse_unsafe_role(runtime.database)
            await runtime.database.open_pool()
            identity = await open_identity(runtime)
            app.state.runtime = runtime
            app.state.identity = identity
            app.state.directory = identity.directory
            app.state.limits = Limits(runtime.cache, window_ms=settings.rate_limit_window_ms)
            app.state.charges = charges = Charges(runtime.database)
            charges.start()
            app.state.batches = BatchDesk()
            watching = asyncio.create_task(Watch(runtime).run())
            if owns_process:
                _collect_seldom()
            try:
                yield
            finally:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
                await charges.close()
        finally:
            await close_providers()
            await runtime.database.dispose()
            await runtime.cache.aclose()
            if app.state.traces is not None:
                await asyncio.to_thread(app.state.traces.shutdown)

    return lifespan


def _collect_seldom() -> None:
    """For a process that is the API and nothing else."""
    # What the start made lives as long as the process: collections need not look through it, which would stop all
    # requests for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    # A batch of events is some ten thousand objects without circles: looking for circles among them every 700 took a
    # tenth of a batch's time or more.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


async def _refuse_unsafe_role(database: Database) -> None:
    """Nothing is served before it is known that row security binds us; a database that is starting is waited for.

    One that is closed with a successor is not the one to ask.
    """
    await database.following.settled(seconds=0)
    for waited in range(_WAIT_FOR_DATABASE_SECONDS):
        try:
            await database.refuse_unsafe_role()
            return
        except OperationalError:
            _LOG.warning("waiting_for_database", seconds=waited)
            await asyncio.sleep(1)
    await database.refuse_unsafe_role()
