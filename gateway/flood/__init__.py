"""Flood control: what must not happen too often, and what is refused when it does.

    event          counted                                   by                         refused
    a login        refused passwords                         name and address, address  429 flood, before Drupal
                   (IPv6: by /64, and by /56 and /48 with higher limits)
                   refused passwords                         name                       nothing: an alert
    a code         wrong codes                               account                    locked: it waits
                   wrong codes                               address                    429 flood
                   wrong codes                               the whole site             nothing: an alert
    a log-out      log-outs that ended no session            address (IPv6: /56)        429 flood, before Drupal
    a message      messages                                  account and destination    429 flood
                   messages to phones                        number                     429 flood
    enrolment      secrets, recovery codes, changes          account                    429 flood

`limits` lists every limit with its key. `gate` reserves a try before it happens, and gives it back if it did not
count. `gateway.limit` says when a limit refuses, and the store keeps the counts.
"""
