"""The application with a real desk behind it: what may be asked for, and what is answered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shipfit.contracts import MAX_SAID, Settings
from shipfit.interfaces.chat.desk import Desk
from shipfit.interfaces.web.access import Access
from shipfit.interfaces.web.app import create_app
from shipfit.interfaces.web.files import Files
from shipfit.interfaces.web.rooms import Rooms
from shipfit.interfaces.web.view import view

OWN = "http://127.0.0.1:8765"
SECRET = "tok-3n-of-this-server"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(Settings(home=tmp_path / "home"), tmp_path / "workspace") as desk:
        yield desk


@pytest.fixture
def rooms(desk: Desk) -> Rooms:
    return Rooms(desk)


@pytest.fixture
def client(desk: Desk, rooms: Rooms) -> Iterator[TestClient]:
    app = create_app(rooms, Files(desk.workspace, desk.settings), Access("127.0.0.1", 8765, SECRET))
    with TestClient(app, base_url=OWN, headers={"Origin": OWN}, raise_server_exceptions=False) as client:
        client.get(f"/?token={SECRET}")
        yield client


@pytest.fixture
def talk(client: TestClient) -> str:
    return f"/api/conversations/{client.post('/api/conversations').json()['id']}"


def streamed(client: TestClient, rooms: Rooms, talk: str, after: int) -> list[dict[str, Any]]:
    """What the page is sent after an entry by a server that ends: all there is, then the end."""
    rooms.close()
    lines = client.get(f"{talk}/events", headers={"Last-Event-ID": str(after)}).text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def told(rooms: Rooms, talk: str) -> list[dict[str, Any]]:
    """What the page is sent of everything so far."""
    return [view(entry) for entry in rooms.conversation(talk.rpartition("/")[2]).entries()]


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/static/", "/static/../gate.py", "/api", "/api/conversations/x/y"]
)
def test_nothing_else_is_there(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_the_page_and_its_files_are_given(client: TestClient):
    assert "<main>" in client.get("/").text
    assert client.get("/static/main.js").headers["content-type"].startswith("text/javascript")


def test_what_is_said_is_understood_and_stays(client: TestClient, rooms: Rooms, talk: str):
    client.post(f"{talk}/messages", json={"text": "half the size, and hello <b>"})
    entries = told(rooms, talk)
    assert [entry["kind"] for entry in entries][:2] == ["said", "understood"]
    assert entries[0]["text"] == "half the size, and hello <b>"
    assert [entry["number"] for entry in streamed(client, rooms, talk, after=1)] == [
        entry["number"] for entry in entries[1:]
    ]
    assert client.get("/api/conversations").json()[0]["title"].startswith("half the size")


def test_a_message_of_a_megabyte_is_refused_and_everything_else_goes_on(client: TestClient, rooms: Rooms, talk: str):
    answer = client.post(f"{talk}/messages", json={"text": "x" * 2**20})
    assert answer.status_code == 413
    assert f"{MAX_SAID:,} characters" in answer.json()["error"]
    client.post(f"{talk}/messages", json={"text": "x" * (MAX_SAID + 1)})
    client.post(f"{talk}/messages", json={"text": "half the size"})
    kinds = [entry["kind"] for entry in told(rooms, talk)]
    assert kinds[:4] == ["said", "refused", "said", "understood"]


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"text": 5}', '{"text": "x", "more": 1}', '{"text": NaN}', "[" * 100_000]
)
def test_what_is_no_message_is_refused(client: TestClient, talk: str, body: str):
    answer = client.post(f"{talk}/messages", content=body)
    assert answer.status_code in (400, 413)
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("name", ["20990101-000000-abcdef", "nothing", "..", "%2e%2e%2fx", "x" * 5000])
@pytest.mark.parametrize("rest", ["events", "files/a", "files/../../../../etc/passwd"])
def test_no_other_conversation_can_be_reached(client: TestClient, name: str, rest: str):
    answer = client.get(f"/api/conversations/{name}/{rest}")
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("/etc/passwd", "outside"),
        ("../x.onnx", "leads out"),
        ("os:system", "code"),
        ("link.onnx", "link"),
        ("gone.onnx", "not in the workspace"),
        (".shipfit/desk.lock", "its own"),
    ],
)
def test_paths_stay_in_the_workspace_and_code_is_never_run(
    client: TestClient, rooms: Rooms, desk: Desk, talk: str, model: str, why: str
):
    (desk.workspace.root / "link.onnx").symlink_to("/etc/passwd")
    client.post(f"{talk}/messages", json={"text": "half the size", "model": model})
    refused = [str(entry["text"]) for entry in told(rooms, talk) if entry["kind"] == "refused"]
    assert len(refused) == 1
    assert why in refused[0]


def test_only_files_that_a_conversation_made_are_handed_out(client: TestClient, desk: Desk, talk: str):
    (desk.workspace.root / "mine.txt").write_text("mine")
    for name in ("mine.txt", "%2e%2e/secret", ".shipfit/desk.lock"):
        answer = client.get(f"{talk}/files/{name}")
        assert answer.status_code in (400, 404)
        assert "mine" not in answer.text.replace("mine.txt", "")


@pytest.mark.parametrize("order", ["stop", "resume", "answer"])
def test_orders_without_a_run_are_answered_in_the_conversation(client: TestClient, rooms: Rooms, talk: str, order: str):
    assert client.post(f"{talk}/{order}", json={"action": "go"}).status_code == 200
    assert [entry["kind"] for entry in told(rooms, talk)] in (["notice"], ["refused"])


def test_conversations_are_kept_apart(client: TestClient, rooms: Rooms, talk: str):
    other = f"/api/conversations/{client.post('/api/conversations').json()['id']}"
    client.post(f"{talk}/messages", json={"text": "half the size"})
    assert told(rooms, other) == []


def test_a_fault_of_ours_is_one_line_and_the_traceback_a_file(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("SHIPFIT_HOME", str(tmp_path / "home"))

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk, "list", broken)
    answer = client.get("/api/conversations")
    assert answer.status_code == 500
    assert "fault of shipfit (ZeroDivisionError" in answer.json()["error"]
    assert SECRET not in answer.text


def test_files_that_are_no_model_are_refused_while_they_come(client: TestClient):
    answer = client.post("/api/uploads/0123456789abcdef?name=net.exe", content=b"x")
    assert answer.status_code == 400
    assert "neither a model nor data" in answer.json()["error"]
    assert client.post("/api/uploads/0123456789abcdef", content=b"x").status_code == 400


def test_data_are_taken_and_offered(client: TestClient):
    sent = client.post("/api/uploads/0123456789abcdef?name=a%20b.npz", content=b"x").json()
    assert (sent["kind"], sent["path"]) == ("data", "uploads/0123456789abcdef/a b.npz")
    assert [item["path"] for item in client.get("/api/workspace").json()["data"]] == [sent["path"]]
