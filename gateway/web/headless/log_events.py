"""The name of the event that a request of each endpoint ends in, and with it the errors that the endpoint answers.

A name is the endpoint's, a dot and the word of the error. It is written out, so that a search for it leads here. The
OpenAPI document lists the same errors.
"""

from gateway import errors
from gateway.web.http.endpoint_events import EndpointEvents
from gateway.web.http.statuses import MediaType, TooLarge

AUTHENTICATE = EndpointEvents(
    ok="authenticate.ok",
    client_gone="authenticate.client_gone",
    internal="authenticate.internal",
    refused={
        errors.Malformed: "authenticate.malformed",
        MediaType: "authenticate.media_type",
        TooLarge: "authenticate.too_large",
        errors.UnknownApiKey: "authenticate.api_key",
        errors.ForeignOrigin: "authenticate.origin",
        errors.BadCredentials: "authenticate.credentials",
        errors.AccountLocked: "authenticate.account_locked",
        errors.Flood: "authenticate.flood",
        errors.NotEnrolled: "authenticate.not_enrolled",
        errors.NoDestination: "authenticate.no_destination",
        errors.DeliveryUnavailable: "authenticate.delivery_unavailable",
        errors.PolicyUnreadable: "authenticate.policy_unreadable",
        errors.DrupalInvalid: "authenticate.drupal_invalid",
        errors.DrupalTimeout: "authenticate.drupal_timeout",
        errors.DrupalUnavailable: "authenticate.drupal_unavailable",
        errors.DrupalBusy: "authenticate.drupal_busy",
        errors.StoreUnavailable: "authenticate.store_unavailable",
    },
)

LOGIN = EndpointEvents(
    ok="login.ok",
    client_gone="login.client_gone",
    internal="login.internal",
    refused={
        errors.Malformed: "login.malformed",
        MediaType: "login.media_type",
        TooLarge: "login.too_large",
        errors.UnknownApiKey: "login.api_key",
        errors.ForeignOrigin: "login.origin",
        errors.WrongOtp: "login.wrong_otp",
        errors.TransactionClosed: "login.transaction_closed",
        errors.Flood: "login.flood",
        errors.FactorBusy: "login.factor_busy",
        errors.DrupalInvalid: "login.drupal_invalid",
        errors.StoreUnavailable: "login.store_unavailable",
    },
)

RESEND = EndpointEvents(
    ok="resend.ok",
    client_gone="resend.client_gone",
    internal="resend.internal",
    refused={
        errors.Malformed: "resend.malformed",
        MediaType: "resend.media_type",
        TooLarge: "resend.too_large",
        errors.UnknownApiKey: "resend.api_key",
        errors.ForeignOrigin: "resend.origin",
        errors.TransactionClosed: "resend.transaction_closed",
        errors.TooSoon: "resend.too_soon",
        errors.Flood: "resend.flood",
        errors.NotEnrolled: "resend.not_enrolled",
        errors.DeliveryUnavailable: "resend.delivery_unavailable",
        errors.StoreUnavailable: "resend.store_unavailable",
    },
)

STATUS = EndpointEvents(
    ok="status.ok",
    client_gone="status.client_gone",
    internal="status.internal",
    refused={
        errors.Malformed: "status.malformed",
        MediaType: "status.media_type",
        TooLarge: "status.too_large",
        errors.UnknownApiKey: "status.api_key",
        errors.ForeignOrigin: "status.origin",
        errors.TransactionClosed: "status.transaction_closed",
        errors.StoreUnavailable: "status.store_unavailable",
    },
)

CANCEL = EndpointEvents(
    ok="cancel.ok",
    client_gone="cancel.client_gone",
    internal="cancel.internal",
    refused={
        errors.Malformed: "cancel.malformed",
        MediaType: "cancel.media_type",
        TooLarge: "cancel.too_large",
        errors.UnknownApiKey: "cancel.api_key",
        errors.ForeignOrigin: "cancel.origin",
        errors.TransactionClosed: "cancel.transaction_closed",
        errors.StoreUnavailable: "cancel.store_unavailable",
    },
)

