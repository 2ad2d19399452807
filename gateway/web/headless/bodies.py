"""What each endpoint reads and answers: the model of its request, and the model of its answer.

Handlers answer from these models, and the OpenAPI document is made from them. Requests are pydantic models, since they
check what clients send. Answers are plain dictionaries whose keys mypy checks, so that serving one costs nothing more.
The keys stand in the order in which they are answered.
"""

from typing import Annotated, ClassVar, Literal, NotRequired, Self

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
    WithJsonSchema,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType, TypedDict  # pydantic accepts typing.TypedDict only from Python 3.12 on

from gateway.auth_types import ENROLLED, METHODS
from gateway.errors import Malformed
from gateway.interfaces import Word
from gateway.web.http.app_keys import ECHO
from gateway.web.http.json_body import demand_usable, echo_of, parse, whole_body

Text = Annotated[StrictStr, StringConstraints(max_length=128), AfterValidator(demand_usable)]
# Drupal cuts names at 60 and mail addresses at 254 characters; passwords over 512 always fail (measured).
Username = Annotated[StrictStr, StringConstraints(max_length=254), AfterValidator(demand_usable)]
Password = Annotated[StrictStr, StringConstraints(max_length=512), AfterValidator(demand_usable)]
# A manageToken holds a sealed name and address in base64, and little else.
ManageToken = Annotated[StrictStr, StringConstraints(max_length=4096), AfterValidator(demand_usable)]
Otp = Annotated[StrictStr, StringConstraints(max_length=64), AfterValidator(demand_usable)]

# The model accepts any other word too: it is refused later, as a method that the login or the account does not have.
AuthType = TypeAliasType(
    "AuthType",
    Annotated[
        Text,
        WithJsonSchema(
            {
                "type": "string",
                "enum": [*METHODS, *ENROLLED],
                "title": "AuthType",
                "description": "A method of the second factor.",
                "examples": ["EMAIL"],
            }
        ),
    ],
)


# Requests


def api_key_required(schema: JsonDict) -> None:
    """Mark the apiKey as required in the schema. The model itself reads a missing apiKey as an unknown one."""
    required = schema.get("required")
    schema["required"] = ["apiKey", *(required if isinstance(required, list) else [])]


class Body(BaseModel):
    """The JSON of a request. Unknown keys are ignored: frontends of the Drupal module may send more."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, json_schema_extra=api_key_required
    )
    # The heading under which the OpenAPI document has the endpoint.
    tag: ClassVar[str] = "Login"
    # The keys that an answer repeats.
    echoed: ClassVar[tuple[str, ...]] = ("username", "transactionID", "authType")

    # No client has an empty key, so a missing key is answered like an unknown one.
    api_key: Text = Field(default="", alias="apiKey", repr=False, description="Names the frontend.", examples=["demo"])

    @classmethod
    async def read(cls, request: web.Request) -> Self:
        """Read the body of *request* and check it. Raises MediaType, TooLarge, Malformed."""
        document = parse(await whole_body(request))
        request[ECHO] = echo_of(document, cls.echoed)
        try:
            return cls.model_validate(document)
        except ValidationError:
            raise Malformed("shape") from None


class Authenticate(Body):
    """Name and password. A request that names an `authType` always gets a code."""

    username: Username = Field(repr=False, examples=["alice"])
    password: Password = Field(repr=False, examples=["the password of alice"])
    auth_type: AuthType | None = Field(
        default=None, alias="authType", description="The method to use, if not the preferred one."
    )
    remember_token: Text | None = Field(
        default=None, alias="rememberToken", repr=False, description="From an earlier login. It works once."
    )


class OpenTransaction(Body):
    """What every request about a login that waits for its code has."""

    username: Username = Field(repr=False, description="As it was authenticated.", examples=["alice"])
    transaction_id: Text = Field(
        alias="transactionID",
        repr=False,
        description="From the answer of `authenticate`.",
        examples=["Fu2kg7PCHA_CNYSQ9ryQbPcALRhloC9X5q0DiJzzD3U"],
    )


class Login(OpenTransaction):
    """The code for a login that waits for it."""

    auth_type: AuthType = Field(alias="authType")
    otp: Otp = Field(repr=False, description="The code. Spaces and dashes are ignored.", examples=["769879"])
    remember: StrictBool = Field(default=False, description="Ask for a `rememberToken`.")


class Resend(OpenTransaction):
    """Which login needs another message, or another method."""

    auth_type: AuthType = Field(alias="authType", description="The current method of the login.")
    switch_to: AuthType | None = Field(
        default=None, alias="switchTo", description="Another one of `methods`, from now on."
    )


class Status(OpenTransaction):
    """Which login to describe."""

    echoed = ("username", "transactionID")


class Cancel(OpenTransaction):
    """Which login to end."""

    echoed = ("username", "transactionID")


class Logout(Body):
    """The token that ends the session. The session's cookie comes with the request."""

    echoed = ()

    logout_token: Text | None = Field(
        default=None, repr=False, description="From the answer of the login. Needed with a cookie.", examples=["kno1…"]
    )


