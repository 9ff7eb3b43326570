"""The audit of dependencies, against a server of advisories that runs here."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "audit.py"


class _Advisories(BaseHTTPRequestHandler):
    """Knows one vulnerability, of PyYAML."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = {"name": "pyyaml", "ecosystem": "PyPI"}
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
        affected = [{"package": package, "ranges": ranges}]
        wanted = query["package"]["name"].lower() == "pyyaml"
        answer = json.dumps({"vulns": [{"id": "TEST-1", "affected": affected}]} if wanted else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def advisories() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--vulnerability-service", "osv", "--osv-url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_known_vulnerability_fails_the_audit(advisories):
    done = audit(advisories)
    assert done.returncode == 1
    assert "TEST-1; mended in 99.1" in done.stdout
    assert "1 known vulnerability in " in done.stdout


def test_an_audit_without_its_data_says_that_it_was_skipped():
    done = audit("http://127.0.0.1:9/v1/query")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Skipped: ")
