"""Everything that speaks HTTP to clients.

http/        connections, limits, JSON and errors: what every listener needs, whatever it serves
headless/    the API of /headless: its endpoints, its OpenAPI document, its clients
admin/       /livez and /readyz, on a listener of their own

`headless` and `admin` use `http`, never the other way round. No module here imports an adapter of Drupal, of a store or
of a channel: handlers know the flows of `login` and `enrolment`, and nothing behind them.
"""
