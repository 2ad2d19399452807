"""Drupal behind TLS: its certificate is checked, and connections are kept."""

import pytest

from tests import smtp_server
from tests.site.backend import Backend, running
from tests.site.conftest import a_site
from tests.site.process import served
from tests.site.visitor import request


@pytest.fixture
def certificate(tmp_path):
    return smtp_server.certificate(tmp_path, host="localhost")


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_drupal_hears_nothing(certificate, events):
    async with (
        running(Backend(), tls=smtp_server.server_tls(certificate)) as backend,
        a_site(f"https://localhost:{backend.port}") as site,
    ):
        assert (await site.get(b"/")).status == 503

    assert backend.received == []
    assert [event["reason"] for event in events if event["event"] == "proxy.unavailable"] == [
        "ClientConnectorCertificateError"
    ]


async def test_with_a_trusted_certificate_pages_and_bodies_pass_over_one_connection(certificate, tmp_path):
    trusted = {"SSL_CERT_FILE": str(certificate)}
    async with (
        running(Backend(), tls=smtp_server.server_tls(certificate)) as backend,
        served(f"https://localhost:{backend.port}", tmp_path, environment=trusted) as (_, site),
        site.visit() as visitor,
    ):
        for body in (b"", b"x" * 3_000_000, b""):
            await visitor.send(request(b"/", method=b"POST", body=body))
            assert (await visitor.reply()).body == b"ok"
            assert backend.last.body == body
        await visitor.send(request(b"/"))
        assert (await visitor.reply()).status == 200

    assert len(backend.received) == 4
    assert len(backend.peers) == 1
