"""The door of the web chat: who is let in, from where, and what every answer carries."""

from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from shipfit.interfaces.network import is_loopback
from shipfit.interfaces.web.access import Access
from shipfit.interfaces.web.gate import Gate, headers_of_all

OWN = "http://127.0.0.1:8765"
PATHS = (
    "/",
    "/static/main.js",
    "/api/conversations",
    "/docs",
    "/openapi.json",
    "/redoc",
    "/../etc/passwd",
    "/nothing",
)


@pytest.fixture(scope="module")
def access() -> Access:
    return Access("127.0.0.1", 8765)


@pytest.fixture
def client(access: Access) -> Iterator[TestClient]:
    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/{path:path}", hello, methods=["GET", "POST", "DELETE"])])
    with TestClient(Gate(app, access), base_url=OWN, follow_redirects=False) as client:
        yield client


@pytest.fixture
def known(client: TestClient, access: Access) -> TestClient:
    client.cookies.set(access.cookie, access.token, domain="127.0.0.1")
    return client


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_every_path_answers_401(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.status_code == 401
    assert "hello" not in answer.text


@pytest.mark.parametrize("query", ["token=", "token=wrong", "token", "Token={token}", "token={token}x", "token=é"])
def test_a_wrong_token_is_refused(client: TestClient, access: Access, query: str):
    answer = client.get("/?" + query.format(token=access.token))
    assert answer.status_code == 401
    assert access.token not in answer.text
    assert "set-cookie" not in answer.headers


def test_the_link_becomes_a_cookie_and_leaves_the_address(client: TestClient, access: Access):
    answer = client.get(access.link)
    cookie = answer.headers["set-cookie"].lower()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").text == "hello"


def test_the_token_of_the_link_opens_nothing_but_the_front(client: TestClient, access: Access):
    assert client.get(f"/api/conversations?token={access.token}").status_code == 401
    assert client.post(f"/?token={access.token}", headers={"Origin": OWN}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil", "", "[", "10.0.0.1"]
)
def test_other_names_are_not_answered(known: TestClient, access: Access, host: str):
    answer = known.get("/", headers={"Host": host, "Cookie": f"{access.cookie}={access.token}"})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost:8765", "[::1]:8765", "127.0.0.1:9000", "LOCALHOST"])
def test_own_names_are_answered_also_through_a_tunnel(known: TestClient, access: Access, host: str):
    answer = known.get("/", headers={"Host": host, "Cookie": f"{access.cookie}={access.token}"})
    assert answer.text == "hello"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "https://127.0.0.1:8765"},
        {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_changes_from_elsewhere_are_refused(known: TestClient, headers: dict[str, str]):
    assert known.post("/api/conversations", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": OWN}, {"Sec-Fetch-Site": "same-origin"}])
def test_changes_from_the_own_page_pass(known: TestClient, headers: dict[str, str]):
    assert known.post("/api/conversations", headers=headers).text == "hello"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_open_the_page_and_load_nothing_of_it(known: TestClient, site: str):
    assert known.get("/static/main.js", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert (
        known.get("/api/conversations", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status_code
        == 403
    )
    assert known.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).text == "hello"


def test_a_link_from_another_site_is_followed_once_more_from_here(client: TestClient):
    """Its strict cookie is not sent along the redirect; a request that our own page makes has it."""
    html = {"Accept": "text/html"}
    assert 'content="0;url=/"' in client.get("/", headers={**html, "Sec-Fetch-Site": "cross-site"}).text
    assert "refresh" not in client.get("/", headers={**html, "Sec-Fetch-Site": "same-origin"}).text


@pytest.mark.parametrize("path", ["/", "/static/main.js"])
def test_every_answer_carries_the_headers(client: TestClient, access: Access, path: str):
    refused = client.get(path)
    client.get(access.link)
    for answer in (refused, client.get(path), client.post(path)):
        assert {name: answer.headers[name] for name in headers_of_all()} == headers_of_all()
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in answer.headers


@given(st.text())
def test_only_the_token_is_the_token(given_token: str):
    access = Access("127.0.0.1", 1, "right")
    assert access.admits(given_token) == (given_token == "right")


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=255)))
def test_any_host_header_has_an_answer(host: str):
    access = Access("127.0.0.1", 1)
    refusal = access.refusal("GET", "/", {"host": host})
    assert refusal is None or refusal.status == 421


def test_a_token_is_never_shown(access: Access):
    assert access.token not in repr(access)
    assert len(access.token) >= 40
    assert Access("127.0.0.1", 1).token != access.token


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/"),
        ("localhost", "http://localhost:80/"),
        ("::1", "http://[::1]:80/"),
        ("0.0.0.0", "http://127.0.0.1:80/"),
        ("192.168.1.5", "http://192.168.1.5:80/"),
    ],
)
def test_links_lead_to_this_machine(host: str, link: str):
    assert Access(host, 80, "t").link == f"{link}?token=t"


def test_a_server_for_others_answers_to_its_addresses_and_names():
    access = Access("0.0.0.0", 80)
    assert access.refusal("GET", "/", {"host": "192.168.1.5:80"}) is None
    refusal = access.refusal("GET", "/", {"host": "evil.example"})
    assert refusal is not None
    assert refusal.status == 421
    assert not is_loopback("0.0.0.0")
