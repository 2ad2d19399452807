"""The API of `/headless`.

    POST /headless/authenticate    handlers.authenticate  ─┐
                  /login           handlers.login          │
                  /resend          handlers.resend         ├─ LoginFlow
                  /status          handlers.status         │
                  /cancel          handlers.cancel         │
                  /logout          handlers.logout        ─┘
                  /totp/enroll     handlers.totp_enroll   ─┐
                  /totp/confirm    handlers.totp_confirm   ├─ EnrolmentFlow
                  /totp/remove     handlers.totp_remove    │
                  /recovery-codes  handlers.recovery_codes ┘
    GET  /headless/openapi.json    openapi, made of all of the above
                  /docs            docs_page, which shows it

A new endpoint is a handler in `handlers`, the models of its request and its answer in `bodies`, the names of its events
in `log_events`, and one line in `routes.ENDPOINTS`. Its path and its part of the OpenAPI document follow from that
line.

`clients` knows which frontend sends a request and `cors` which pages may read the answer. The handlers pass
Drupal's cookies on; the Authenticator recognises them, in `gateway.drupal.cookies`. `handing_over` writes the answer
with the session, for the code page, too.
"""
