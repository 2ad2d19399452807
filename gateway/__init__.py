"""Headgate: a second factor in front of an unchanged Drupal site."""

__version__ = "0.1.0"
