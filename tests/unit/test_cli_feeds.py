"""`kuroshio feeds` shows a running node's sources and says with its exit code whether one is in alarm."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from kuroshio.cli.feeds import cells
from kuroshio.cli.main import main

OK = {
    "name": "a", "state": "ok", "alarm": False, "age_s": 1.2, "rate_per_min": 60.0, "norm_per_min": None,
    "reject_share": 0.013, "clock_offset_s": -1.25, "detail": "", "limits": {"dropped": 3},
}  # fmt: skip
SILENT = {"name": "b", "state": "silent", "alarm": True, "age_s": None, "detail": "[Errno 111] refused", "limits": {}}


@pytest.fixture
def node():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("Authorization")))
            status, body = answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    seen, answers = [], [(200, json.dumps([OK, SILENT]).encode())]
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen, answers
    server.shutdown()
    server.server_close()


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["feeds", *arguments])
    return int(ended.value.code or 0)


def test_feeds_in_alarm_are_named_and_end_with_one(node, capsys, tmp_path):
    url, seen, answers = node
    (tmp_path / "token").write_text("kur_x\n")
    assert run("--url", url + "/", "--token-file", str(tmp_path / "token"), "--json") == 1
    out = capsys.readouterr()
    assert json.loads(out.out)["alarms"] == ["b"]
    assert seen == [("/api/v1/feeds", "Bearer kur_x")]
    answers[0] = (200, json.dumps([OK]).encode())
    assert run("--url", url) == 0


def test_cells_are_for_people():
    assert cells(OK) == ["a", "ok", "1", "60", None, "1.3 %", "-1.2", "dropped 3"]
    assert cells(SILENT)[1:3] == ["[bold]SILENT[/]", None]


@pytest.mark.parametrize(
    ("answer", "code"), [((401, b"{}"), 9), ((500, b"{}"), 3), ((200, b"not json"), 3), ((200, b"{}"), 3)]
)
def test_an_answer_that_is_none_is_told(node, answer, code):
    url, _, answers = node
    answers[0] = answer
    assert run("--url", url) == code


def test_an_address_that_is_none_or_answers_nothing_is_told(tmp_path):
    assert run("--url", "file:///etc/passwd") == 2
    assert run("--url", "http://127.0.0.1:1") == 3
    assert run("--token-file", str(tmp_path / "absent")) == 2
