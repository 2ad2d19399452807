"""The image's health check tells the truth: it is run here as the Dockerfile says it."""

import http.server
import json
import subprocess
import sys
import threading

import pytest

from tests.unit.test_dockerfile import said, stages


@pytest.fixture
def admin():
    """An admin listener whose /livez answers what `status` says."""

    class Admin(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(self.server.status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Admin) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def health_check(port):
    (line,) = said(stages()["headgate"], "HEALTHCHECK")
    program, *arguments = json.loads(line.partition("CMD ")[2])
    assert program == "python"
    # A proxy in the environment must not be asked about our own loopback.
    environment = {"HEADGATE_ADMIN__PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_the_health_check_believes_livez(admin, status, healthy):
    admin.status = status

    assert (health_check(admin.server_port) == 0) is healthy


def test_the_health_check_fails_where_nobody_listens(admin):
    admin.server_close()

    assert health_check(admin.server_port) != 0
