"""A simulated Drupal site: core's user module over HTTP, with the state that a test can look at and change.

It answers as real sites answered when they were measured: Drupal 10.6.15 (PHP 8.2) and 11.4.5 (PHP 8.4), each behind
nginx and php-fpm with MariaDB. `tests/contracts/recorded` has the exchanges, and a test replays them. "Measured" in a
docstring names a behaviour that was seen on these sites. The defaults are those of a stock site: no jsonapi, rest or
basic_auth.

    request ─▶ nginx ─▶ server ─▶ origin ─▶ visit ─▶ routes ─▶ signing_in   login, logout, password reset in JSON
                          │                 (paths, php)         login_form   the HTML form and the login block
                          │                                      screens      the other HTML pages (markup)
                          │                                      resources    JSON:API and rest (documents)
                          └▶ faults, faulty_answers: timeouts, resets and error pages, while a test asks for one

| file | holds |
|---|---|
| `nginx` | what nginx reads otherwise than aiohttp, and what it refuses |
| `server` | the web application, and `running`, which serves it |
| `site` | options, switches, flood rows, and every request that arrived |
| `accounts` | the users, and how the database compares names and passwords |
| `ledger` | every session that was opened, and how each one ended |
| `origin` | the client's address and the site's host, read from forwarding headers as Symfony reads them |
| `paths` | from a request's target to the path that Drupal routes by |
| `php` | PHP's reading of queries, bodies and headers |
| `visit` | one request, its account, and the form of its answer |
"""
