"""A tenant that has sold for three months: two customers, six invoices, an endpoint."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.browser.conftest import Installation


class Books:
    """A tenant with two customers, three months of invoices and an endpoint, made once for all of these stories."""

    def __init__(self, installation: "Installation") -> None:
        self.installation = installation
        self.owner = installation.sign_up("Closes Months", testTenant=True)
        self.address = f"/tenants/{self.owner.tenant}"
        now = datetime.fromisoformat(self.api("GET", "/billing/test-clock")["now"])
        begin = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        self.api("POST", "/billing/test-clock", json={"now": begin.isoformat()})
        price = {"model": "per_unit", "unitPrice": "10"}
        prices = [{"currency": "USD", "components": [{"code": "seats", "name": "Seats", "price": price}]}]
        self.api("POST", "/billing/plans", json={"code": "team", "name": "Team", "cycle": "calendar", "prices": prices})
        for name in ("Globex", "Initech"):
            body = {"name": name, "externalId": name.lower(), "email": f"books@{name.lower()}.test"}
            customer = self.api("POST", "/billing/customers", json=body)["customerId"]
            wanted = {"planId": "team", "customerId": customer, "collection": "send_invoice"}
            self.api("POST", "/billing/subscriptions", json=wanted)
        body = {"url": "https://93.184.215.14/hooks", "description": "Bookkeeping", "kinds": ["invoice.paid"]}
        self.api("POST", "/notification/webhooks", json=body)
        self.api("POST", "/billing/test-clock", json={"now": (begin + timedelta(days=70)).isoformat()})
        self.month = f"{begin:%Y-%m}"

    def api(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self.installation.as_person(self.owner, method, path, **request)
        assert answer.is_success, answer.text
        return answer.json()

    def first(self, path: str) -> dict[str, Any]:
        """The newest of a list."""
        return self.api("GET", path)["data"][0]
