"""A request's way through the proxy: everything outside `/headless`, to Drupal and back.

    connection    parsed once, by web.http.connections
      │
    proxy         refuses what Drupal could read differently (forwarding.refusal), and foreign host names
      │
    forwarding    the headers that go on: without hop-by-hop headers, and without those that are ours alone
      │
    gate.admit    may change them, or answer in Drupal's place
      │
    Upstream      to Drupal, over connections of its own (gateway.interfaces.upstream is its promise)
      │
    gate.judge    which of the answer's headers leave, or another answer in its place
      │
    forwarding    the answer's headers that go on, and its framing
      │
    answers       writes the head and the pieces as they come; tunnel: the bytes after a 101

`pages` answers while Drupal is away. Bodies pass in pieces and are never kept.
"""
