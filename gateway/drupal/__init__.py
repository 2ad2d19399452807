"""Drupal's side of a login: one file per kind, and the union that configuration chooses from."""

from gateway.drupal.session import SessionOptions

DrupalOptions = SessionOptions

__all__ = ["DrupalOptions", "SessionOptions"]
