"""What waits for a person, as gauges: parked jobs, parked events of the payment provider, usage that is miscounted."""

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.parking import count_parked
from core.billing.metering.events import checking
from core.billing.webhooks import repository as webhooks
from core.foundation import job_queue
from core.foundation.clock import wall_now

JOBS_PARKED = Gauge("cloudbill_jobs_parked", "Jobs that failed for good and wait for a replay.")
WEBHOOK_EVENTS_OPEN = Gauge(
    "cloudbill_webhook_events_open", "Events of the payment provider that wait to be applied, or are parked.", ["state"]
)
CUSTOMERS_PARKED = Gauge(
    "cloudbill_invoice_customers_waiting", "Customers that the invoice run set aside and nobody let go."
)


async def measure(session: AsyncSession) -> None:
    """Brings the gauges of this process up to date; as the reading operator."""
    JOBS_PARKED.set(await job_queue.count_parked(session))
    CUSTOMERS_PARKED.set(await count_parked(session))
    await checking.measure(session, now=wall_now())
    for state, events in (await webhooks.count_open(session)).items():
        WEBHOOK_EVENTS_OPEN.labels(state).set(events)
