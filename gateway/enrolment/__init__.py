"""A user's own factors: adding and removing an authenticator app, and making recovery codes.

    login with a code ──► manageToken (login/manage_token.py, ten minutes)

    nothing enrolled ── enroll ──► proposed ── confirm ──► app and ten recovery codes
          ▲                           │ ▲                     │        │
          │                           └─┘ enroll again        │        └─ recovery_codes: ten new ones
          └────────────────── remove, for a code of either ◄──┘

Every step needs the manageToken of a client that the user has just logged in with, and changes `account.Enrolment` by
a compare-and-swap. To replace what is enrolled, users must prove that they have it: by a login with the app or a
recovery code, or by a code of either in the request. So a person who reads the mailbox can replace nothing. `confirm`
and `remove` forget the remembered devices. `remove` makes all earlier tokens void. Each change is told to the user by
mail.
"""
