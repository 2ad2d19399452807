import pytest
import structlog

from gateway.delivery.channels import SmtpOptions
from gateway.store import MemoryOptions
from tests.contracts.courier.parts import CLAIM_SECONDS, Outbox
from tests.smtp_server import Mailbox


@pytest.fixture
async def mailbox():
    async with Mailbox.open() as mailbox:
        yield mailbox


@pytest.fixture
async def channel(mailbox):
    async with SmtpOptions(port=mailbox.port, timeout_seconds=5).open() as channel:
        yield channel


@pytest.fixture
async def backend():
    async with MemoryOptions(claim_seconds=CLAIM_SECONDS).open(None) as backend:
        yield backend


@pytest.fixture
def events():
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
async def outbox(backend):
    return Outbox(backend.outbox)
