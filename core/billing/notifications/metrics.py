"""What is counted of messages and webhooks."""

from prometheus_client import Counter, Histogram

MESSAGES = Counter(
    "cloudbill_notifications_total", "Messages to people, by channel and by what became of them.", ["channel", "state"]
)
WEBHOOK_CALLS = Counter("cloudbill_webhook_calls_total", "Calls of tenants' endpoints, by how each ended.", ["outcome"])
WEBHOOK_SECONDS = Histogram("cloudbill_webhook_call_seconds", "How long tenants' endpoints take to answer.")
