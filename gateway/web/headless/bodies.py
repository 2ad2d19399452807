"""What a frontend may send: strict shapes, small, and nothing that Drupal would stumble over."""

from typing import Annotated, ClassVar, Self

from aiohttp import web
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    StringConstraints,
    ValidationError,
)

from gateway.errors import Malformed
from gateway.web.http.json_body import demand_usable, echo_of, parse, whole_body
from gateway.web.http.keys import ECHO

Text = Annotated[StrictStr, StringConstraints(max_length=128), AfterValidator(demand_usable)]
# Drupal cuts names at 60 and mail addresses at 254 characters; passwords over 512 always fail (measured).
Username = Annotated[StrictStr, StringConstraints(max_length=254), AfterValidator(demand_usable)]
Password = Annotated[StrictStr, StringConstraints(max_length=512), AfterValidator(demand_usable)]
# Sealed and in base64: a name, an address and little else.
Token = Annotated[StrictStr, StringConstraints(max_length=4096), AfterValidator(demand_usable)]
Otp = Annotated[StrictStr, StringConstraints(max_length=64), AfterValidator(demand_usable)]


class Body(BaseModel):
    """A request's JSON. Keys that we don't know are let be: the module's frontends may send more."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    # The keys whose values an answer repeats.
    echoed: ClassVar[tuple[str, ...]] = ("username", "transactionID", "authType")

    # A missing one is answered like an unknown one, which an empty one is.
    api_key: Text = Field(default="", alias="apiKey", repr=False)

    @classmethod
    async def read(cls, request: web.Request) -> Self:
        """Read, bound and check the body. Raises MediaType, TooLarge, Malformed."""
        document = parse(await whole_body(request))
        request[ECHO] = echo_of(document, cls.echoed)
        try:
            return cls.model_validate(document)
        except ValidationError:
            raise Malformed("shape") from None


class Authenticate(Body):
    username: Username = Field(repr=False)
    password: Password = Field(repr=False)
    auth_type: Text | None = Field(default=None, alias="authType")
    remember_token: Text | None = Field(default=None, alias="rememberToken", repr=False)


class OpenTransaction(Body):
    """What every request about an open transaction says."""

    username: Username = Field(repr=False)
    transaction_id: Text = Field(alias="transactionID", repr=False)


class Login(OpenTransaction):
    auth_type: Text = Field(alias="authType")
    otp: Otp = Field(repr=False)
    remember: StrictBool = False


class Resend(OpenTransaction):
    auth_type: Text = Field(alias="authType")
    switch_to: Text | None = Field(default=None, alias="switchTo")


class Status(OpenTransaction):
    echoed = ("username", "transactionID")


class Cancel(OpenTransaction):
    echoed = ("username", "transactionID")


class Logout(Body):
    echoed = ()

    logout_token: Text | None = Field(default=None, repr=False)


class Managing(Body):
    """What every request about one's own factors says."""

    echoed = ()

    manage_token: Token = Field(alias="manageToken", repr=False)


class TotpEnroll(Managing):
    pass


class TotpConfirm(Managing):
    otp: Otp = Field(repr=False)


class TotpRemove(Managing):
    otp: Otp = Field(repr=False)


class RecoveryCodes(Managing):
    pass
