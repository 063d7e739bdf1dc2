"""Who may ask, line by line of docs/serving.md: what another page, or another machine, can't do."""

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from lstmcore.experiments.serving.app import Part, Settings, create_app
from lstmcore.experiments.serving.guard import HEADERS, Door, is_loopback, new_token

OWN = {"origin": "http://localhost:8765", "sec-fetch-site": "same-origin"}


async def _changed(request: Request) -> Response:
    return JSONResponse({"changed": True})


def client(token: str | None = None, host: str = "localhost") -> TestClient:
    part = Part("/listen", "Listen", "listen.html", [Route("/api/change", _changed, methods=["POST", "GET"])])
    app = create_app(Settings(Door(host, 8765, token), [part]))
    return TestClient(app, base_url=f"http://{host}:8765", follow_redirects=False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1", "LOCALHOST"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "192.168.0.2", "localhost.evil.example", "127.0.0.1.evil"]
)
def test_other_hosts_are_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "192.168.0.2:8765", "", "[::1"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(host):
    assert client().get("/api/parts", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:8765", "[::1]:8765", "localhost:9000"])
def test_this_machine_is_let_in_by_each_of_its_names(host):
    """Another port is that of a tunnel."""
    assert client().get("/api/parts", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {},
    ],
)
def test_another_page_changes_nothing(headers):
    assert client().post("/api/change", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [OWN, {"origin": "http://localhost:8765"}])
def test_our_own_page_may_change(headers):
    assert client().post("/api/change", headers=headers).json() == {"changed": True}


@pytest.mark.parametrize("dest", ["image", "audio", "script", "empty", "iframe"])
def test_another_page_can_not_load_what_is_here(dest):
    mode = "navigate" if dest == "iframe" else "no-cors"
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert client().get("/api/parts", headers=headers).status_code == 403


def test_a_link_may_lead_here():
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client().get("/api/parts", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/api/parts", "/nothing", "/static/../app.py"])
def test_every_answer_has_the_policy(path):
    for headers in ({}, {"host": "evil.example"}):
        answer = client().get(path, headers=headers)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert not any(name.startswith("access-control") for name in answer.headers)
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_elsewhere_nothing_is_answered_without_the_token():
    token = new_token()
    outside = client(token, "192.168.0.2")
    for path in ("/", "/api/parts", "/static/common.css", "/?token=wrong", f"/?token={token}&token={token}"):
        assert outside.get(path).status_code == 401, path
    own = {"origin": "http://192.168.0.2:8765"}
    assert outside.post(f"/api/change?token={token}", headers=own).status_code == 401


def test_the_token_is_taken_from_the_address_once():
    token = new_token()
    outside = client(token, "192.168.0.2")
    first = outside.get(f"/listen?token={token}&song=a%26b")
    assert (first.status_code, first.headers["location"]) == (303, "/listen?song=a%26b")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert outside.get("/api/parts").status_code == 200  # by the cookie
    assert outside.post("/api/change", headers={"origin": "http://evil.example"}).status_code == 403


def test_an_address_with_a_token_leads_to_no_other_host():
    token = new_token()
    answer = client(token, "192.168.0.2").get(f"http://192.168.0.2:8765//evil.example/?token={token}")
    assert answer.headers["location"] == "/evil.example/"
