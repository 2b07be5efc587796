"""Prices refreshed from answers of the clouds' documented shape, over HTTP."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from core.cli.prices import app
from core.operations.costs.price_sources import PriceSourceUnavailable, Sources, refresh
from infra.costs.errors import RefreshRefused
from infra.costs.estimate import estimate
from infra.costs.prices import SNAPSHOTS, Price, price_list
from infra.costs.refresh import aws, google
from infra.costs.refresh.listed import Wanted
from infra.costs.refresh.merge import write
from tests.infra.costs.toy import cloud_sql, database, graph

TODAY = date(2026, 11, 21)
KEY = "AIza-test"
Answers = dict[str, Any]
"""By path: a document, or a text."""


@contextmanager
def _served(answers: Answers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = parse_qs(asked.query)
            found = answers.get(asked.path + (f"#{query['pageToken'][0]}" if "pageToken" in query else ""))
            refused = asked.path.startswith("/v1/") and query.get("key") != [KEY]
            body = found if isinstance(found, str) else json.dumps(found)
            self.send_response(403 if refused else 404 if found is None else 200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _listed_tiers(price: Price, wanted: Wanted) -> list[tuple[str, str, str]]:
    """As the cloud lists it: without our free quantity, in its unit. From, to, price."""
    free = price.tiers[1].start if len(price.tiers) > 1 and not price.tiers[0].price else Decimal(0)
    tiers = [tier for tier in price.tiers if tier.price] or list(price.tiers)
    starts = [max(Decimal(0), tier.start - free) * wanted.times for tier in tiers]
    ends = [*(format(start, "f") for start in starts[1:]), "Inf"]
    return [
        (format(start, "f"), end, format(tier.price / wanted.times, "f"))
        for start, end, tier in zip(starts, ends, tiers, strict=True)
    ]


def _sample(pattern: str, price_id: str) -> str:
    text = pattern.replace(r"(?:[A-Z]{2,4}\d?-)?", "").replace("(Multi-AZ|Instance)Usage:db\\..*", "InstanceUsage:db.x")
    return re.sub(r"\\(.)", r"\1", text.replace("NodeUsage:cache\\..*", "NodeUsage:cache.x").replace(".+", "Iowa"))


def _aws_answers(region: str = "us-east-1") -> Answers:
    """Offer files that say what the snapshot says: EC2's as CSV, the others as JSON."""
    prices = price_list("aws", "us-east-1")
    files: dict[str, Any] = {}
    rows: list[str] = []
    for number, price in enumerate(prices.prices.values()):
        wanted = aws.wanted(price.id)
        if wanted is None:
            continue
        sku = f"SKU{number:04}"
        attributes = {key: _sample(pattern, price.id) for key, pattern in wanted.attributes.items()}
        if wanted.service in aws.STREAMED:
            rows += [
                f'"{sku}","OnDemand","{start}","{end}","{wanted.units[0]}","{amount}","USD","{attributes["usagetype"]}"'
                for start, end, amount in _listed_tiers(price, wanted)
            ]
            continue
        offer = files.setdefault(wanted.service, {"formatVersion": "v1.0", "products": {}, "terms": {"OnDemand": {}}})
        offer["products"][sku] = {"sku": sku, "productFamily": "x", "attributes": attributes}
        dimensions = {
            f"{sku}.T.{place}": {
                "unit": wanted.units[0],
                "beginRange": start,
                "endRange": end,
                "pricePerUnit": {"USD": amount},
            }
            for place, (start, end, amount) in enumerate(_listed_tiers(price, wanted))
        }
        offer["terms"]["OnDemand"][sku] = {f"{sku}.T": {"sku": sku, "priceDimensions": dimensions}}
    header = '"SKU","TermType","StartingRange","EndingRange","Unit","PricePerUnit","Currency","usageType"'
    about = [f'"{name}","x"' for name in ("FormatVersion", "Disclaimer", "Publication Date", "Version", "OfferCode")]
    answers: Answers = {
        f"/offers/v1.0/aws/{service}/current/{region}/index.json": offer for service, offer in files.items()
    }
    answers[f"/offers/v1.0/aws/AmazonEC2/current/{region}/index.csv"] = "\n".join([*about, header, *rows]) + "\n"
    return answers


def _offer(answers: Answers, service: str) -> Any:
    return answers[f"/offers/v1.0/aws/{service}/current/us-east-1/index.json"]


