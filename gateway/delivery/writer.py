"""The text of a message, written at the moment at which it is sent."""

from collections.abc import Callable
from dataclasses import replace

from gateway.errors import TooLate, TransactionClosed
from gateway.interfaces import Message, Text, Transactions
from gateway.texts.messages import MEDIA, Texts, Values
from gateway.transaction import Transaction


class Writer:
    """Writes messages. *code_of* makes a transaction's code from its secret."""

    def __init__(
        self, *, transactions: Transactions, code_of: Callable[[bytes], str], texts: Texts, clock: Callable[[], float]
    ) -> None:
        self._transactions = transactions
        self._code_of = code_of
        self._texts = texts
        self._clock = clock

    async def write(self, message: Message) -> Text:
        """The text of *message*. Raises TooLate when it may no longer be sent."""
        expires_at, code = message.deadline, ""
        if message.subject == "code":
            transaction = await self._open_transaction(message)
            expires_at, code = transaction.expires_at, self._code_of(transaction.secret)
        if self._clock() >= message.deadline:
            raise TooLate("deadline")
        written = self._texts.render(
            message.subject,
            message.language,
            Values(
                username=message.username,
                code=code,
                seconds=expires_at - self._clock() if code else 0,
                asked_at=message.asked_at,
                browser=message.browser,
            ),
            medium=MEDIA[message.channel],
        )
        return replace(written, channel=message.channel, code=code, language=message.language, expires_at=expires_at)

    async def _open_transaction(self, message: Message) -> Transaction:
        try:
            transaction = await self._transactions.find(message.transaction or "")
            transaction.demand_open(now=self._clock())
        except TransactionClosed as error:
            raise TooLate(error.reason or "closed") from error
        return transaction
