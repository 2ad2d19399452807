"""The command line: `headgate COMMAND`. Each command stands in one file together with what it does.

| file | commands |
|---|---|
| `main` | `serve`, `demo`, `version`; the list of all commands |
| `config` | `check-config`, `schema`, `new-key`, `hash-key` |
| `accounts` | `account`, `unlock`, `forget-devices`, `reset-factors`; `account_state` reads what they show |
| `store` | `init-store`, `reseal` |
| `messages` | `send-test`, `preview` |
| `command` | what all commands share: the terminal, the configuration, the event loop |

A command writes its result to standard output, and problems to standard error. Exit status: 0 for success, 1 for a
command that failed, 2 for a configuration or an argument that is wrong.

A command imports what it needs when it runs, so that `headgate version` starts without aiohttp, redis and the rest.
"""
