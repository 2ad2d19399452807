"""Telemetry: what the gateway tells its operator.

    log.info("login.wrong_otp", attempts_left=4)          in any module; written out where it happens
         │
         ▼  structlog processors, configured once by log_setup.configure()
    context of the request → level → time → EventWebhook → one line of JSON, or a readable one on a terminal
                                                 │
                                                 ▼  only the events in URGENT_EVENTS; queued, signed, tried four times
                                            POST to the operator's own service

An event is a name and fields: never a sentence, and never a secret. Nothing here can delay a request: the queue is
bounded, and an event that can't be posted is dropped, which is an event of its own (`webhook.dropped`).

    log_setup      configures the log of the process, and silences the logs of libraries
    durations      how long a request took, and Drupal within it, for the event of its outcome
    event_webhook  posts urgent events (the webhook that carries messages is delivery/channels/webhook.py)
"""
