"""A login, from the password to the hand-over of Drupal's session. `flow.py` holds every step in its order.

    authenticate   check ─► describe ─► decide ─► open
                                          │        │
                       no code is needed  │        ▼
                                          │      OPEN ───── cancelled, displaced, expired ──► ENDED
    login                                 │        │        or no attempt left                  │
                                          │        ▼                                            │
                                          │   DELIVERING ── the answer was not written ──┐      │
                                          ▼        ▼                                     ▼      ▼
                                      session handed over                          session logged out

Only these parts change the state, each by a compare-and-swap of the transaction:

    to OPEN         flow, after Drupal's session was parked
    in OPEN         second_factor: the attempts; flow.resend and fallback: the method and its messages
    to DELIVERING   second_factor, for the right answer
    to ENDED        second_factor (last attempt), flow.cancel, parking (displaced), reaper (expired)

`methods` says what can reach an account, and `rules` holds the configuration. `parking` keeps Drupal's sessions, and
`reaper` ends those that are due. `refusal_timing` and `turns` hide why a password was refused. `password_tests` counts
right passwords after which no code is sent. `manage_token` proves a fresh second factor. `outcome` holds what the steps
return.
"""
