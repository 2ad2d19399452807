"""The Redis store keeps every contract."""

from tests.contracts.counters_contract import CountersContract
from tests.contracts.enrolments_contract import EnrolmentsContract
from tests.contracts.outbox_contract import OutboxContract
from tests.contracts.parked_contract import ParkedContract
from tests.contracts.stores import OnRedis
from tests.contracts.transactions_contract import TransactionsContract


class TestRedisTransactions(OnRedis, TransactionsContract): ...


class TestRedisParked(OnRedis, ParkedContract): ...


class TestRedisOutbox(OnRedis, OutboxContract): ...


class TestRedisCounters(OnRedis, CountersContract): ...


class TestRedisEnrolments(OnRedis, EnrolmentsContract): ...
