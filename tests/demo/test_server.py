"""The server as programs meet it: its API, and what it gives to nobody."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from e2gan.cli import cli
from e2gan.images import read_provenance, save_image
from e2gan_demo.guard import Access
from e2gan_demo.limits import RateLimit
from e2gan_demo.uploads import MAX_UPLOAD
from tests.demo.serving import Served, png


@pytest.fixture(scope="module")
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from gradio_client import Client

    client = Client(served.url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)
    yield client
    client.close()


@pytest.fixture
def photo(tmp_path: Path) -> Any:
    from gradio_client import handle_file

    (tmp_path / "mine.png").write_bytes(png(80, 60))
    return handle_file(str(tmp_path / "mine.png"))


class TestAPI:
    def test_concepts(self, client: Any) -> None:
        assert [(card["name"], card["prompt"]) for card in client.predict(api_name="/concepts")] == [
            ("dawn", "in the style of dawn"),
            ("dusk", "in the style of dusk"),
        ]

    def test_an_edit_is_what_apply_writes(self, client: Any, photo: Any, served: Served, tmp_path: Path) -> None:
        file = client.predict(photo, {"dusk": 0.5, "dawn": 0.5}, 0.8, "webp", api_name="/edit")
        blend = {served.studio.catalogue.find(name): 0.5 for name in ("dusk", "dawn")}
        save_image(served.editor.apply(png(80, 60), blend, 0.8), tmp_path / "expected.webp")
        assert Path(file).read_bytes() == (tmp_path / "expected.webp").read_bytes()
        assert read_provenance(file)["strength"] == 0.8  # type: ignore[index]

    def test_a_sheet(self, client: Any, photo: Any) -> None:
        assert Image.open(client.predict(photo, api_name="/sheet")).format == "JPEG"

    @pytest.mark.parametrize(
        "blend, strength, format, message",
        [
            ({"nope": 1}, 1, "png", "no concept 'nope'"),
            ({"/etc/passwd": 1}, 1, "png", "no concept"),
            ({}, 1, "png", "choose a concept"),
            ({"dusk": 1}, 2, "png", "strength"),
            ({"dusk": 1}, 1, "exe", "format"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, client: Any, photo: Any, blend: Any, strength: float, format: str, message: str
    ) -> None:
        from gradio_client.exceptions import AppError

        with pytest.raises(AppError, match=message):
            client.predict(photo, blend, strength, format, api_name="/edit")

    def test_a_bad_photo_is_told(self, client: Any, tmp_path: Path) -> None:
        from gradio_client import handle_file
        from gradio_client.exceptions import AppError

        (tmp_path / "bad.png").write_bytes(b"nothing of the kind")
        with pytest.raises(AppError, match="not a picture"):
            client.predict(handle_file(str(tmp_path / "bad.png")), {"dusk": 1}, api_name="/edit")

    def test_these_are_all(self, client: Any) -> None:
        assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
            "/clip",
            "/concepts",
            "/edit",
            "/sheet",
        }


class TestWhatNobodyGets:
    @pytest.mark.parametrize("path", ["/etc/passwd", __file__, "../../etc/passwd"])
    def test_files_of_the_machine(self, served: Served, path: str) -> None:
        assert status(f"{served.url}gradio_api/file={path}") in (403, 404)

    def test_a_list_of_uploads(self, served: Served) -> None:
        from gradio.utils import get_upload_folder

        assert status(f"{served.url}gradio_api/file={get_upload_folder()}") in (403, 404)

    def test_a_file_that_is_no_upload(self, client: Any) -> None:
        from gradio_client.exceptions import AppError

        file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
        with pytest.raises(AppError):
            client.predict(file, {"dusk": 1}, api_name="/edit")

    def test_room_for_a_huge_upload(self, served: Served) -> None:
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        body += b"\0" * (MAX_UPLOAD + 1000) + b"\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert status(f"{served.url}gradio_api/upload", body, kind) == 413

    def test_a_record_of_what_others_did(self, served: Served) -> None:
        assert status(f"{served.url}gradio_api/runs") == 404
        assert status(f"{served.url}monitoring/summary") in (401, 403, 404)


def status(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {})) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


class TestRateLimit:
    def test_answers_429_to_too_much(self) -> None:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route
        from starlette.testclient import TestClient

        from e2gan_demo.limits import Buckets

        buckets = Buckets(rate=0, reserve=6)
        hello = [Route("/{path:path}", lambda request: PlainTextResponse("hello"), methods=["GET", "POST"])]
        app = TestClient(Starlette(routes=hello, middleware=[Middleware(RateLimit, access=Access(), buckets=buckets)]))
        assert [app.post(path).status_code for path in ("/upload", "/queue/join", "/queue/join")] == [200, 200, 429]
        assert app.get("/").status_code == 200


@pytest.mark.usefixtures("command")
class TestCommand:
    def test_is_the_programs(self) -> None:
        result = CliRunner().invoke(cli, ["demo", "--help"])
        assert result.exit_code == 0
        assert "Edit photos and short clips on a web page." in result.stdout

    def test_a_base_that_is_not_there(self) -> None:
        result = CliRunner().invoke(cli, ["demo", "--base", "nowhere"])
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
