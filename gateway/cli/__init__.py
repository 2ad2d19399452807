"""The command line: `headgate COMMAND`. Each command stands in one file together with what it does.

| file | commands |
|---|---|
| `main` | `serve`, `demo`, `version`; and the list of all commands |
| `config` | `check-config`, `new-key`, `hash-key` |
| `store` | `unlock`, `forget-devices`, `reset-factors`, `init-store`, `reseal` |
| `messages` | `send-test`, `preview` |
| `command` | no command: what they share, as reading the configuration and running a coroutine |

A command writes its result to standard output, and problems to standard error. Exit status: 0 for success, 1 for a
command that failed, 2 for a configuration or an argument that is wrong.

A command imports what it needs when it runs, so that `headgate version` starts without aiohttp, redis and the rest.
"""
