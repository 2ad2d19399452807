"""A web server that costs nearly nothing, behind a proxy: `python -m tests.bench.site`.

`/` is a small page with Drupal's headers; `/download/N` has N MiB; any body that is sent is read and counted.
"""

import asyncio
import re

from tests.bench.drupal import HEAD
from tests.bench.processes import say_and_serve

MIB = 1 << 20
PIECE = bytes(256 * 1024)
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
BODY = b"<!doctype html>" + b"x" * 4000
PAGE = b"HTTP/1.1 200 OK\r\n%bContent-Type: text/html; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%b" % (
    HEAD,
    len(BODY),
    BODY,
)
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"


class Site(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.received = b""
        self.left = 0
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        if self.left:
            self.left -= len(data)
            if not self.left:
                self.transport.write(DONE)
            return
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, self.received = self.received[: end + 2], self.received[end + 4 :]
            self.answer(head)

    def answer(self, head):
        length = LENGTH.search(head)
        path = head.split(b" ", 2)[1]
        if length:
            self.left, self.received = int(length[1]) - len(self.received), b""
            if not self.left:
                self.transport.write(DONE)
        elif path.startswith(b"/download/"):
            self.sending = asyncio.get_running_loop().create_task(self.send(int(path[10:])))
        else:
            self.transport.write(PAGE)

    async def send(self, mebibytes):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (mebibytes * MIB))
        for _ in range(mebibytes * MIB // len(PIECE)):
            await self.writable.wait()
            self.transport.write(PIECE)


if __name__ == "__main__":
    say_and_serve(http=Site)