class Managing(Body):
    """What every request about the factors of an account has."""

    tag = "Authenticator apps"
    echoed = ()

    manage_token: ManageToken = Field(
        alias="manageToken", repr=False, description="From a login with a code.", examples=["AmsxK4…"]
    )


class TotpEnroll(Managing):
    """The account that wants an app."""


class Replacing(Managing):
    """The keys of every request that may replace an app or its recovery codes."""

    current_otp: Otp | None = Field(
        default=None,
        alias="currentOtp",
        repr=False,
        description="A code of the app that is enrolled, or a recovery code. Needed if there is an app and "
        "`manageToken` is from a login by another method.",
        examples=["ZWFH-AN6X-V0WC-SKRJ"],
    )


class TotpConfirm(Replacing):
    """The first code of the app."""

    otp: Otp = Field(repr=False, description="The code that the app shows.", examples=["755224"])


class TotpRemove(Managing):
    """A code that proves that the user still has a factor."""

    otp: Otp = Field(
        repr=False, description="The code that the app shows, or a recovery code.", examples=["ZWFH-AN6X-V0WC-SKRJ"]
    )


class RecoveryCodes(Replacing):
    """The account that wants new codes."""


# Answers


def message(example: str) -> FieldInfo:
    field: FieldInfo = Field(
        description="One sentence for a person, in the language of `Accept-Language`.", examples=[example]
    )
    return field


Success = Literal["SUCCESS"]
Echoed = Annotated[str, Field(description="As it was sent.", examples=["alice"])]
Seconds = Annotated[int, Field(ge=0)]
CarriedBy = Annotated[
    AuthType, Field(description="The method that a message went by, once one did.", examples=["EMAIL"])
]
RememberToken = Annotated[str, Field(description="A secret that remembers this device. It works once.")]
Codes = Annotated[list[str], Field(examples=[["ZWFH-AN6X-V0WC-SKRJ", "9GFX-6E0P-A2S0-ZA52"]])]
Profile = Annotated[
    object,
    WithJsonSchema(
        {
            "type": "object",
            "description": "Fields of the account in Drupal's entity shape.",
            "additionalProperties": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            "examples": [{"uid": [{"value": 2}], "name": [{"value": "alice"}]}],
        }
    ),
]


class CodeNeeded(TypedDict):
    """The login waits for a code."""

    username: Echoed
    status: Success
    message: Annotated[str, message("A code was sent to a•••@e••••.test.")]
    transactionID: Annotated[
        str,
        Field(
            description="Names this login in further requests.",
            examples=["Fu2kg7PCHA_CNYSQ9ryQbPcALRhloC9X5q0DiJzzD3U"],
        ),
    ]
    authType: AuthType
    destination: Annotated[
        str, Field(description="Where the code went, masked; empty if none was sent.", examples=["a•••@e••••.test"])
    ]
    expiresIn: Annotated[Seconds, Field(description="Seconds until the login ends.", examples=[300])]
    resendIn: Annotated[Seconds, Field(description="Seconds until another message may be sent.", examples=[60])]
    methods: Annotated[
        list[AuthType],
        Field(description="The methods that reach this account, the preferred one first.", examples=[["EMAIL"]]),
    ]


