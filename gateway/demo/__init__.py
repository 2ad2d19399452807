"""A site to try the gateway with: a simulated Drupal, a mailbox and the pages that show them."""
