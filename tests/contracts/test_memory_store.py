"""The memory store keeps every contract."""

from tests.contracts.counters_contract import CountersContract
from tests.contracts.enrolments_contract import EnrolmentsContract
from tests.contracts.outbox_contract import OutboxContract
from tests.contracts.parked_contract import ParkedContract
from tests.contracts.stores import OnMemory
from tests.contracts.transactions_contract import TransactionsContract


class TestMemoryTransactions(OnMemory, TransactionsContract): ...


class TestMemoryParked(OnMemory, ParkedContract): ...


class TestMemoryOutbox(OnMemory, OutboxContract): ...


class TestMemoryCounters(OnMemory, CountersContract): ...


class TestMemoryEnrolments(OnMemory, EnrolmentsContract): ...
