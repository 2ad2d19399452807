"""A request's way through the process, whatever is served.

    socket
      │
    connections   counts the connection (connection_limit), bounds its bytes, requests and time; answers what is no
      │             HTTP (server makes the connections of an application)
    middleware    gives the request its id, its language and the address of its client (client_ip)
      │
    handler       reads the body (json_body), does its work, answers or raises a GatewayError
      │
    middleware    turns an error into its answer (statuses, responses), logs one event (endpoint_events)
      │
    connections   turns aiohttp's own error pages into our JSON, and adds the request's id

`visitors` reads who visits, `app_keys` has what middleware and handlers read from their application, and `running` the
work that a shutdown waits for. An error becomes a status in one place, `statuses`. An error without a status of its own
has that of its nearest parent.
"""