LOGOUT = EndpointEvents(
    ok="logout.ok",
    client_gone="logout.client_gone",
    internal="logout.internal",
    refused={
        errors.Malformed: "logout.malformed",
        MediaType: "logout.media_type",
        TooLarge: "logout.too_large",
        errors.UnknownApiKey: "logout.api_key",
        errors.ForeignOrigin: "logout.origin",
        errors.Flood: "logout.flood",
        errors.DrupalInvalid: "logout.drupal_invalid",
        errors.DrupalTimeout: "logout.drupal_timeout",
        errors.DrupalUnavailable: "logout.drupal_unavailable",
        errors.DrupalBusy: "logout.drupal_busy",
        errors.StoreUnavailable: "logout.store_unavailable",
    },
)

TOTP_ENROLL = EndpointEvents(
    ok="totp_enroll.ok",
    client_gone="totp_enroll.client_gone",
    internal="totp_enroll.internal",
    refused={
        errors.Malformed: "totp_enroll.malformed",
        MediaType: "totp_enroll.media_type",
        TooLarge: "totp_enroll.too_large",
        errors.UnknownApiKey: "totp_enroll.api_key",
        errors.ForeignOrigin: "totp_enroll.origin",
        errors.Disabled: "totp_enroll.disabled",
        errors.TransactionClosed: "totp_enroll.transaction_closed",
        errors.Flood: "totp_enroll.flood",
        errors.StoreUnavailable: "totp_enroll.store_unavailable",
    },
)

TOTP_CONFIRM = EndpointEvents(
    ok="totp_confirm.ok",
    client_gone="totp_confirm.client_gone",
    internal="totp_confirm.internal",
    refused={
        errors.Malformed: "totp_confirm.malformed",
        MediaType: "totp_confirm.media_type",
        TooLarge: "totp_confirm.too_large",
        errors.UnknownApiKey: "totp_confirm.api_key",
        errors.ForeignOrigin: "totp_confirm.origin",
        errors.Disabled: "totp_confirm.disabled",
        errors.WrongOtp: "totp_confirm.wrong_otp",
        errors.TransactionClosed: "totp_confirm.transaction_closed",
        errors.NotEnrolled: "totp_confirm.not_enrolled",
        errors.Flood: "totp_confirm.flood",
        errors.AccountLocked: "totp_confirm.account_locked",
        errors.FactorBusy: "totp_confirm.factor_busy",
        errors.StoreUnavailable: "totp_confirm.store_unavailable",
    },
)

TOTP_REMOVE = EndpointEvents(
    ok="totp_remove.ok",
    client_gone="totp_remove.client_gone",
    internal="totp_remove.internal",
    refused={
        errors.Malformed: "totp_remove.malformed",
        MediaType: "totp_remove.media_type",
        TooLarge: "totp_remove.too_large",
        errors.UnknownApiKey: "totp_remove.api_key",
        errors.ForeignOrigin: "totp_remove.origin",
        errors.Disabled: "totp_remove.disabled",
        errors.WrongOtp: "totp_remove.wrong_otp",
        errors.TransactionClosed: "totp_remove.transaction_closed",
        errors.NotEnrolled: "totp_remove.not_enrolled",
        errors.Flood: "totp_remove.flood",
        errors.AccountLocked: "totp_remove.account_locked",
        errors.FactorBusy: "totp_remove.factor_busy",
        errors.StoreUnavailable: "totp_remove.store_unavailable",
    },
)

RECOVERY_CODES = EndpointEvents(
    ok="recovery_codes.ok",
    client_gone="recovery_codes.client_gone",
    internal="recovery_codes.internal",
    refused={
        errors.Malformed: "recovery_codes.malformed",
        MediaType: "recovery_codes.media_type",
        TooLarge: "recovery_codes.too_large",
        errors.UnknownApiKey: "recovery_codes.api_key",
        errors.ForeignOrigin: "recovery_codes.origin",
        errors.Disabled: "recovery_codes.disabled",
        errors.TransactionClosed: "recovery_codes.transaction_closed",
        errors.NotEnrolled: "recovery_codes.not_enrolled",
        errors.WrongOtp: "recovery_codes.wrong_otp",
        errors.Flood: "recovery_codes.flood",
        errors.AccountLocked: "recovery_codes.account_locked",
        errors.FactorBusy: "recovery_codes.factor_busy",
        errors.StoreUnavailable: "recovery_codes.store_unavailable",
    },
)

# For every path of the API while the whole API is switched off.
HEADLESS = EndpointEvents(
    ok="headless.ok",
    client_gone="headless.client_gone",
    internal="headless.internal",
    refused={errors.Disabled: "headless.disabled"},
)
