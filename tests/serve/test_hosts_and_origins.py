"""What the pages of other sites can do through a browser: nothing, unless the operator lets them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tart_index import Searcher
from tart_serve import ServiceSettings, create_app
from tart_serve.security.api_keys import ApiKey, Scope, key_digest
from tart_serve.security.hosts import host_name
from tart_serve.security.settings import LOOPBACK_HOSTS, SecuritySettings

SEARCH = {"query": "merge two dictionaries", "top_k": 1}
APP = "https://app.example.org"


def client_with(searcher: Searcher, security: SecuritySettings) -> TestClient:
    return TestClient(create_app({"code": searcher}, ServiceSettings(security=security)), raise_server_exceptions=False)


@pytest.fixture
def local(searcher: Searcher) -> TestClient:
    """A service as on loopback."""
    return client_with(searcher, SecuritySettings().listening_on("127.0.0.1", is_loopback=True))


@pytest.fixture
def crossing(searcher: Searcher) -> TestClient:
    """A service that one other site may call, with a key."""
    line = ApiKey("a", Scope.READ, key_digest("k")).line
    return client_with(searcher, SecuritySettings(key_lines=(line,), cors_origins=(APP,)))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080", "localhost:"]
)
def test_this_machine_s_own_names_are_taken(local: TestClient, host: str) -> None:
    assert local.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "localhost:x", "::1", ""],
)
def test_another_name_that_was_made_to_lead_here_is_refused(local: TestClient, host: str) -> None:
    for response in (
        local.get("/healthz", headers={"Host": host}),
        local.post("/v1/search", json=SEARCH, headers={"Host": host}),
    ):
        assert response.status_code == 400
        assert "127.0.0.1, [::1], localhost only" in response.json()["detail"]
        assert "--allowed-host" in response.json()["detail"]


def test_two_hosts_are_none(local: TestClient) -> None:
    hosts = [("Host", "localhost"), ("Host", "evil.example")]
    assert local.get("/healthz", headers=hosts).status_code == 400


@pytest.mark.parametrize(
    ("given", "name"),
    [("a", "a"), ("A:80", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("[::]", "[::]"), ("a:b", "a:b"), ("", "")],
)
def test_a_host_without_its_port(given: str, name: str) -> None:
    assert host_name(given) == name


def test_which_hosts_a_service_answers_for() -> None:
    default, named = SecuritySettings(), SecuritySettings(allowed_hosts=("search.example",))
    assert default.listening_on("127.0.0.1", is_loopback=True).allowed_hosts == LOOPBACK_HOSTS
    assert default.listening_on("127.0.0.2", is_loopback=True).allowed_hosts == (*LOOPBACK_HOSTS, "127.0.0.2")
    assert default.listening_on("::1", is_loopback=True).allowed_hosts == LOOPBACK_HOSTS
    assert default.listening_on("0.0.0.0", is_loopback=False).allowed_hosts is None
    public = named.listening_on("0.0.0.0", is_loopback=False).allowed_hosts
    assert public == (*LOOPBACK_HOSTS, "0.0.0.0", "search.example")


def test_no_other_site_may_read_by_default(local: TestClient) -> None:
    response = local.get("/healthz", headers={"Host": "localhost", "Origin": APP})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control-")]
    preflight = local.options(
        "/v1/search", headers={"Host": "localhost", "Origin": APP, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", [APP, "null", "http://localhost:9999", "http://localhost.evil.example:8080", "x"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_no_other_site_may_change_anything(local: TestClient, origin: str, method: str) -> None:
    headers = {"Host": "localhost:8080", "Origin": origin}
    response = local.request(method, "/v1/search", headers=headers, json=SEARCH)
    assert response.status_code == 403
    assert "may not call this service" in response.json()["detail"]


def test_its_own_page_and_programs_may(local: TestClient) -> None:
    for origin in ({"Origin": "http://localhost:8080"}, {}):
        headers = {"Host": "localhost:8080", **origin}
        assert local.post("/v1/search", json=SEARCH, headers=headers).status_code == 200


def test_a_site_that_may(crossing: TestClient) -> None:
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = crossing.options("/v1/search", headers=asked)  # Browsers send no key with it.
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == APP
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    for headers, status in (({"Authorization": "Bearer k"}, 200), ({}, 401)):
        response = crossing.post("/v1/search", json=SEARCH, headers={"Origin": APP, **headers})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, APP)
        assert "Retry-After" in response.headers["access-control-expose-headers"]


def test_one_site_that_may_opens_nothing_for_others(crossing: TestClient) -> None:
    other = "https://evil.example"
    preflight = crossing.options("/v1/search", headers={"Origin": other, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code in (400, 403)
    assert "access-control-allow-origin" not in preflight.headers
    response = crossing.post("/v1/search", json=SEARCH, headers={"Origin": other, "Authorization": "Bearer k"})
    assert response.status_code == 403
