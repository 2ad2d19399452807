"""A simulated Drupal site over HTTP, with the state that a test can look at and change.

It answers as real sites answered when they were measured: Drupal 10.6.15 (PHP 8.2) and 11.4.5 (PHP 8.4), each behind
nginx and php-fpm with MariaDB, and Drupal 10.5.5 with simple_oauth 6. `tests/contracts/recorded` and `tests/bypasses`
have the exchanges, and tests replay them. "Measured" in a docstring names a behaviour that was seen on these sites. The
defaults are those of a stock site: no jsonapi, rest or basic_auth.

    request ─▶ nginx ─▶ server ─▶ origin ─▶ visit ─▶ routes ─▶ signing_in   login, logout, password reset in JSON
                          │                (paths, php)          login_form   the HTML form and the login block
                          │                                      one_time     one-time links
                          │                                      registration, passwords, oauth, scripts
                          │                                      screens, content, cart, system_pages, files (markup)
                          │                                      resources    core's rest module (documents)
                          │                                      json_api     JSON:API (documents, node_documents)
                          ├▶ big_pipe: the answer in pieces
                          └▶ faults, faulty_answers: timeouts, resets and error pages, while a test asks for one

| file | holds |
|---|---|
| `nginx` | what nginx reads otherwise than aiohttp, and what it refuses |
| `server` | the web application, and `running`, which serves it |
| `site` | options, switches, flood rows, and every request that arrived |
| `accounts` | the users, and how the database compares names and passwords |
| `ledger` | every session that was opened, and how each one ended |
| `tokens` | every code and token that simple_oauth handed out |
| `origin` | the client's address and the site's host, read from forwarding headers as Symfony reads them |
| `paths` | from a request's target to the path that Drupal routes by |
| `php` | PHP's reading of queries, bodies and headers |
| `visit` | one request, its account, and the form of its answer |
| `routing` | what every route has: methods, formats, refusals |
| `basic` | the check of Basic credentials |
| `refusals` | answers to what fails before Drupal looks for a route |
"""