class ResendAnswer(CodeNeeded):
    """The login waits for the same code as before, or for that of another method."""

    resendsLeft: Annotated[int, Field(description="How many more messages may be sent.", ge=0, examples=[2])]


class Session(TypedDict):
    """The tokens of Drupal's session. Its cookie is set on this answer."""

    csrf_token: Annotated[str, Field(description="For `X-CSRF-Token` in requests to Drupal.", examples=["U1Da…"])]
    logout_token: Annotated[str, Field(description="Needed to log out.", examples=["kno1…"])]


class Granted(TypedDict):
    """What every answer that hands a session over has."""

    username: Echoed
    status: Success
    message: Annotated[str, message("You are logged in.")]
    userprofile: Profile
    session: Session


class Remembered(TypedDict):
    """What an answer has if the device is remembered."""

    rememberToken: NotRequired[RememberToken]


class LoginAnswer(Granted):
    """The user is logged in."""

    manageToken: Annotated[
        str, Field(description="Lets the user change the account's factors, for 10 minutes.", examples=["AmsxK4…"])
    ]
    rememberToken: NotRequired[RememberToken]


class NoCodeNeeded(Granted):
    """The user is logged in: policy asks for no code."""

    rememberToken: NotRequired[RememberToken]
    authType: Literal["NONE"]


class Carried(TypedDict):
    """What an answer has once a message went out."""

    carriedBy: NotRequired[CarriedBy]


class StatusAnswer(TypedDict):
    """Where the login stands."""

    username: Echoed
    status: Success
    message: Annotated[str, message("The code was sent.")]
    delivery: Annotated[Word, Field(description="`failed`: nothing more will be tried.", examples=["sent"])]
    carriedBy: NotRequired[CarriedBy]
    authType: AuthType
    expiresIn: Annotated[Seconds, Field(description="Seconds until the login ends.", examples=[299])]
    resendIn: Annotated[Seconds, Field(description="Seconds until another message may be sent.", examples=[59])]
    attemptsLeft: Annotated[int, Field(description="How many more codes may be tried.", ge=0, examples=[5])]


class CancelAnswer(TypedDict):
    """The login is over."""

    username: Echoed
    status: Success
    message: Annotated[str, message("The login was cancelled.")]


class LogoutAnswer(TypedDict):
    """The session is over. The answer deletes its cookie."""

    status: Success
    message: Annotated[str, message("You are logged out.")]


class TotpEnrollAnswer(TypedDict):
    """A secret for an app. It is used only after `totp/confirm`."""

    status: Success
    message: Annotated[str, message("Scan the code with your authenticator app, then type what the app shows.")]
    secret: Annotated[str, Field(description="To be typed: base32.", examples=["LEGD6W2ELP4RVBECXN6OD3ZRY7YY7MYO"])]
    otpauth: Annotated[
        str,
        Field(
            description="A link that opens an app on the same phone.",
            examples=["otpauth://totp/Headgate:alice?secret=LEGD6W2ELP4RVBECXN6OD3ZRY7YY7MYO&issuer=Headgate"],
        ),
    ]
    qr: Annotated[str, Field(description="The same link for a camera: an inline SVG.", examples=["<svg …>"])]


class TotpConfirmAnswer(TypedDict):
    """The app is enrolled. The codes are shown this once."""

    status: Success
    message: Annotated[str, message("Your authenticator app is set up. Keep these recovery codes in a safe place.")]
    recoveryCodes: Codes
    manageToken: Annotated[
        str, Field(description="Replaces the earlier one, and ends when that one ends.", examples=["AmsxK4…"])
    ]


class TotpRemoveAnswer(TypedDict):
    """The app and its recovery codes are gone."""

    status: Success
    message: Annotated[str, message("Your authenticator app was removed.")]


class RecoveryCodesAnswer(TypedDict):
    """New codes. They are shown this once, and the old ones are void."""

    status: Success
    message: Annotated[str, message("Keep these recovery codes in a safe place. The old ones no longer work.")]
    recoveryCodes: Codes
