"""The demo: a site to try the gateway with, in one process. `headgate demo` starts it.

    browser ──▶ login page, /headless/…   the gateway, with the demo's pages on its listener (stage, pages/)
            ──▶ /mailbox                  every mail that the gateway has sent (mailbox)
            ──▶ Drupal's own pages        the simulated Drupal, on a port of its own (drupal/)

    gateway ──▶ simulated Drupal          over HTTP
            ──▶ mailbox                   over SMTP

The demo is not the product. It has known accounts with known passwords, so the production image is built without this
folder. It needs aiosmtpd, which only the extra `headgate[demo]` installs.
"""
