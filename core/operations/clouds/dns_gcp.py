"""Cloud DNS: a name pointed elsewhere, and whether what it leads to answers."""

import ipaddress
from typing import Any

from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused, CloudUnreachable
from core.operations.clouds.gcp_instances import Document, needed
from core.operations.clouds.gcp_metrics import Metrics
from core.operations.clouds.google import POLL_SECONDS, asked, done, http_error, once, service, status_of

TTL_SECONDS = 60
"""Of a record that is new; one that is there keeps its own."""


class GcpDns:
    """The zones of one project."""

    def __init__(self, place: Place, *, poll_seconds: float = POLL_SECONDS) -> None:
        if place.project is None:
            raise CloudUnreachable("no project is named: `pulumi config set cloudbill:project PROJECT`")
        self._project, self._poll_seconds = place.project, poll_seconds
        self._dns = service("dns", "v1")

    def point(self, record: str, endpoint: str) -> None:
        """One change takes the old records away and adds the new one: nobody meets a name without an answer.

        Google refuses it when the old ones are no longer as they were read; then they are read again.
        """
        name, value = record.rstrip(".") + ".", _host(endpoint)
        kind = "A" if _is_address(value) else "CNAME"
        wanted: Document = {"name": name, "type": kind, "rrdatas": [value if kind == "A" else value.rstrip(".") + "."]}
        with asked(f"to point {record} to {value}"):
            zone = self._zone(name)
            for last in (False, False, True):
                old = self._records(zone, name)
                if _is_so(old, wanted):
                    return
                if any("routingPolicy" in one for one in old):
                    raise CloudRefused(f"{record} has a routing policy: it is that policy which leads elsewhere")
                try:
                    self._change(zone, old, wanted)
                except http_error() as error:
                    if last or status_of(error) not in (404, 409, 412):
                        raise
                else:
                    return

    def _change(self, zone: str, old: list[Document], wanted: Document) -> None:
        ttl = int(old[0].get("ttl", TTL_SECONDS)) if old else TTL_SECONDS
        body: Document = {
            "additions": [{**wanted, "ttl": ttl}],
            "deletions": [{part: one[part] for part in ("name", "type", "ttl", "rrdatas")} for one in old],
        }
        request = self._dns.changes().create(project=self._project, managedZone=zone, body=body)
        name = str(wanted["name"])
        so = {"status": "done"}
        change = once(request, made=lambda: so if _is_so(self._records(zone, name), wanted) else None)
        if change.get("status") != "done":
            number = needed(change, "id", "change")
            done(
                lambda: self._dns.changes().get(project=self._project, managedZone=zone, changeId=number).execute(),
                finished=lambda seen: seen.get("status") == "done",
                every=self._poll_seconds,
                what=f"the change of {name}",
            )

    def leads_to(self, record: str) -> str | None:
        """Its first answer."""
        name = record.rstrip(".") + "."
        with asked(f"where {record} leads to"):
            there = self._records(self._zone(name), name)
        answers = [str(value) for one in there for value in one.get("rrdatas", [])]
        return answers[0].rstrip(".") if answers else None

    def health(self, record: str) -> bool | None:
        """As the uptime check of that host saw it last; None where there is no check. Cloud DNS itself checks nothing
        behind a public record (infra/gcp/uptime.py makes the checks).
        """
        with asked(f"how {record} does"):
            passed = Metrics(self._project).newest(
                "monitoring.googleapis.com/uptime_check/check_passed", {"host": record.rstrip(".")}
            )
            return None if passed is None else passed.value > 0

    def _zone(self, name: str) -> str:
        """The zone that is closest to the name."""
        found: list[tuple[int, str]] = []
        request = self._dns.managedZones().list(project=self._project)
        while request is not None:
            page: Document = request.execute()
            for zone in page.get("managedZones", []):
                suffix = str(needed(zone, "dnsName", "zone"))
                if f".{name}".endswith(f".{suffix}"):
                    found.append((len(suffix), str(needed(zone, "name", "zone"))))
            request = self._dns.managedZones().list_next(request, page)
        if not found:
            raise CloudRefused(f"{self._project} has no DNS zone for {name}: is the domain's zone kept elsewhere?")
        return max(found)[1]

    def _records(self, zone: str, name: str) -> list[Document]:
        found: list[Document] = []
        request: Any = self._dns.resourceRecordSets().list(project=self._project, managedZone=zone, name=name)
        while request is not None:
            page: Document = request.execute()
            found += [one for one in page.get("rrsets", []) if one.get("type") in ("A", "AAAA", "CNAME")]
            request = self._dns.resourceRecordSets().list_next(request, page)
        return found


def _is_so(records: list[Document], wanted: Document) -> bool:
    return [{part: one.get(part) for part in wanted} for one in records] == [wanted]


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0] if endpoint.rpartition(":")[2].isdigit() else endpoint


def _is_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 4
    except ValueError:
        return False
