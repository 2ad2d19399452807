"""The events of the code page. Each request that one of its forms sends ends in one of them."""

from gateway import errors
from gateway.web.http.endpoint_events import EndpointEvents
from gateway.web.http.statuses import MediaType, TooLarge

CHALLENGE = EndpointEvents(
    ok="challenge.ok",
    client_gone="challenge.client_gone",
    internal="challenge.internal",
    refused={
        errors.Malformed: "challenge.malformed",
        MediaType: "challenge.media_type",
        TooLarge: "challenge.too_large",
        errors.ForeignOrigin: "challenge.origin",
        errors.WrongOtp: "challenge.wrong_otp",
        errors.TransactionClosed: "challenge.transaction_closed",
        errors.TooSoon: "challenge.too_soon",
        errors.Flood: "challenge.flood",
        errors.NotEnrolled: "challenge.not_enrolled",
        errors.FactorBusy: "challenge.factor_busy",
        errors.DrupalInvalid: "challenge.drupal_invalid",
        errors.DeliveryUnavailable: "challenge.delivery_unavailable",
        errors.StoreUnavailable: "challenge.store_unavailable",
    },
)
