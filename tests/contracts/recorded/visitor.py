"""A client of the simulated Drupal that keeps no cookies, as the gateway keeps none."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway.demo.drupal.server import SimulatedDrupal
from tests.contracts.recorded.given import Clock

LOGIN = "/user/login?_format=json"
STATUS = "/user/login_status?_format=json"
ALICE = {"name": "alice", "pass": "alice-pass-1"}


@dataclass(kw_only=True)
class Visitor:
    """A client without a memory for cookies, as the gateway is one."""

    drupal: SimulatedDrupal
    clock: Clock
    url: str
    client: aiohttp.ClientSession

    async def post(self, path: str = LOGIN, body: object = None, cookie: str = "") -> aiohttp.ClientResponse:
        headers = {"Cookie": cookie} if cookie else {}
        document = ALICE if body is None else body
        return await self.client.post(self.url + path, json=document, headers=headers, allow_redirects=False)

    async def get(self, path: str, cookie: str = "") -> aiohttp.ClientResponse:
        headers = {"Cookie": cookie} if cookie else {}
        return await self.client.get(self.url + path, headers=headers, allow_redirects=False)

    async def submit(self, path: str, cookie: str = "", **fields: str) -> aiohttp.ClientResponse:
        headers = {"Cookie": cookie} if cookie else {}
        return await self.client.post(self.url + path, data=fields, headers=headers, allow_redirects=False)

    async def log_in(self) -> tuple[str, dict[str, Any]]:
        answer = await self.post()
        return cookie_of(answer), await answer.json()


def cookie_of(answer: aiohttp.ClientResponse) -> str:
    return answer.headers["Set-Cookie"].partition(";")[0]
