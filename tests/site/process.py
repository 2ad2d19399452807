"""A gateway in a process of its own, in front of a backend of the test's."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager

from tests.ports import free_port
from tests.site.conftest import configuration
from tests.site.visitor import Site
from tests.world import Process, until_listening


@asynccontextmanager
async def served(backend_url: str, tmp_path, *, environment: dict[str, str] | None = None, **changes: object):
    """`headgate serve` in a process of its own; yields it and its site."""
    port = free_port()
    settings = configuration(
        backend_url,
        listen={"host": "127.0.0.1", "port": port, "max_connections": 20_000, "max_connections_per_address": 20_000},
        admin={"host": "127.0.0.1", "port": free_port()},
        **changes,
    )
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(settings))
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", str(path)),
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]} | (environment or {}),
    )
    process = Process(started, url="", admin_url="")
    try:
        await until_listening(port, process)
        yield process, Site(port=port)
    finally:
        await process.kill()
