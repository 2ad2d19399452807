"""CPU per login against bare aiohttp, in under a minute: `make bench-quick`.

The machine is shared and noisy: what counts are ratios of CPU time, the median over rounds that take turns.
"""

import asyncio
import base64
import json
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop
from redis import Redis

from tests.bench import processes
from tests.bench.load import KEY, Codes, Connection, Frontend
from tests.bench.relay import Relay
from tests.ports import free_port
from tests.redis_server import RedisServer

AT_ONCE = 32
# The courier finishes a mail a moment after it has arrived.
SETTLE_SECONDS = 0.05
# However slow the machine is just now.
FEWEST_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Sizes:
    rounds: int
    seconds: float
    logins: int
    one_by_one: int
    pending: int


QUICK = Sizes(rounds=15, seconds=14, logins=200, one_by_one=40, pending=2000)


@dataclass(kw_only=True)
class Measured:
    """One server: its process, and what its rounds came to, in microseconds."""

    name: str
    pid: int
    frontend: Frontend
    cpu: list[float] = field(default_factory=list)
    latency: list[tuple[float, float]] = field(default_factory=list)

    async def round(self, logins: int) -> None:
        before = processes.cpu_seconds(self.pid)
        await self.frontend.log_in(logins, at_once=AT_ONCE)
        await asyncio.sleep(SETTLE_SECONDS)
        self.cpu.append((processes.cpu_seconds(self.pid) - before) / logins * 1e6)

    async def one_by_one(self, logins: int) -> None:
        self.frontend.steps = ([], [])
        await self.frontend.log_in(logins, at_once=1)
        first, second = (median(step) * 1e6 for step in self.frontend.steps)
        self.latency.append((first, second))


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stands around every server."""

    drupal: str
    smtp_port: int
    codes: Codes
    redis: RedisServer
    folder: Path

    def configuration(self, *, store_url: str) -> dict[str, object]:
        return {
            "listen": {"host": "127.0.0.1", "port": free_port()},
            "admin": {"host": "127.0.0.1", "port": free_port()},
            "keys": ["k1:" + base64.b64encode(os.urandom(32)).decode()],
            "index_key": base64.b64encode(os.urandom(32)).decode(),
            # The frontends stand behind an ingress, each visitor with an address of his own.
            "trusted_proxies": ["127.0.0.0/8"],
            "headless": {"clients": [{"id": "web", "api_key": KEY}]},
            "drupal": {"url": self.drupal},
            "store": {"kind": "redis", "url": store_url},
            "channels": {"email": {"host": "127.0.0.1", "port": self.smtp_port}},
            "log": {"format": "json"},
        }

    @asynccontextmanager
    async def gateway(self, *, store_url: str) -> AsyncGenerator[Measured]:
        configuration = self.configuration(store_url=store_url)
        port: int = configuration["listen"]["port"]  # type: ignore[index]
        async with processes.headgate(configuration, folder=self.folder) as pid:
            yield Measured(name="gateway", pid=pid, frontend=Frontend(port=port, codes=self.codes))

    @asynccontextmanager
    async def floor(self, kind: str, *more: int) -> AsyncGenerator[Measured]:
        command = ("tests.bench.floor", kind, self.drupal, self.redis.url, *more)
        async with processes.started(*command, log=self.folder / f"{kind}.log") as (pid, ports):
            yield Measured(name=kind, pid=pid, frontend=Frontend(port=ports["http"], codes=None))


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncGenerator[Surroundings]:
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        _, drupal = await stack.enter_async_context(processes.started("tests.bench.drupal", log=folder / "drupal.log"))
        _, sink = await stack.enter_async_context(processes.started("tests.bench.sink", log=folder / "sink.log"))
        codes = await stack.enter_async_context(Codes.of(sink["watch"]))
        yield Surroundings(
            drupal=f"http://127.0.0.1:{drupal['http']}", smtp_port=sink["smtp"], codes=codes, redis=redis, folder=folder
        )


async def round_trips(around: Surroundings, *, logins: int) -> dict[str, float]:
    """To Redis, until step 1 is answered, until step 2 is, and of one login in all, its mail's among them."""
    async with Relay.to(around.redis.port) as relay, around.gateway(store_url=relay.url) as gateway:
        await gateway.frontend.log_in(10, at_once=1)
        connection = await Connection.to(gateway.frontend.port)
        steps: tuple[list[int], list[int], list[int]] = ([], [], [])
        with Redis(port=around.redis.port) as redis:
            commands_before = redis.info("stats")["total_commands_processed"]
            for _ in range(logins):
                before, waits_before = relay.trips, relay.waits
                # The mail is waited for after the answer, so its own trips come later.
                asked = gateway.frontend
                asked.codes, codes = None, asked.codes
                body = await asked.authenticate(connection)
                steps[0].append(relay.trips - before)
                asked.codes = codes
                body["otp"] = await codes.to(f"{body['username']}@example.org")
                await asyncio.sleep(0.01)
                between = relay.trips
                await asked.login(connection, body)
                steps[1].append(relay.trips - between)
                await asyncio.sleep(0.01)
                steps[2].append(relay.trips - before + relay.waits - waits_before)
            commands = redis.info("stats")["total_commands_processed"] - commands_before
        connection.close()
    first, second, whole = (median(step) for step in steps)
    return {"authenticate": first, "login": second, "in_all": whole, "commands": round(commands / logins, 1)}


