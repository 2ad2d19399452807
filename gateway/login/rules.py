"""What configuration says of every login: its limits, its methods and its languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.account import Account, Client, Enrolment, Visitor
from gateway.auth_types import ENROLLED, METHODS, sends
from gateway.delivery.numbers import NumberOptions
from gateway.factors import CodeOptions
from gateway.language_choice import Choice
from gateway.login.methods import dialable, message_ids, methods_of
from gateway.login.outcome import Checked
from gateway.policy.rules import Decision
from gateway.transaction import Transaction, new_secret


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginRules:
    """The configured rules of a login.

    *code* gives the lifetime and the attempts, whichever factor is asked for. At most *per_account* logins of an
    account may be open. *channels* are the configured ones, and *preferred* is the default method. *fallback* names the
    method that carries the code when another one fails.
    """

    code: CodeOptions
    per_account: int = 3
    channels: frozenset[str]
    preferred: str
    prefer_authenticator: bool
    numbers: NumberOptions = field(default_factory=NumberOptions)
    fallback: Mapping[str, str] = field(default_factory=dict)
    languages: Choice

    def reachable(self, account: Account, visitor: Visitor) -> Account:
        """Return *account* with a number that can be dialled, or none, and with the language of its messages."""
        return replace(
            dialable(account, channels=self.channels, numbers=self.numbers),
            language=self.languages.of(account.language, visitor.accept_language),
        )

    def offers(self, method: str, *, apps: bool) -> bool:
        """Return whether any account of this site can have *method*.

        *apps* says whether authenticator apps are allowed.
        """
        if method in ENROLLED:
            return apps
        return method in METHODS and self.channels.issuperset(METHODS[method])

    def methods(self, account: Account, enrolment: Enrolment | None) -> tuple[str, ...]:
        """Return the methods that can be asked of *account*, the preferred one first."""
        return methods_of(
            account,
            enrolment,
            channels=self.channels,
            preferred=self.preferred,
            prefer_authenticator=self.prefer_authenticator,
        )

    def open(
        self, checked: Checked, account: Account, decision: Decision, *, client: Client, now: float
    ) -> Transaction:
        """Return the transaction of a login for which *decision* demands a code."""
        return Transaction(
            uid=account.uid,
            client=client.id,
            username=checked.username,
            auth_type=decision.method,
            methods=decision.methods,
            secret=new_secret(),
            mail=account.mail,
            phone=account.phone,
            language=account.language or "en",
            profile=account.profile,
            opened_at=now,
            expires_at=checked.due_at,
            attempts_left=self.code.attempts,
            resends_left=self.code.resends,
            # If nothing was sent, the user may ask for a code at once.
            resend_at=now + self.code.resend_wait_seconds if sends(decision.method) else now,
            messages=message_ids(decision.method),
            known_network=checked.known_network,
        )
