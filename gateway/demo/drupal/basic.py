"""Basic authentication: what its credentials are checked for, and how often. Measured, Drupal 10.6/11.4."""

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.signing_in import flood_identifier
from gateway.demo.drupal.visit import Visit

BY_ADDRESS = "basic_auth.failed_login_ip"
BY_ACCOUNT = "basic_auth.failed_login_user"


def account(visit: Visit, name: str, password: str) -> User | None:
    """Check Basic credentials. Their failures have flood rows of their own (measured, Drupal 10.6 and 11.4)."""
    options, flood, address = visit.site.options, visit.site.flood, visit.origin.address
    if flood.is_allowed(BY_ADDRESS, address, limit=options.ip_limit, window=options.ip_window_seconds):
        user = visit.site.accounts.named([name], active=True)
        if user is not None:
            identifier = flood_identifier(visit, user)
            limit, window = options.user_limit, options.user_window_seconds
            if flood.is_allowed(BY_ACCOUNT, identifier, limit=limit, window=window):
                if user.accepts(password):
                    flood.clear(BY_ACCOUNT, identifier)
                    return user
                flood.register(BY_ACCOUNT, identifier)
    flood.register(BY_ADDRESS, address)
    return None
