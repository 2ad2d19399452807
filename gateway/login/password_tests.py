"""Right passwords after which no code is sent. Each is counted, and the owner of the account gets a mail.

The answer to the client says that the password is right. Without the mail, the owner would not hear of it, and a person
with stolen passwords could test them unnoticed.
"""

from collections.abc import Callable

from gateway.account import Account, Visitor
from gateway.delivery.notices import Notices, notice
from gateway.errors import DrupalInvalid, NoDestination, NotEnrolled
from gateway.flood.gate import Floodgate
from gateway.login.outcome import Checked

# How a login with a right password ends without a code. AccountLocked is not among them: the owner had a mail when the
# account was locked.
WITHOUT_CODE = (NotEnrolled, NoDestination, DrupalInvalid)


class PasswordTests:
    """Counts right passwords without a code, by account, whatever network they come from."""

    def __init__(self, flood: Floodgate, notices: Notices, *, clock: Callable[[], float]) -> None:
        self._flood = flood
        self._notices = notices
        self._clock = clock

    async def count(self, checked: Checked, account: Account | None, visitor: Visitor) -> None:
        """Count a right password without a code, and tell the owner once a day. Raises Flood after too many.

        *account* is None if Drupal did not show it. Then no address is known, and nobody is told.
        """
        uid = checked.session.uid
        await self._flood.password_tested(uid)
        if account and account.mail and await self._flood.password_notice_due(uid):
            mail = notice(
                "password_used", account, username=checked.username, now=self._clock(), browser=visitor.user_agent
            )
            await self._notices.tell(mail, uid=uid)
