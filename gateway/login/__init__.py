"""A login, from the password to the hand-over of Drupal's session. `flow.py` holds every step in its order.

    authenticate                 login
    check ─ describe ─ decide ─ open ──► OPEN ──────────────────► DELIVERING ──► handed over
                         │                │                          ▲   │
                         │                │ cancel, displaced,       │   │ the answer was not written
                         │                │ expired, last attempt    │   ▼
                         │                └────────► ENDED ──────────┼──► logged out at Drupal
                         └─ no code needed ──────────────────────────┘

A state is changed only by a compare-and-swap of the transaction:

    to OPEN         flow._open, after Drupal's session was parked
    in OPEN         flow.resend and fallback: the method and its messages; second_factor: the attempts
    to DELIVERING   second_factor, for the right answer
    to ENDED        second_factor (last attempt), flow.cancel, parking.end (displaced), reaper (due)

What stands where: `second_factor` checks an answer, `methods` says what can reach an account, `rules` holds the
configuration, `parking` keeps Drupal's sessions and `reaper` ends those that are due, `refusal_timing` hides why a
password was refused, `manage_token` proves a fresh second factor, and `outcome` holds what the steps return.
"""
