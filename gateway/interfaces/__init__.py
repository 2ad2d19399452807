"""The promises that the parts make to each other. Each sentence of them is tested in tests/contracts.

`upstream` is the proxy's own: only the proxy and its hop to Drupal know it.
"""

from gateway.interfaces.drupal import Authenticator, HandOver, Late, LoggedOut, UnusableCookie
from gateway.interfaces.factors import Factor, Spend
from gateway.interfaces.messages import Channel, Claimed, Message, Subject, Text, Word
from gateway.interfaces.stores import Backend, Counters, Enrolments, Names, Outbox, Parked, Transactions

__all__ = [
    "Authenticator",
    "Backend",
    "Channel",
    "Claimed",
    "Counters",
    "Enrolments",
    "Factor",
    "HandOver",
    "Late",
    "LoggedOut",
    "Message",
    "Names",
    "Outbox",
    "Parked",
    "Spend",
    "Subject",
    "Text",
    "Transactions",
    "UnusableCookie",
    "Word",
]
