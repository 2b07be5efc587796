"""Who may use which route: one row a route, and a route without a row does not start.

Tenant users by role, API keys and foreign tokens by scope, installation users by role. An installation role in a row
of a tenant's route reads with `?tenantId=`; writing there is the operator's alone, with a reason (identity/scope.py).
"""

import re
from dataclasses import dataclass, field, replace

from core.identity.access import (
    BILLING_READ,
    BILLING_WRITE,
    DEVELOPER,
    FINANCE,
    INSTALLATION_FINANCE,
    KEYS_WRITE,
    LEDGER_READ,
    OPERATOR,
    OWNER,
    PURCHASES_READ,
    PURCHASES_WRITE,
    READ_ONLY,
    USAGE_READ,
    USAGE_WRITE,
    Principal,
)

ANY_SCOPE = "*"
_PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may: roles of tenants, roles of the installation, and the scope of keys (None: no key)."""

    roles: frozenset[str] = field(default_factory=frozenset[str])
    installation: frozenset[str] = field(default_factory=frozenset[str])
    scope: str | None = None
    signed_out: bool = False
    customers: bool = False
    """Whether a customer with a foreign token may: only where the route keeps to that customer."""

    def allows(self, principal: Principal) -> bool:
        """Whether this caller may use the route."""
        if self.signed_out:
            return True
        if principal.kind == "foreign" and not self.customers:
            return False
        if principal.scopes is not None:
            return self.scope == ANY_SCOPE or self.scope in principal.scopes
        if principal.installation_role is not None:
            return principal.installation_role in self.installation
        return principal.role in self.roles


def _rule(*roles: str, installation: tuple[str, ...] = (), scope: str | None = None) -> Rule:
    return Rule(frozenset(roles), frozenset(installation), scope)


ANYONE = Rule(signed_out=True)
BOTH = (OPERATOR, INSTALLATION_FINANCE)
SIGNED_IN = _rule(OWNER, FINANCE, DEVELOPER, READ_ONLY, installation=BOTH)
OWNERS = _rule(OWNER, installation=(OPERATOR,))
KEYS = _rule(OWNER, DEVELOPER, installation=(OPERATOR,), scope=KEYS_WRITE)
PROGRAMS = _rule(OWNER, DEVELOPER, installation=(OPERATOR,), scope=BILLING_WRITE)
"""Who sees to the tenant's programs."""
MEMBERS = _rule(OWNER, FINANCE, DEVELOPER, READ_ONLY, installation=BOTH)
INSTALLATION = _rule(installation=BOTH)
OPERATORS = _rule(installation=(OPERATOR,))


def reads(scope: str) -> Rule:
    """Every role of the tenant and of the installation, and keys of that scope."""
    return _rule(OWNER, FINANCE, DEVELOPER, READ_ONLY, installation=BOTH, scope=scope)


def pays(scope: str) -> Rule:
    """Who may spend the tenant's money at the payment provider, or change what it pays for."""
    return _rule(OWNER, FINANCE, installation=(OPERATOR,), scope=scope)


def uses(scope: str) -> Rule:
    """Who may spend credits by using something."""
    return _rule(OWNER, DEVELOPER, installation=(OPERATOR,), scope=scope)


def by_customers(rule: Rule) -> Rule:
    """The same, and customers with their own tokens: the route keeps to what is theirs."""
    return replace(rule, customers=True)


