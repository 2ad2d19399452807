"""Delivery: how a code or a notice reaches a person.

    login, enrolment ── put ──► outbox ── claim ──► courier ── text ──► channel ──► mail server, provider ──► person
                               (in the store)          │
                                                       ├─ Delayed: rest, then another try, until the deadline
                                                       ├─ sent ────────────────────────────────► finish "sent"
                                                       └─ Undeliverable, TooLate, deadline ────► finish "failed"
                                                              └─► fallback: the same code by another method

Every process of the gateway runs one courier. A message that a courier holds is reported to the store again and again.
When a courier dies, the reports stop, and the store gives its messages to another courier. `/status` reads the outcome
from the store.

A message in the outbox holds no code. The code is made from the transaction at the last moment, when the peer has
already accepted the recipient, so no code is sent for a login that is over.

    courier    claims, holds and finishes messages       notices    puts a notice into the outbox
    attempts   one message: its tries and its outcome    addresses  one mail address, or none
    writer     the text of a message, when it is sent    numbers    one telephone number, or none
    backoff    the pause before another try              channels/  one file for each kind of channel
"""
