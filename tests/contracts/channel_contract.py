"""The promises of every channel. Subclasses give `channel`, `to`, and `received()`."""

import pytest

from gateway.errors import TooLate
from gateway.interfaces import Text

WRITTEN = Text(subject="Your code", plain="Your code is: 012345\n", html="<p>Your code is: 012345</p>\n")


async def written() -> Text:
    return WRITTEN


class ChannelContract:
    """The promises of interfaces.Channel."""

    async def test_the_text_arrives(self, channel, to, received):
        await channel.deliver(to, written, id="m1")

        assert len(received()) == 1
        assert "Your code is: 012345" in received()[0]

    async def test_the_text_is_asked_for_once_per_delivery(self, channel, to):
        asked = []

        async def text() -> Text:
            asked.append(1)
            return WRITTEN

        await channel.deliver(to, text, id="m1")

        assert len(asked) == 1

    async def test_a_text_that_is_too_late_is_not_sent_and_the_next_one_is(self, channel, to, received):
        async def too_late() -> Text:
            raise TooLate("ended")

        with pytest.raises(TooLate):
            await channel.deliver(to, too_late, id="m1")
        await channel.deliver(to, written, id="m2")

        assert len(received()) == 1

    async def test_what_else_the_text_raises_comes_through(self, channel, to, received):
        async def broken() -> Text:
            raise LookupError

        with pytest.raises(LookupError):
            await channel.deliver(to, broken, id="m1")

        assert received() == []