ACCESS: dict[tuple[str, str], Rule] = {
    # Health, documents
    ("GET", "/health"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/metrics"): ANYONE,
    ("GET", "/auth/health"): ANYONE,
    ("GET", "/billing/health"): ANYONE,
    ("GET", "/payment/health"): ANYONE,
    ("GET", "/notification/health"): ANYONE,
    ("GET", "/api/v1/actuator/health"): ANYONE,
    ("GET", "/api/v1/actuator/health/liveness"): ANYONE,
    ("GET", "/api/v1/actuator/health/readiness"): ANYONE,
    ("GET", "/.well-known/jwks.json"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/docs"): ANYONE,
    # Identity
    ("POST", "/auth/register"): ANYONE,
    ("POST", "/auth/login"): ANYONE,
    ("POST", "/auth/refresh"): ANYONE,
    ("POST", "/auth/logout"): ANYONE,
    ("POST", "/auth/password"): SIGNED_IN,
    ("GET", "/auth/providers"): ANYONE,
    ("GET", "/auth/{provider}/start"): ANYONE,
    ("GET", "/auth/{provider}/callback"): ANYONE,
    ("GET", "/auth/identities"): SIGNED_IN,
    ("POST", "/auth/identities"): SIGNED_IN,
    ("DELETE", "/auth/identities/{provider}"): SIGNED_IN,
    ("GET", "/auth/me"): Rule(MEMBERS.roles, MEMBERS.installation, scope=ANY_SCOPE, customers=True),
    ("POST", "/auth/invitations"): OWNERS,
    ("GET", "/auth/invitations"): OWNERS,
    ("POST", "/auth/invitations/{invitation_id}/resend"): OWNERS,
    ("DELETE", "/auth/invitations/{invitation_id}"): OWNERS,
    ("POST", "/auth/api-keys"): KEYS,
    ("GET", "/auth/api-keys"): KEYS,
    ("DELETE", "/auth/api-keys/{api_key_id}"): KEYS,
    ("GET", "/auth/members"): MEMBERS,
    ("PATCH", "/auth/members/{user_id}"): OWNERS,
    ("DELETE", "/auth/members/{user_id}"): OWNERS,
    # Catalogue and subscriptions
    ("GET", "/billing/packages"): reads(BILLING_READ),
    ("POST", "/billing/packages"): pays(BILLING_WRITE),
    ("GET", "/billing/plans"): reads(BILLING_READ),
    ("POST", "/billing/plans"): pays(BILLING_WRITE),
    ("GET", "/billing/plans/{plan}"): reads(BILLING_READ),
    ("PATCH", "/billing/plans/{plan}"): pays(BILLING_WRITE),
    ("DELETE", "/billing/plans/{plan}"): pays(BILLING_WRITE),
    ("POST", "/billing/plans/{plan}/versions"): pays(BILLING_WRITE),
    ("GET", "/billing/plans/{plan}/versions"): reads(BILLING_READ),
    ("POST", "/billing/plans/{plan}/quote"): reads(BILLING_READ),
    ("POST", "/billing/products"): pays(BILLING_WRITE),
    ("GET", "/billing/products"): reads(BILLING_READ),
    ("GET", "/billing/products/{product}"): reads(BILLING_READ),
    ("PATCH", "/billing/products/{product}"): pays(BILLING_WRITE),
    ("DELETE", "/billing/products/{product}"): pays(BILLING_WRITE),
    ("POST", "/billing/coupons"): pays(BILLING_WRITE),
    ("GET", "/billing/coupons"): reads(BILLING_READ),
    ("GET", "/billing/coupons/{coupon}"): reads(BILLING_READ),
    ("PATCH", "/billing/coupons/{coupon}"): pays(BILLING_WRITE),
    ("DELETE", "/billing/coupons/{coupon}"): pays(BILLING_WRITE),
    ("GET", "/billing/price-books"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions"): pays(BILLING_WRITE),
    ("GET", "/billing/subscriptions"): reads(BILLING_READ),
    ("GET", "/billing/subscriptions/{subscription_id}"): reads(BILLING_READ),
    ("GET", "/billing/subscriptions/{subscription_id}/changes"): reads(BILLING_READ),
    ("GET", "/billing/subscriptions/{subscription_id}/items"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions/{subscription_id}/change"): pays(BILLING_WRITE),
    ("DELETE", "/billing/subscriptions/{subscription_id}/change"): pays(BILLING_WRITE),
    ("POST", "/billing/subscriptions/{subscription_id}/cancel"): pays(BILLING_WRITE),
    ("DELETE", "/billing/subscriptions/{subscription_id}/cancel"): pays(BILLING_WRITE),
    ("POST", "/billing/subscriptions/{subscription_id}/pause"): pays(BILLING_WRITE),
    ("POST", "/billing/subscriptions/{subscription_id}/resume"): pays(BILLING_WRITE),
    ("POST", "/billing/subscriptions/{subscription_id}/coupons"): pays(BILLING_WRITE),
    ("DELETE", "/billing/subscriptions/{subscription_id}/coupons/{coupon}"): pays(BILLING_WRITE),
    ("POST", "/billing/subscriptions/{subscription_id}/release"): pays(BILLING_WRITE),
    # Customers, and the tenant as it stands on its invoices
    ("POST", "/billing/customers"): pays(BILLING_WRITE),
    ("GET", "/billing/customers"): reads(BILLING_READ),
    ("GET", "/billing/customers/{customer_id}"): reads(BILLING_READ),
    ("PATCH", "/billing/customers/{customer_id}"): pays(BILLING_WRITE),
    ("POST", "/billing/tax-rates"): pays(BILLING_WRITE),
    ("DELETE", "/billing/tax-rates/{tax_rate_id}"): pays(BILLING_WRITE),
    ("GET", "/billing/tax-rates"): reads(BILLING_READ),
    ("GET", "/billing/settings/invoices"): reads(BILLING_READ),
    ("PUT", "/billing/settings/invoices"): pays(BILLING_WRITE),
    # Records: who did what, and a person's rights
    ("GET", "/billing/audit"): _rule(OWNER, FINANCE, installation=BOTH),
    ("GET", "/billing/customers/{customer_id}/export"): _rule(OWNER, FINANCE, installation=BOTH),
    ("DELETE", "/billing/customers/{customer_id}"): OWNERS,
    ("POST", "/billing/customers/{customer_id}/erasure"): OWNERS,
    ("GET", "/billing/settings/retention"): reads(BILLING_READ),
    ("PUT", "/billing/settings/retention"): OWNERS,
    ("GET", "/operations/audit"): INSTALLATION,
    ("POST", "/operations/users/{user_id}/erasure"): OPERATORS,
    # Invoices
    ("GET", "/billing/subscriptions/{subscription_id}/upcoming-invoice"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions/{subscription_id}/change/preview"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions/{subscription_id}/cancel/preview"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions/{subscription_id}/pause/preview"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions/{subscription_id}/resume/preview"): reads(BILLING_READ),
    ("POST", "/billing/subscriptions/preview"): reads(BILLING_READ),
    ("GET", "/billing/invoices"): reads(BILLING_READ),
    ("POST", "/billing/invoices"): pays(BILLING_WRITE),
    ("GET", "/billing/invoices/items"): reads(BILLING_READ),
    ("POST", "/billing/invoices/items"): pays(BILLING_WRITE),
    ("DELETE", "/billing/invoices/items/{item_id}"): pays(BILLING_WRITE),
    ("GET", "/billing/invoices/{invoice_id}"): reads(BILLING_READ),
    ("GET", "/billing/invoices/{invoice_id}/lines"): reads(BILLING_READ),
    ("POST", "/billing/invoices/{invoice_id}/lines"): pays(BILLING_WRITE),
    ("DELETE", "/billing/invoices/{invoice_id}/lines/{item_id}"): pays(BILLING_WRITE),
    ("GET", "/billing/invoices/{invoice_id}/pdf"): reads(BILLING_READ),
    ("GET", "/billing/invoices/{invoice_id}/xml"): reads(BILLING_READ),
    ("GET", "/billing/invoices/{invoice_id}/corrections"): reads(BILLING_READ),
    ("GET", "/billing/invoices/{invoice_id}/recomputation"): reads(BILLING_READ),
    ("POST", "/billing/invoices/{invoice_id}/finalize"): pays(BILLING_WRITE),
    ("POST", "/billing/invoices/{invoice_id}/void"): pays(BILLING_WRITE),
    ("POST", "/billing/invoices/{invoice_id}/uncollectible"): pays(BILLING_WRITE),
    ("POST", "/billing/invoices/{invoice_id}/credit-notes"): pays(BILLING_WRITE),
    ("GET", "/billing/credit-notes"): reads(BILLING_READ),
    ("GET", "/billing/credit-notes/{credit_note_id}"): reads(BILLING_READ),
    ("GET", "/billing/credit-notes/{credit_note_id}/pdf"): reads(BILLING_READ),
    ("GET", "/billing/credit-notes/{credit_note_id}/xml"): reads(BILLING_READ),
    ("GET", "/billing/parked-customers"): reads(BILLING_READ),
    ("GET", "/billing/skipped-numbers"): reads(BILLING_READ),
    ("POST", "/billing/parked-customers/{customer_id}/replay"): pays(BILLING_WRITE),
    **{
        ("GET", f"/billing/reports/{report}{part}"): reads(BILLING_READ)
        for report in ("mrr", "revenue", "ageing", "credits", "usage", "tax")
        for part in ("", "/rows", "/csv")
    },
    ("GET", "/billing/settings/invoicing"): reads(BILLING_READ),
    ("PUT", "/billing/settings/invoicing"): pays(BILLING_WRITE),
    ("GET", "/operations/invoices/recomputation"): INSTALLATION,
    # Wallets, settings, clock
    ("GET", "/billing/wallets"): reads(BILLING_READ),
    ("GET", "/billing/wallets/{customer_id}"): reads(BILLING_READ),
    ("GET", "/billing/settings"): reads(BILLING_READ),
    ("PATCH", "/billing/settings"): pays(BILLING_WRITE),
    ("GET", "/billing/test-clock"): reads(BILLING_READ),
    ("POST", "/billing/test-clock"): _rule(OWNER, DEVELOPER, installation=(OPERATOR,), scope=BILLING_WRITE),
    # Purchases
    ("POST", "/api/purchases"): pays(PURCHASES_WRITE),
    ("GET", "/api/purchases"): reads(PURCHASES_READ),
    ("GET", "/api/purchases/{purchase_id}"): reads(PURCHASES_READ),
    ("POST", "/api/purchases/{purchase_id}/sync"): pays(PURCHASES_WRITE),
    ("POST", "/api/purchases/{purchase_id}/refunds"): pays(PURCHASES_WRITE),
    # Watched wallets
    ("GET", "/billing/wallets/{customer_id}/watch"): reads(BILLING_READ),
    ("PUT", "/billing/wallets/{customer_id}/watch"): pays(BILLING_WRITE),
    # Credits with terms
    ("POST", "/billing/credits/grants"): pays(BILLING_WRITE),
    ("GET", "/billing/credits/{customer_id}"): reads(BILLING_READ),
    # Saved cards
    ("POST", "/billing/payment-methods/setups"): pays(BILLING_WRITE),
    ("GET", "/billing/payment-methods/setups/{setup_id}"): reads(BILLING_READ),
    ("POST", "/billing/payment-methods/setups/{setup_id}/sync"): pays(BILLING_WRITE),
    ("GET", "/billing/payment-methods"): reads(BILLING_READ),
    ("PATCH", "/billing/payment-methods/{payment_method_id}"): pays(BILLING_WRITE),
    ("DELETE", "/billing/payment-methods/{payment_method_id}"): pays(BILLING_WRITE),
    # Invoices being paid
    ("POST", "/billing/invoices/{invoice_id}/pay"): pays(BILLING_WRITE),
    ("GET", "/billing/payments"): reads(BILLING_READ),
    ("GET", "/billing/invoices/{invoice_id}/payments"): reads(BILLING_READ),
    ("POST", "/billing/invoices/{invoice_id}/payments"): pays(BILLING_WRITE),
    ("POST", "/billing/invoices/{invoice_id}/payments/{payment_id}/take-back"): pays(BILLING_WRITE),
    ("POST", "/billing/invoices/{invoice_id}/refunds/{refund_id}/retry"): pays(BILLING_WRITE),
    ("POST", "/billing/invoices/{invoice_id}/payment-link"): pays(BILLING_WRITE),
    ("GET", "/billing/settings/dunning"): reads(BILLING_READ),
    ("PUT", "/billing/settings/dunning"): pays(BILLING_WRITE),
    ("GET", "/billing/collections"): reads(BILLING_READ),
    ("GET", "/payment/pay/{token}"): ANYONE,
    ("POST", "/payment/pay/{token}/confirm"): ANYONE,
    ("POST", "/payment/pay/{token}/card"): ANYONE,
    ("GET", "/payment/pay/{token}/page"): ANYONE,
    ("POST", "/payment/pay/{token}/page"): ANYONE,
    # Ledger
    ("GET", "/api/ledger"): reads(LEDGER_READ),
    ("GET", "/api/ledger/verification"): reads(LEDGER_READ),
    # Usage
    ("POST", "/api/usage/holds"): by_customers(uses(USAGE_WRITE)),
    ("GET", "/api/usage/holds"): reads(USAGE_READ),
    ("GET", "/api/usage/holds/{hold_id}"): by_customers(reads(USAGE_READ)),
    ("DELETE", "/api/usage/holds/{hold_id}"): by_customers(uses(USAGE_WRITE)),
    ("POST", "/api/usage/reconcile"): by_customers(uses(USAGE_WRITE)),
    ("GET", "/api/usage/events"): by_customers(reads(USAGE_READ)),
    ("GET", "/api/usage/events/{usage_event_id}"): by_customers(reads(USAGE_READ)),
    ("GET", "/api/usage/summary"): reads(USAGE_READ),
    # Metering
    ("POST", "/billing/meters"): pays(BILLING_WRITE),
    ("GET", "/billing/meters"): reads(BILLING_READ),
    ("GET", "/billing/meters/{meter_id}"): reads(BILLING_READ),
    ("PATCH", "/billing/meters/{meter_id}"): pays(BILLING_WRITE),
    ("DELETE", "/billing/meters/{meter_id}"): pays(BILLING_WRITE),
    ("POST", "/billing/meters/{meter_id}/archive"): pays(BILLING_WRITE),
    ("POST", "/billing/usage/events"): uses(USAGE_WRITE),
    ("GET", "/billing/usage/events"): reads(USAGE_READ),
    ("GET", "/billing/usage/events/{metered_event_id}"): reads(USAGE_READ),
    ("POST", "/billing/usage/events/{metered_event_id}/amendments"): pays(BILLING_WRITE),
    ("POST", "/billing/usage/backfills"): pays(BILLING_WRITE),
    ("GET", "/billing/usage/backfills"): reads(USAGE_READ),
    ("GET", "/billing/usage/backfills/{backfill_id}"): reads(USAGE_READ),
    ("POST", "/billing/usage/backfills/{backfill_id}/revert"): pays(BILLING_WRITE),
    ("GET", "/billing/usage"): reads(USAGE_READ),
    ("GET", "/billing/usage/customers"): reads(USAGE_READ),
    # Telling people and programs
    ("GET", "/notification/messages"): reads(BILLING_READ),
    ("GET", "/notification/messages/{message_id}"): reads(BILLING_READ),
    ("POST", "/notification/messages/{message_id}/resend"): pays(BILLING_WRITE),
    ("GET", "/notification/templates"): reads(BILLING_READ),
    ("PUT", "/notification/templates"): pays(BILLING_WRITE),
    ("POST", "/notification/templates/preview"): reads(BILLING_READ),
    ("GET", "/notification/settings"): reads(BILLING_READ),
    ("PUT", "/notification/settings"): pays(BILLING_WRITE),
    ("GET", "/notification/opt-outs/{customer_id}"): reads(BILLING_READ),
    ("PUT", "/notification/opt-outs/{customer_id}"): pays(BILLING_WRITE),
    # By a link that we sealed
    ("GET", "/notification/unsubscribe"): ANYONE,
    ("POST", "/notification/unsubscribe"): ANYONE,
    ("POST", "/notification/webhooks"): PROGRAMS,
    ("GET", "/notification/webhooks"): reads(BILLING_READ),
    ("GET", "/notification/webhooks/{webhook_id}"): reads(BILLING_READ),
    ("PATCH", "/notification/webhooks/{webhook_id}"): PROGRAMS,
    ("DELETE", "/notification/webhooks/{webhook_id}"): PROGRAMS,
    ("POST", "/notification/webhooks/{webhook_id}/secret"): PROGRAMS,
    ("POST", "/notification/webhooks/{webhook_id}/test"): PROGRAMS,
    ("POST", "/notification/webhooks/{webhook_id}/replay"): PROGRAMS,
    ("GET", "/notification/deliveries"): reads(BILLING_READ),
    ("GET", "/notification/deliveries/{delivery_id}"): reads(BILLING_READ),
    ("POST", "/notification/deliveries/{delivery_id}/replay"): PROGRAMS,
    # Webhooks
    ("POST", "/webhooks/stripe"): ANYONE,
    ("GET", "/payment/webhook-events"): INSTALLATION,
    ("POST", "/payment/webhook-events/{event_id}/replay"): OPERATORS,
    ("GET", "/payment/reconciliation"): INSTALLATION,
    ("POST", "/payment/reconciliation/acknowledgements"): OPERATORS,
    ("DELETE", "/payment/reconciliation/acknowledgements/{kind}/{provider_id}"): OPERATORS,
    # Operations
    ("GET", "/operations/overview"): INSTALLATION,
    ("GET", "/operations/tenants"): INSTALLATION,
    ("GET", "/operations/tenants/{tenant_id}"): INSTALLATION,
    ("GET", "/operations/jobs"): INSTALLATION,
    ("POST", "/operations/jobs/{job_id}/replay"): OPERATORS,
    ("POST", "/operations/deployments"): OPERATORS,
    ("GET", "/operations/deployments"): INSTALLATION,
    ("GET", "/operations/deployments/{deployment_id}"): INSTALLATION,
    ("PATCH", "/operations/deployments/{deployment_id}"): OPERATORS,
    ("GET", "/operations/deployments/{deployment_id}/changes"): INSTALLATION,
    ("GET", "/operations/costs"): INSTALLATION,
    ("GET", "/operations/costs/usage"): INSTALLATION,
    ("POST", "/operations/costs"): INSTALLATION,
    ("GET", "/operations/costs/compare"): INSTALLATION,
    ("GET", "/operations/costs/{stack}"): INSTALLATION,
    ("POST", "/operations/costs/{stack}/estimate"): INSTALLATION,
    ("GET", "/operations/costs/{stack}/savings"): INSTALLATION,
    ("GET", "/operations/costs/{stack}/actual"): INSTALLATION,
    ("POST", "/operations/costs/{stack}/actual"): OPERATORS,
    # Finance reads whether what it answers for could be had again; what takes room or lets money move, it does not
    # start.
    ("GET", "/operations/backups"): INSTALLATION,
    ("POST", "/operations/backups"): OPERATORS,
    ("GET", "/operations/recovery"): INSTALLATION,
    ("POST", "/operations/recovery/release"): OPERATORS,
    ("GET", "/operations/drills"): INSTALLATION,
    ("POST", "/operations/drills"): OPERATORS,
    ("GET", "/operations/drills/{drill_id}"): INSTALLATION,
    # Signed, or with a secret of its own
    ("POST", "/operations/alerts"): ANYONE,
    ("GET", "/operations/alerts"): INSTALLATION,
    ("GET", "/operations/alerts/rules"): INSTALLATION,
    ("GET", "/operations/runbooks/{runbook}"): INSTALLATION,
}


def find_rule(method: str, path: str) -> Rule | None:
    """The row of a route; what a path's parameters are called does not matter."""
    return _BY_SHAPE.get((method, _shape(path)))


def _shape(path: str) -> str:
    return _PARAMETER.sub("{}", path)


_BY_SHAPE = {(method, _shape(path)): rule for (method, path), rule in ACCESS.items()}
