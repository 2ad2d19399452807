"""All of Drupal behind the gate."""
