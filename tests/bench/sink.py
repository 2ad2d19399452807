"""A mail server that takes everything and tells who is connected to its other port the code: `python -m tests.bench.sink`."""

import asyncio
import re

from tests.bench.processes import say_and_serve

CODE = re.compile(rb"\b(\d{6})\b")
GREETING = b"220 sink.example.org ESMTP\r\n"
EXTENSIONS = b"250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
END = b"\r\n.\r\n"

watchers: set[asyncio.WriteTransport] = set()


class Mail(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.received = b""
        self.to = b""
        self.in_text = False
        transport.write(GREETING)

    def data_received(self, data):
        self.received += data
        while True:
            mark = END if self.in_text else b"\r\n"
            part, found, rest = self.received.partition(mark)
            if not found:
                return
            self.received = rest
            self.transport.write(self.take_text(part) if self.in_text else self.take_line(part))

    def take_line(self, line):
        match line[:4].upper():
            case b"EHLO":
                return EXTENSIONS
            case b"RCPT":
                self.to = line.partition(b"<")[2].partition(b">")[0]
            case b"DATA":
                self.in_text = True
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
        return b"250 ok\r\n"

    def take_text(self, text):
        self.in_text = False
        body = text.partition(b"\r\n\r\n")[2]
        match = CODE.search(body)
        for watcher in watchers:
            watcher.write(b"%b %b\n" % (self.to, match[1] if match else b""))
        return b"250 taken\r\n"


class Watch(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        watchers.add(transport)

    def connection_lost(self, _error):
        watchers.discard(self.transport)


if __name__ == "__main__":
    say_and_serve(smtp=Mail, watch=Watch)
