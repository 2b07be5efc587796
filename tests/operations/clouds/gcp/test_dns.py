"""Cloud DNS: a name is pointed elsewhere in one change, once, and not over somebody else's."""

from typing import Any

import pytest

from core.operations.clouds.base import Place, dns_of
from core.operations.clouds.dns_gcp import GcpDns
from core.operations.clouds.errors import CloudRefused
from tests.support.google import Broken, Call, Google, Refused
from tests.support.google_metrics import Metrics

CREATE = "dns.changes.create"
HOST = "api.bill.example.com"


class Zones:
    """Two zones, the smaller within the larger, and their records."""

    def __init__(self, google: Google) -> None:
        self.records: list[dict[str, Any]] = [
            {"name": f"{HOST}.", "type": "A", "ttl": 300, "rrdatas": ["192.0.2.1"]},
            {"name": f"{HOST}.", "type": "TXT", "ttl": 300, "rrdatas": ['"kept"']},
        ]
        self.polls = 0
        zones = [{"name": "outer", "dnsName": "example.com."}, {"name": "inner", "dnsName": "bill.example.com."}]
        google.answers |= {
            "dns.managedZones.list": lambda _: {"managedZones": zones},
            "dns.resourceRecordSets.list": self._list,
            CREATE: self._create,
            "dns.changes.get": self._get,
        }

    def _list(self, call: Call) -> dict[str, Any]:
        assert call.path["managedZone"] == "inner"
        return {"rrsets": [one for one in self.records if one["name"] == call.query["name"]]}

    def _create(self, call: Call) -> dict[str, Any]:
        for one in call.body["deletions"]:
            if one not in self.records:
                raise Refused(412, "Precondition not met for 'entity.change.deletions[0]'", reason="conditionNotMet")
        self.records = [one for one in self.records if one not in call.body["deletions"]] + call.body["additions"]
        return {**call.body, "id": "7", "status": "pending"}

    def _get(self, call: Call) -> dict[str, Any]:
        self.polls += 1
        return {"id": call.path["changeId"], "status": "done" if self.polls > 1 else "pending"}


@pytest.fixture
def zones(google: Google, pauses: list[float]) -> Zones:
    return Zones(google)


@pytest.fixture
def names(place: Place) -> GcpDns:
    return GcpDns(place, poll_seconds=0)


def addresses(zones: Zones) -> list[tuple[str, int, list[str]]]:
    return [(one["type"], one["ttl"], one["rrdatas"]) for one in zones.records if one["type"] != "TXT"]


def test_a_name_is_pointed_elsewhere_once_and_awaited(google: Google, zones: Zones, names: GcpDns) -> None:
    assert names.leads_to(HOST) == "192.0.2.1"
    names.point(HOST, "192.0.2.9:443")
    names.point(HOST, "192.0.2.9")
    assert addresses(zones) == [("A", 300, ["192.0.2.9"])]
    assert (google.calls.count(CREATE), zones.polls) == (1, 2)
    names.point(f"{HOST}.", "standby.example.net")
    assert addresses(zones) == [("CNAME", 300, ["standby.example.net."])]
    assert (names.leads_to(HOST), names.leads_to("no.bill.example.com")) == ("standby.example.net", None)
    names.point("new.bill.example.com", "192.0.2.5")
    assert ("A", 60, ["192.0.2.5"]) in addresses(zones)
    assert {"name": f"{HOST}.", "type": "TXT", "ttl": 300, "rrdatas": ['"kept"']} in zones.records


@pytest.mark.parametrize("is_done", [True, False])
def test_a_change_whose_answer_is_lost_is_made_once(google: Google, zones: Zones, names: GcpDns, is_done: bool) -> None:
    google.fail(CREATE, Broken("cut"), is_done=is_done)
    names.point(HOST, "192.0.2.9")
    assert addresses(zones) == [("A", 300, ["192.0.2.9"])]
    assert google.changes.count(CREATE) == 1


def test_a_record_that_was_changed_in_between_is_read_again(google: Google, zones: Zones, names: GcpDns) -> None:
    usual = google.answers["dns.resourceRecordSets.list"]
    stale = usual(Call("", {"managedZone": "inner"}, {"name": f"{HOST}."}, {}))
    zones.records[0] = {**zones.records[0], "rrdatas": ["192.0.2.2"]}
    reads: list[Call] = []

    def read(call: Call) -> dict[str, Any]:
        reads.append(call)
        return stale if len(reads) == 1 else usual(call)

    google.answers["dns.resourceRecordSets.list"] = read
    names.point(HOST, "192.0.2.9")
    assert (google.calls.count(CREATE), addresses(zones)) == (2, [("A", 300, ["192.0.2.9"])])


def test_what_cannot_be_pointed_is_refused_and_said(google: Google, zones: Zones, names: GcpDns) -> None:
    with pytest.raises(CloudRefused, match=r"has no DNS zone for api\.elsewhere\.org"):
        names.point("api.elsewhere.org", "192.0.2.9")
    google.fail(CREATE, Refused(403, "Forbidden"))
    with pytest.raises(CloudRefused, match=r"may not dns\.changes\.create and dns\.resourceRecordSets\.create"):
        names.point(HOST, "192.0.2.9")
    zones.records[0]["routingPolicy"] = {"wrr": {"items": []}}
    with pytest.raises(CloudRefused, match="routing policy"):
        names.point(HOST, "192.0.2.9")


def test_health_is_what_the_uptime_checks_saw_last(google: Google, zones: Zones, place: Place) -> None:
    metrics, names = Metrics(google), dns_of(place)
    assert names.health(HOST) is None
    check = "monitoring.googleapis.com/uptime_check/check_passed"
    metrics.add(check, 0, host=HOST)
    assert names.health(HOST) is False
    metrics.add(check, 1, host=HOST)
    assert names.health(f"{HOST}.") is True
