"""What each call takes: the part of Stripe's parameters that the simulator honours. Anything else is refused."""

from core.billing.payments.providers.simulator.parameters import (
    BOOLEAN,
    INTEGER,
    METADATA,
    TEXT,
    TEXTS,
    TIME_RANGE,
    Shape,
)

EXPAND: Shape = {"expand": TEXTS}
NOTHING: Shape = EXPAND

_PAGE: Shape = EXPAND | {"limit": INTEGER, "starting_after": TEXT, "ending_before": TEXT, "created": TIME_RANGE}
_INTENT: Shape = EXPAND | {
    "amount": INTEGER,
    "currency": TEXT,
    "customer": TEXT,
    "description": TEXT,
    "metadata": METADATA,
    "payment_method": TEXT,
    "receipt_email": TEXT,
    "setup_future_usage": TEXT,
    "statement_descriptor": TEXT,
    "statement_descriptor_suffix": TEXT,
}
_CONFIRMATION: Shape = {
    "error_on_requires_action": BOOLEAN,
    "off_session": TEXT,
    "return_url": TEXT,
    "use_stripe_sdk": BOOLEAN,
}

CREATE_INTENT: Shape = (
    _INTENT
    | _CONFIRMATION
    | {
        "allowed_payment_method_types": TEXTS,
        "automatic_payment_methods": {"enabled": BOOLEAN, "allow_redirects": TEXT},
        "capture_method": TEXT,
        "confirm": BOOLEAN,
        "confirmation_method": TEXT,
        "payment_method_types": TEXTS,
    }
)
UPDATE_INTENT: Shape = _INTENT
RETRIEVE_INTENT: Shape = EXPAND | {"client_secret": TEXT}
CONFIRM_INTENT: Shape = (
    _CONFIRMATION
    | EXPAND
    | {"client_secret": TEXT, "payment_method": TEXT, "receipt_email": TEXT, "setup_future_usage": TEXT}
)
CANCEL_INTENT: Shape = EXPAND | {"cancellation_reason": TEXT}
LIST_INTENTS: Shape = _PAGE | {"customer": TEXT}

CREATE_CHECKOUT: Shape = EXPAND | {
    "allowed_payment_method_types": TEXTS,
    "cancel_url": TEXT,
    "client_reference_id": TEXT,
    "customer": TEXT,
    "customer_email": TEXT,
    "expires_at": INTEGER,
    "line_items": [
        {
            "price_data": {
                "currency": TEXT,
                "product_data": {"name": TEXT, "description": TEXT, "metadata": METADATA},
                "unit_amount": INTEGER,
            },
            "quantity": INTEGER,
        }
    ],
    "locale": TEXT,
    "metadata": METADATA,
    "mode": TEXT,
    "payment_intent_data": {
        "description": TEXT,
        "metadata": METADATA,
        "receipt_email": TEXT,
        "setup_future_usage": TEXT,
        "statement_descriptor_suffix": TEXT,
    },
    "currency": TEXT,
    "setup_intent_data": {"description": TEXT, "metadata": METADATA},
    "submit_type": TEXT,
    "success_url": TEXT,
    "ui_mode": TEXT,
}
CREATE_SETUP: Shape = EXPAND | {
    "allowed_payment_method_types": TEXTS,
    "confirm": BOOLEAN,
    "customer": TEXT,
    "description": TEXT,
    "metadata": METADATA,
    "payment_method": TEXT,
    "return_url": TEXT,
    "usage": TEXT,
}
CONFIRM_SETUP: Shape = EXPAND | {"client_secret": TEXT, "payment_method": TEXT, "return_url": TEXT}
ATTACH: Shape = EXPAND | {"customer": TEXT}
LIST_METHODS: Shape = _PAGE | {"customer": TEXT, "type": TEXT}
CREATE_CLOCK: Shape = EXPAND | {"frozen_time": INTEGER, "name": TEXT}
ADVANCE_CLOCK: Shape = EXPAND | {"frozen_time": INTEGER}
LIST_MOVEMENTS: Shape = _PAGE | {"currency": TEXT, "payout": TEXT, "source": TEXT, "type": TEXT}
LIST_PAYOUTS: Shape = _PAGE | {"status": TEXT}
CREATE_PAYOUT: Shape = EXPAND | {"amount": INTEGER, "currency": TEXT}
LIST_CHECKOUTS: Shape = _PAGE | {"payment_intent": TEXT, "status": TEXT}

CREATE_REFUND: Shape = EXPAND | {
    "amount": INTEGER,
    "charge": TEXT,
    "metadata": METADATA,
    "payment_intent": TEXT,
    "reason": TEXT,
}
UPDATE_METADATA: Shape = EXPAND | {"metadata": METADATA}
OF_PAYMENT: Shape = _PAGE | {"charge": TEXT, "payment_intent": TEXT}
LIST_CHARGES: Shape = _PAGE | {"customer": TEXT, "payment_intent": TEXT}
UPDATE_DISPUTE: Shape = UPDATE_METADATA | {"evidence": {"uncategorized_text": TEXT}, "submit": BOOLEAN}
LIST_EVENTS: Shape = _PAGE | {"type": TEXT, "types": TEXTS}
LIST_PLAIN: Shape = _PAGE
CREATE_CUSTOMER: Shape = EXPAND | {
    "description": TEXT,
    "email": TEXT,
    "metadata": METADATA,
    "name": TEXT,
    "phone": TEXT,
    "test_clock": TEXT,
}
CREATE_ENDPOINT: Shape = EXPAND | {
    "api_version": TEXT,
    "description": TEXT,
    "enabled_events": TEXTS,
    "metadata": METADATA,
    "url": TEXT,
}
UPDATE_ENDPOINT: Shape = EXPAND | {
    "description": TEXT,
    "disabled": BOOLEAN,
    "enabled_events": TEXTS,
    "metadata": METADATA,
    "url": TEXT,
}
