"""Which logins need a code, and by which methods.

    a login whose password was right
      │
      ├─ from an exempt network ────────► exempt: network
      ├─ from a remembered device ──────► exempt: remembered
      ├─ of an exempt role ─────────────► exempt: role
      ├─ policy only observes ──────────► exempt: observe
      └─ otherwise ─────────────────────► one of the methods that reach the account

If the frontend asks for a method by name, no exemption applies. A policy that only observes also exempts the logins
that it would otherwise refuse.

`rules` decides, with plain values only. `options` reads the rules from the configuration. `devices` holds the rules of
remembered devices. `check` applies all of them to one login, and keeps the devices in the enrolment.
"""