def _product(offer: Any, **wanted: str) -> str:
    (sku,) = [
        sku
        for sku, product in offer["products"].items()
        if all(product["attributes"].get(key) == value for key, value in wanted.items())
    ]
    return sku


def _dimension(offer: Any, sku: str) -> Any:
    (term,) = offer["terms"]["OnDemand"][sku].values()
    return next(iter(term["priceDimensions"].values()))


def _google_answers(region: str = "us-central1") -> Answers:
    """Services on two pages, and the SKUs of each."""
    prices = price_list("gcp", "us-central1")
    by_service: dict[str, list[Any]] = {}
    for number, price in enumerate(prices.prices.values()):
        wanted = google.wanted(price.id)
        if wanted is None:
            continue
        rates = [
            {
                "startUsageAmount": float(start),
                "unitPrice": {
                    "currencyCode": "USD",
                    "units": str(int(Decimal(amount))),
                    "nanos": int(Decimal(amount) % 1 * 10**9),
                },
            }
            for start, _, amount in _listed_tiers(price, wanted)
        ]
        by_service.setdefault(wanted.service, []).append(
            {
                "skuId": f"SKU-{number}",
                "description": _sample(wanted.attributes["description"], price.id),
                "category": {"usageType": "OnDemand"},
                "serviceRegions": [region],
                "pricingInfo": [{"pricingExpression": {"usageUnit": wanted.units[0], "tieredRates": rates}}],
            }
        )
    names = sorted(by_service)
    services = [{"displayName": name, "serviceId": f"S{number}"} for number, name in enumerate(names)]
    answers: Answers = {
        "/v1/services": {"services": services[:4], "nextPageToken": "more"},
        "/v1/services#more": {"services": services[4:]},
    }
    for number, name in enumerate(names):
        answers[f"/v1/services/S{number}/skus"] = {"skus": by_service[name]}
    return answers


def _refreshed(cloud: str, answers: Answers, region: str, folder: Path = SNAPSHOTS) -> Any:
    with _served(answers) as url:
        sources = Sources(aws_url=url, google_url=url, google_key=KEY)
        return refresh(cloud, region, sources=sources, today=TODAY, folder=folder)


def test_lists_that_say_the_same_confirm_each_price_and_change_none() -> None:
    found = _refreshed("aws", _aws_answers(), "us-east-1")
    assert found.changes == []
    assert found.confirmed > 40
    assert (
        found.prices.prices["egress/internet/data"].tiers
        == price_list("aws", "us-east-1").get("egress/internet/data").tiers
    )
    assert found.prices.prices["rds/multi-az/db.m7g.large"].confidence == "list"
    assert found.prices.prices["rds/multi-az/db.m7g.large"].source == "AWS Price List"

    found = _refreshed("gcp", _google_answers(), "us-central1")
    assert found.changes == []
    assert found.confirmed > 20


def test_a_price_that_changed_is_shown_old_new_and_in_percent_and_written_only_on_request(tmp_path: Path) -> None:
    for path in SNAPSHOTS.glob("*.json"):
        copy(path, tmp_path)
    before = (tmp_path / "aws-us-east-1.json").read_text()
    answers = _aws_answers()
    offer = _offer(answers, "AmazonECS")
    sku = _product(offer, usagetype="Fargate-vCPU-Hours:perCPU")
    _dimension(offer, sku)["pricePerUnit"]["USD"] = "0.0445280000"  # 0.04048 and a tenth
    with _served(answers) as url:
        arguments = ["refresh", "--cloud", "aws", "--aws-url", url, "--folder", str(tmp_path), "--format", "json"]
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 0
        (document,) = json.loads(shown.stdout)["refreshed"]
        assert document["changes"] == [
            {
                "id": "fargate/amd64/vcpu",
                "unit": "vCPU-hour",
                "before": "0.04048",
                "now": "0.044528",
                "percent": "10.0",
            }
        ]
        assert "is not written: add --write" in shown.stderr
        assert (tmp_path / "aws-us-east-1.json").read_text() == before

        CliRunner().invoke(app, [*arguments, "--write"])

    price = price_list("aws", "us-east-1", tmp_path).get("fargate/amd64/vcpu")
    assert (price.unit_price, price.date >= TODAY, price.confidence) == (Decimal("0.044528"), True, "list")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in SNAPSHOTS.glob("*.json"))


