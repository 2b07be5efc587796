"""A small stateful server of the part of Stripe's API that we use, for demos and tests: no network, no real card.

It speaks form-encoded requests with brackets, Stripe's objects, errors, status codes, idempotency and signed webhooks;
keys may be any `sk_test_...` or `pk_test_...`. What it does not know it refuses, it never guesses. State is one SQLite
file, so a restart loses nothing. One process, one account, no access control beyond the loopback address: never expose
it. `controls.py` tells how webhooks are delayed, repeated, reordered and dropped, and how disputes are made.

parameters   form bodies with brackets, checked against what an endpoint takes
errors       Stripe's error bodies
store        the SQLite file          objects      Stripe's objects, built whole      cards   test cards, what each does
simulation   one request's view of it: load, save, emit events
payments, checkout, refunds, disputes, accounts, endpoints   what each call does
routes       which path is which call             requests   keys, idempotency, answers
webhooks     signed deliveries, retries           controls   the buttons that Stripe does not have
pages        Checkout and bank confirmation       main       starts and stops it
"""
