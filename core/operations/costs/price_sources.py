"""Asks the clouds for their price lists, over HTTPS."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import httpx

from core.foundation.errors import CloudBillError
from infra.costs.prices import SNAPSHOTS, price_list
from infra.costs.refresh import aws, google
from infra.costs.refresh.listed import Listed
from infra.costs.refresh.merge import Refreshed, refreshed, services_needed

REFERENCE = {"aws": "us-east-1", "gcp": "us-central1"}
"""The region whose prices are the pattern for one that has none yet."""
AWS_URL = "https://pricing.us-east-1.amazonaws.com"
GOOGLE_URL = "https://cloudbilling.googleapis.com"
TIMEOUT = httpx.Timeout(30, read=300)


class PriceSourceUnavailable(CloudBillError):
    """A cloud's price list does not answer, or not wholly; no snapshot is changed."""

    code = "price_source_unavailable"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the lists are; Google's wants an API key (any project's, with the Cloud Billing API on)."""

    aws_url: str = AWS_URL
    google_url: str = GOOGLE_URL
    google_key: str | None = None


def refresh(cloud: str, region: str, *, sources: Sources, today: date, folder: Path = SNAPSHOTS) -> Refreshed:
    """The region's prices as the cloud lists them now. Raises CostError or PriceSourceUnavailable."""
    known = folder / f"{cloud}-{region}.json"
    before = price_list(cloud, region if known.is_file() else REFERENCE[cloud], folder)
    place = aws.wanted if cloud == "aws" else google.wanted
    services = services_needed(before, place)
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        listed: dict[str, Iterable[Listed]] = (
            {service: _offers(client, sources, service, region) for service in services}
            if cloud == "aws"
            else _catalog(client, sources, services, region)
        )
        return refreshed(
            before,
            listed,
            place=place,
            region=region,
            source="AWS Price List" if cloud == "aws" else "Google Cloud Billing Catalog",
            today=today,
        )


def _offers(client: httpx.Client, sources: Sources, service: str, region: str) -> Iterator[Listed]:
    url = f"{sources.aws_url.rstrip('/')}/offers/v1.0/aws/{service}/current/{region}/index"
    if service not in aws.STREAMED:
        yield from aws.from_json(_json(client, f"{url}.json"), service=service)
        return
    try:
        with client.stream("GET", f"{url}.csv") as answer:
            answer.raise_for_status()
            yield from aws.from_csv((f"{line}\n" for line in answer.iter_lines()), service=service)
    except httpx.HTTPError as error:
        raise _unavailable(f"{url}.csv", error) from None


def _catalog(client: httpx.Client, sources: Sources, services: list[str], region: str) -> dict[str, Iterable[Listed]]:
    if not sources.google_key:
        raise PriceSourceUnavailable(
            "Google's catalog wants an API key: set GOOGLE_BILLING_API_KEY, of a project with the Cloud Billing API on"
        )
    base = f"{sources.google_url.rstrip('/')}/v1/services"
    ids = google.services(_pages(client, base, sources.google_key))
    missing = [service for service in services if service not in ids]
    if missing:
        raise PriceSourceUnavailable(
            f"Google's catalog has no service named {', '.join(missing)}: is the answer whole?"
        )
    return {
        service: google.from_skus(
            _pages(client, f"{base}/{ids[service]}/skus", sources.google_key), service=service, region=region
        )
        for service in services
    }


def _pages(client: httpx.Client, url: str, key: str) -> Iterator[Any]:
    token = ""
    while True:
        asked: dict[str, str] = {"key": key, "pageSize": "5000"}
        page = _json(client, url, {**asked, "pageToken": token} if token else asked)
        yield page
        token = str(cast("dict[str, Any]", page).get("nextPageToken") or "") if isinstance(page, dict) else ""
        if not token:
            return


def _json(client: httpx.Client, url: str, asked: dict[str, str] | None = None) -> Any:
    try:
        answer = client.get(url, params=asked)
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPError as error:
        raise _unavailable(url, error) from None
    except ValueError:
        raise PriceSourceUnavailable(f"{url} breaks off or is no JSON: try again; nothing was changed") from None


def _unavailable(url: str, error: httpx.HTTPError) -> PriceSourceUnavailable:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        hint = {403: "is the key right?", 404: "is there such a region?"}.get(status, "try again later")
        return PriceSourceUnavailable(f"{url} answers {status}: {hint} Nothing was changed")
    return PriceSourceUnavailable(f"{url} does not answer ({type(error).__name__}): try again; nothing was changed")