def test_a_region_without_prices_gets_a_snapshot_that_prices_a_stack(tmp_path: Path) -> None:
    for path in SNAPSHOTS.glob("*.json"):
        copy(path, tmp_path)
    written = write(_refreshed("aws", _aws_answers("eu-central-1"), "eu-central-1", tmp_path).prices, tmp_path)
    assert written.name == "aws-eu-central-1.json"
    prices = price_list("aws", "eu-central-1", tmp_path)
    assert prices.get("rds/multi-az/db.m7g.large").confidence == "list"
    assert prices.get("fargate-spot/amd64/vcpu").confidence == "unverified"  # kept, and said to be
    whole = graph("aws", database(), region="eu-central-1")
    assert estimate(whole, today=TODAY, lists={"eu-central-1": prices}).monthly == Decimal("277.78")

    write(_refreshed("gcp", _google_answers("europe-west3"), "europe-west3", tmp_path).prices, tmp_path)
    prices = price_list("gcp", "europe-west3", tmp_path)
    whole = graph("gcp", cloud_sql(), region="europe-west3")
    assert estimate(whole, today=TODAY, lists={"europe-west3": prices}).monthly == Decimal("252.36")


def _without_a_price(answers: Answers) -> None:
    offer = _offer(answers, "AWSELB")
    del offer["products"][_product(offer, usagetype="LCUUsage")]


def _other_unit(answers: Answers) -> None:
    offer = _offer(answers, "AmazonECS")
    _dimension(offer, _product(offer, usagetype="Fargate-vCPU-Hours:perCPU"))["unit"] = "Seconds"


def _twice(answers: Answers) -> None:
    offer = _offer(answers, "AWSELB")
    sku = _product(offer, usagetype="LCUUsage")
    offer["products"]["OTHER"] = offer["products"][sku]
    offer["terms"]["OnDemand"]["OTHER"] = json.loads(json.dumps(offer["terms"]["OnDemand"][sku]))
    _dimension(offer, "OTHER")["pricePerUnit"]["USD"] = "0.009"


def _no_offer(answers: Answers) -> None:
    answers["/offers/v1.0/aws/AWSELB/current/us-east-1/index.json"] = {"message": "Forbidden"}


def _half(answers: Answers) -> None:
    path = "/offers/v1.0/aws/AmazonRDS/current/us-east-1/index.json"
    answers[path] = json.dumps(answers[path])[:-500]


def _half_a_csv(answers: Answers) -> None:
    path = "/offers/v1.0/aws/AmazonEC2/current/us-east-1/index.csv"
    answers[path] = answers[path][:-20]


def _in_yuan(answers: Answers) -> None:
    offer = _offer(answers, "AWSELB")
    _dimension(offer, _product(offer, usagetype="LCUUsage"))["pricePerUnit"] = {"CNY": "0.05"}


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (_without_a_price, "alb/capacity/lcu is missing in the list of AWSELB: the answer is half"),
        (_other_unit, "fargate/amd64/vcpu: AmazonECS .* is listed by 'Seconds', expected was hours"),
        (_twice, "alb/capacity/lcu has 2 different prices in the list of AWSELB"),
        (_no_offer, "AWSELB: the answer is no offer file"),
        (_half, r"AmazonRDS/current/us-east-1/index\.json breaks off or is no JSON"),
        (_half_a_csv, "AmazonEC2: the offer file breaks off"),
        (_in_yuan, "is no price in USD"),
    ],
)
def test_an_answer_that_is_half_or_not_understood_is_refused(break_it: Callable[[Answers], None], said: str) -> None:
    answers = _aws_answers()
    break_it(answers)

    with pytest.raises((RefreshRefused, PriceSourceUnavailable), match=said):
        _refreshed("aws", answers, "us-east-1")


def test_a_region_that_there_is_not_and_a_wrong_key_are_named() -> None:
    with pytest.raises(PriceSourceUnavailable, match="answers 404: is there such a region"):
        _refreshed("aws", _aws_answers(), "mars-north-1")
    with pytest.raises(PriceSourceUnavailable, match="set GOOGLE_BILLING_API_KEY"):
        refresh("gcp", "us-central1", sources=Sources(), today=TODAY)
    with (
        _served(_google_answers()) as url,
        pytest.raises(PriceSourceUnavailable, match="answers 403: is the key right"),
    ):
        refresh("gcp", "us-central1", sources=Sources(google_url=url, google_key="other"), today=TODAY)
    with pytest.raises(RefreshRefused, match="is missing in the list of"):
        _refreshed("gcp", _google_answers("europe-west3"), "us-central1")