async def bytes_per_pending(around: Surroundings, gateway: Measured, *, pending: int) -> float:
    """What Redis holds for each login that waits, whatever it is: keys, deadlines, words, its own bookkeeping."""
    with Redis(port=around.redis.port) as redis:
        redis.flushall()
        await gateway.frontend.log_in(100, at_once=AT_ONCE)
        await asyncio.sleep(0.3)
        before = redis.info("memory")["used_memory"]
        await gateway.frontend.open(pending, at_once=AT_ONCE)
        await asyncio.sleep(0.5)
        return (redis.info("memory")["used_memory"] - before) / pending


async def direct(around: Surroundings, *, asks: int) -> float:
    """A login asked of Drupal itself, in microseconds."""
    connection = await Connection.to(int(around.drupal.rpartition(":")[2]))
    took = []
    for number in range(asks):
        begun = time.perf_counter()
        await connection.ask("POST", "/user/login?_format=json", {"name": f"user{number}", "pass": "x"})
        took.append(time.perf_counter() - begun)
    connection.close()
    return median(took) * 1e6


async def measure(sizes: Sizes) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with surroundings(Path(folder)) as around:
            trips = await round_trips(around, logins=sizes.one_by_one)
            first, second = int(trips["authenticate"]), int(trips["login"])
            beside = int(trips["in_all"]) - first - second
            async with (
                around.floor("e") as e,
                around.floor("contacts") as with_contacts,
                around.floor("f", around.smtp_port, first, second, beside) as f,
                around.gateway(store_url=around.redis.url) as gateway,
            ):
                servers = (e, gateway, f, with_contacts)
                for server in servers:
                    await server.frontend.log_in(sizes.logins, at_once=AT_ONCE)
                until = time.monotonic() + sizes.seconds
                for done in range(sizes.rounds):
                    if done >= FEWEST_ROUNDS and time.monotonic() > until:
                        break
                    for server in servers:
                        await server.round(sizes.logins)
                straight = []
                for _ in range(4):
                    straight.append(await direct(around, asks=sizes.one_by_one))
                    for server in servers:
                        await server.one_by_one(sizes.one_by_one)
                held = await bytes_per_pending(around, gateway, pending=sizes.pending)
                return {
                    "cpu_us_per_login": {server.name: round(median(server.cpu)) for server in servers},
                    "e_over_gateway": ratio(e.cpu, gateway.cpu),
                    "e_over_gateway_less_contacts": less_contacts(e.cpu, gateway.cpu, with_contacts.cpu),
                    "f_over_gateway": ratio(f.cpu, gateway.cpu),
                    "added_us_step_1": {
                        server.name: round(median(one for one, _ in server.latency) - median(straight))
                        for server in servers
                    },
                    "step_2_us": {server.name: round(median(two for _, two in server.latency)) for server in servers},
                    "redis_round_trips": trips,
                    "redis_bytes_per_pending_login": round(held),
                    "rss_mebibytes": round(processes.rss_mebibytes(gateway.pid), 1),
                }


def ratio(floor: Sequence[float], gateway: Sequence[float]) -> float:
    """The median over rounds that stood side by side, so that both met the same noise."""
    return round(median(one / other for one, other in zip(floor, gateway, strict=True)), 3)


def less_contacts(e: Sequence[float], gateway: Sequence[float], with_contacts: Sequence[float]) -> float:
    """The same without what reading the contacts costs at least, since E does not read them."""
    call = max(0, median(more - less for more, less in zip(with_contacts, e, strict=True)))
    return ratio(e, [cpu - call for cpu in gateway])


def show(found: Mapping[str, object]) -> None:
    cpu, first, second = found["cpu_us_per_login"], found["added_us_step_1"], found["step_2_us"]
    trips = found["redis_round_trips"]
    rows = [
        ("", "E", "F", "gateway", "E ÷ gw", "F ÷ gw"),
        ("CPU µs per login", *of(cpu), found["e_over_gateway"], found["f_over_gateway"]),
        ("added µs, step 1 (p50, one at once)", *of(first), *ratios(first)),
        ("µs, step 2 (p50, one at once)", *of(second), *ratios(second)),
    ]
    for name, *cells in rows:
        print(f"{name:38}" + "".join(f"{cell!s:>9}" for cell in cells))
    print(
        f"Redis round trips: authenticate {trips['authenticate']:g}, login {trips['login']:g}, in all {trips['in_all']:g} ({trips['commands']} commands, those of scripts among them)"
    )
    print(f"Redis bytes per pending login: {found['redis_bytes_per_pending_login']}")
    print(f"RSS with {QUICK.pending} pending logins: {found['rss_mebibytes']} MiB")
    print(f"E ÷ gateway less the contacts call: {found['e_over_gateway_less_contacts']}")
    print("E asks Drupal once, without contacts, and sends nothing; F asks and sends as much as the gateway.")


def of(figures: Mapping[str, int]) -> tuple[int, int, int]:
    return figures["e"], figures["f"], figures["gateway"]


def ratios(figures: Mapping[str, int]) -> tuple[float, float]:
    return round(figures["e"] / figures["gateway"], 2), round(figures["f"] / figures["gateway"], 2)


if __name__ == "__main__":
    begun = time.monotonic()
    found = uvloop.run(measure(QUICK))
    show(found)
    Path("bench.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"{time.monotonic() - begun:.0f} s; written to bench.json")
