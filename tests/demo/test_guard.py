"""Who may reach the page, and what stays on the machine of who serves it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan_demo.disk import Disk, folder_of_its_own
from e2gan_demo.guard import MAX_BODY, Access, Guard
from e2gan_demo.limits import Buckets, RateLimit
from e2gan_demo.uploads import MAX_UPLOAD, Uploads
from tests.demo.serving import Served, png, tiny_concepts

HERE = "http://127.0.0.1:7860"
JOIN = "/gradio_api/queue/join"
EMPTY: dict[str, str] = {}


def guarded(access: Access, **more: Any) -> TestClient:
    """A page behind the guard and the limit, asked from ``testclient``."""

    async def hello(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())} {request.headers.get('x-forwarded-host')}")

    middleware = [Middleware(Guard, access=access), Middleware(RateLimit, access=access, **more)]
    routes = [Route("/{path:path}", hello, methods=["GET", "POST"])]
    return TestClient(Starlette(routes=routes, middleware=middleware), base_url=HERE)


class TestHosts:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1:7860",
            "localhost",
            "LOCALHOST:7860",
            "[::1]:7860",
            "192.168.0.7",
            "10.0.0.1:80",
            socket.gethostname(),
        ],
    )
    def test_names_of_this_machine(self, host: str) -> None:
        assert guarded(Access()).get("/", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:7860",
            "x",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "a b",
            "[",
            "é",
        ],
    )
    def test_foreign_ones(self, host: str) -> None:
        answer = guarded(Access()).get("/", headers={"Host": host.encode("latin-1")})  # type: ignore[dict-item]
        assert answer.status_code == 400
        assert "--allowed-host" in answer.text

    def test_named(self) -> None:
        access = Access.of(["Studio.example.org", "*.example.net"], environment=EMPTY)
        for host, there in (
            ("studio.example.org", True),
            ("studio.example.org:443", True),
            ("a.b.example.net", True),
            ("example.net", False),
            ("evilexample.net", False),
            ("example.org", False),
        ):
            assert guarded(access).get("/", headers={"Host": host}).is_success == there, host
        assert guarded(Access.of(["*"], environment=EMPTY)).get("/", headers={"Host": "any.example"}).is_success

    @pytest.mark.parametrize("host", ["http://x", "a/b", "", "a b", "-", "*.*", "x;y", "a\nb"])
    def test_what_is_none(self, host: str) -> None:
        with pytest.raises(E2GANError, match="not a host name"):
            Access.of([host], environment=EMPTY)

    def test_as_proxies_say_it(self) -> None:
        access = Access.of(["studio.example.org"], 1, environment=EMPTY)
        said = {"X-Forwarded-Host": "studio.example.org"}
        assert guarded(access).get("/", headers=said).text == "0 studio.example.org"
        assert guarded(access).get("/", headers={"X-Forwarded-Host": "evil.example"}).status_code == 400
        # Without a proxy nobody may say it.
        assert guarded(Access()).get("/", headers={"X-Forwarded-Host": "evil.example"}).text == "0 None"

    @given(st.text(max_size=30))
    def test_any_header_is_allowed_or_not(self, text: str) -> None:
        assert isinstance(Access().allows(text), bool)
        assert isinstance(Access().allows_origin(text, ["127.0.0.1"]), bool)


class TestOtherPages:
    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://", "x"])
    def test_may_not_ask_in_a_visitors_name(self, origin: str) -> None:
        page = guarded(Access())
        assert page.post(JOIN, headers={"Origin": origin}).status_code == 403
        assert page.get("/", headers={"Origin": origin}).status_code == 200

    def test_this_one_may(self) -> None:
        assert guarded(Access()).post(JOIN, headers={"Origin": HERE}).status_code == 200
        access = Access.of(["studio.example.org"], 1, environment=EMPTY)
        # A proxy that passes its own name for the host, as many do.
        assert guarded(access).post(JOIN, headers={"Origin": "https://studio.example.org"}).status_code == 200

    def test_nothing_is_got_from_elsewhere(self) -> None:
        for path in ("file=http://example.org/x", "file=https://example.org/x", "proxy=https://a.hf.space/x"):
            assert guarded(Access()).get(f"/gradio_api/{path}").status_code == 404

    @pytest.mark.parametrize("path", ["process_recording", "component_server", "vibe-edit", "stream/x", "x/upload/y"])
    def test_nor_taken_but_what_the_page_needs(self, path: str) -> None:
        assert guarded(Access()).post(f"/gradio_api/{path}", content=b"x").status_code == 404


class TestTold:
    def test_browsers(self) -> None:
        headers = guarded(Access()).get("/").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert (policy["default-src"], policy["connect-src"]) == ("'self'", "'self' data: blob:")
        assert (policy["object-src"], policy["frame-ancestors"]) == ("'none'", "'self'")

    def test_who_may_embed_it(self) -> None:
        access = Access.of(frames=["https://example.org", "https://*.example.net:8443"], environment=EMPTY)
        headers = guarded(access).get("/").headers
        assert (
            "frame-ancestors 'self' https://example.org https://*.example.net:8443"
            in headers["content-security-policy"]
        )
        assert "x-frame-options" not in headers

    @pytest.mark.parametrize("frame", ["example.org", "https://a; script-src *", "*", "javascript:x", "https://a/b"])
    def test_what_is_no_origin(self, frame: str) -> None:
        with pytest.raises(E2GANError, match="not an origin"):
            Access.of(frames=[frame], environment=EMPTY)

    def test_in_a_space(self) -> None:
        access = Access.of(environment={"SPACE_ID": "me/studio", "SPACE_HOST": "me-studio.hf.space"})
        assert access == Access(("me-studio.hf.space",), 1, ("https://huggingface.co",))
        assert guarded(access).get("/", headers={"Host": "me-studio.hf.space"}).is_success
        assert not guarded(access).get("/", headers={"Host": "you-studio.hf.space"}).is_success

    def test_a_request_has_an_end(self) -> None:
        assert guarded(Access()).post(JOIN, content=b"x" * MAX_BODY).text.startswith(f"{MAX_BODY} ")
        assert guarded(Access()).post(JOIN, content=b"x" * (MAX_BODY + 1)).status_code == 413


class TestVisitors:
    """Each address has its share of requests, and nobody is somebody else by saying so."""

    @staticmethod
    def took(access: Access, forwarded: Callable[[int], list[str]]) -> list[int]:
        page = guarded(access, buckets=Buckets(rate=0, reserve=3))
        return [
            page.post(JOIN, headers=[("X-Forwarded-For", value) for value in forwarded(number)]).status_code  # type: ignore
            for number in range(5)
        ]

    ENOUGH, ALL = [200, 200, 200, 429, 429], [200] * 5

    def test_without_a_proxy_the_header_says_nothing(self) -> None:
        assert self.took(Access(), lambda number: [f"10.0.0.{number}"]) == self.ENOUGH

    def test_behind_one_the_last_entry_counts(self) -> None:
        access = Access(proxies=1)
        assert self.took(access, lambda number: [f"10.0.0.{number}, 192.0.2.1"]) == self.ENOUGH
        assert self.took(access, lambda number: [f"10.0.0.{number}", "192.0.2.1"]) == self.ENOUGH
        assert self.took(access, lambda number: [f"192.0.2.1, 10.0.0.{number}"]) == self.ALL

    def test_behind_two_the_one_before(self) -> None:
        access = Access(proxies=2)
        assert self.took(access, lambda number: [f"10.0.0.{number}, 192.0.2.1, 10.1.1.{number}"]) == self.ENOUGH
        # Who comes past a proxy is known by the connection.
        assert self.took(access, lambda number: [f"10.0.0.{number}"]) == self.ENOUGH


class TestDisk:
    def file(self, disk: Disk, name: str, size: int, age: float) -> Path:
        path = disk.folder / name / "photo.png"
        path.parent.mkdir()
        path.write_bytes(b"x" * size)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def test_what_was_used_longest_ago_makes_room(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk", most=100, young=10)
        old, middle, new = (self.file(disk, name, 40, age) for name, age in (("a", 99), ("b", 50), ("c", 20)))
        disk.make_room(20)
        assert not old.parent.exists()
        assert middle.exists() and new.exists()
        disk.make_room(60)
        assert [path.parent.name for path in disk.folder.rglob("*.png")] == ["c"]

    def test_not_what_is_in_use(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk", most=100, young=10)
        self.file(disk, "a", 80, 0)
        with pytest.raises(E2GANError, match="no room"):
            disk.make_room(30)
        disk.make_room(20)

    def test_a_file_that_is_made_has_its_room_and_stays(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk", most=100, young=0, kept=0)
        with disk.place(60) as folder:
            (folder / "half").write_bytes(b"x" * 30)
            with pytest.raises(E2GANError, match="no room"):
                disk.make_room(50)
            disk.make_room(40)
            disk.sweep()
            assert (folder / "half").exists()
        disk.make_room(80)
        assert not folder.exists()

    @pytest.mark.parametrize("fault", [OSError(28, "No space left"), E2GANError("bad"), KeyboardInterrupt()])
    def test_a_file_that_cannot_be_made_leaves_nothing(self, tmp_path: Path, fault: BaseException) -> None:
        disk = Disk(tmp_path / "disk", most=100)
        with pytest.raises(type(fault) if not isinstance(fault, OSError) else E2GANError), disk.place(60) as folder:
            (folder / "half").write_bytes(b"x" * 30)
            raise fault
        assert list(disk.folder.iterdir()) == []
        disk.make_room(100)

    def test_files_go_with_their_page(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk")
        for session in ("me", "them", ""):
            with disk.place(9, session) as folder:
                (folder / f"of {session}").write_bytes(b"x")
        for session in ("me", ""):
            disk.leave(session)
        assert sorted(path.name for path in disk.folder.rglob("of*")) == ["of ", "of them"]

    def test_what_nobody_uses_goes(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk", kept=30)
        for name, age in (("a", 99), ("b", 5)):
            self.file(disk, name, 10, age)
        disk.sweep()
        assert [folder.name for folder in disk.folder.iterdir()] == ["b"]


class TestFolder:
    def test_goes_with_the_program(self, tmp_path: Path) -> None:
        with folder_of_its_own(tmp_path) as folder:
            (folder / "uploads").mkdir()
            (folder / "uploads" / "a").write_text("a")
        assert list(tmp_path.iterdir()) == []

    def test_those_of_the_dead_go_and_those_of_the_living_stay(self, tmp_path: Path) -> None:
        code = (
            "import os; from pathlib import Path; from e2gan_demo.disk import folder_of_its_own\n"
            f"with folder_of_its_own(Path({str(tmp_path)!r})) as folder: (folder / 'a').touch(); os._exit(9)"
        )
        subprocess.run([sys.executable, "-c", code])
        (left,) = (path for path in tmp_path.iterdir() if path.is_dir())
        (tmp_path / "e2gan-demo-notes").write_text("mine")
        (tmp_path / "other").mkdir()
        with folder_of_its_own(tmp_path) as first:
            assert not left.exists()
            with folder_of_its_own(tmp_path):
                assert first.exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["e2gan-demo-notes", "other"]


BOUNDARY = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def in_uploads(served: Served) -> list[Path]:
    return sorted(path for path in served.studio.disk.folder.rglob("*") if path.is_file())


class TestUploads:
    """Over a socket, to the page as it is served."""

    @contextmanager
    def begun(self, served: Served, length: int = MAX_UPLOAD - 1000) -> Iterator[socket.socket]:
        address = urlsplit(served.url)
        assert address.hostname and address.port
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {length}\r\n"
            connection.sendall(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + BOUNDARY % b"s.png")
            yield connection

    def test_a_whole_one(self, served: Served) -> None:
        form = {"files": ("../../my photo.png", png(40, 30))}
        (path,) = httpx.post(f"{served.url}gradio_api/upload", files=form, timeout=60).json()
        assert Path(path).read_bytes() == png(40, 30)
        assert Path(path).parent.parent == served.studio.disk.folder
        assert Path(path).name == "my photo.png"

    def test_a_broken_one_leaves_nothing(self, served: Served, capfd: pytest.CaptureFixture[str]) -> None:
        before = in_uploads(served)
        for _ in range(3):
            with self.begun(served) as connection:
                connection.sendall(b"x" * 300_000)
        httpx.get(f"{served.url}config", timeout=60)
        assert in_uploads(served) == before
        assert "Traceback" not in capfd.readouterr().err

    @pytest.mark.parametrize(
        "body, kind, status",
        [
            (b"nothing of the kind", FORM["Content-Type"], 400),
            (BOUNDARY % b"a.png" + b"x\r\n--b", FORM["Content-Type"], 400),
            (BOUNDARY % b"a" + b"x\r\n" + BOUNDARY % b"b" + b"y\r\n--b--\r\n", FORM["Content-Type"], 400),
            (b"{}", "application/json", 400),
            (b"", "multipart/form-data", 400),
        ],
        ids=range(5),
    )
    def test_what_is_none(self, served: Served, body: bytes, kind: str, status: int) -> None:
        before = in_uploads(served)
        answer = httpx.post(f"{served.url}gradio_api/upload", content=body, headers={"Content-Type": kind}, timeout=60)
        assert answer.status_code == status
        assert in_uploads(served) == before

    @given(st.binary(max_size=200))
    def test_any_name_stays_in_its_folder(self, tmp_path_factory: pytest.TempPathFactory, name: bytes) -> None:
        disk = Disk(tmp_path_factory.getbasetemp() / "any-name")
        page = uploading(disk)
        name = name.replace(b'"', b"").replace(b"\r", b"").replace(b"\n", b"")
        answer = page.post("/gradio_api/upload", content=BOUNDARY % name + b"x\r\n--b--\r\n", headers=FORM)
        if answer.status_code == 200:
            assert Path(answer.json()[0]).parent.parent == disk.folder
        else:
            assert answer.status_code in (400, 507)

    def test_too_many_bytes(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk")
        page = uploading(disk, most=100_000)
        for size, status in ((100_000, 200), (100_001, 413), (300_000, 413)):
            answer = page.post("/gradio_api/upload", files={"files": ("a.png", b"x" * size)})
            assert answer.status_code == status, size
        assert len(list(disk.folder.iterdir())) == 1

    def test_clips_may_have_more(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk")
        page = uploading(disk, most=1000, clip=100_000)
        sizes = {"a.png": (1001, 413), "a.mp4": (100_000, 200), "A.MOV": (100_001, 413), "mp4": (1001, 413)}
        for name, (size, status) in sizes.items():
            answer = page.post("/gradio_api/upload", files={"files": (name, b"x" * size)})
            assert answer.status_code == status, name
        assert [path.name for path in disk.folder.rglob("*.*")] == ["a.mp4"]

    def test_no_room(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path / "disk", most=1000)
        page = uploading(disk)
        answers = [page.post("/gradio_api/upload", files={"files": ("a.png", b"x" * 600)}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 503]
        assert len(list(disk.folder.iterdir())) == 1

    def test_too_many_at_once(self, tmp_path: Path) -> None:
        page = uploading(Disk(tmp_path / "disk"), coming=50_000)
        for _ in range(3):  # each frees what it took
            assert page.post("/gradio_api/upload", files={"files": ("a.png", b"x" * 40_000)}).status_code == 200
        assert page.post("/gradio_api/upload", files={"files": ("a.png", b"x" * 60_000)}).status_code == 503

    def test_one_that_stalls_is_given_up(self, tmp_path: Path) -> None:
        import asyncio

        uploads = Uploads(None, Disk(tmp_path / "disk"), stalled=0.05)  # type: ignore[arg-type]
        sent: list[Any] = []

        async def never() -> Any:
            if not sent:
                await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "query_string": b""}
        headers = [(b"content-type", FORM["Content-Type"].encode())]
        # In a thread of its own: where a browser is driven, this one has a loop that runs.
        with ThreadPoolExecutor(1) as own:
            own.submit(asyncio.run, uploads({**scope, "headers": headers}, never, send)).result()
        assert sent[0]["status"] == 408


def uploading(disk: Disk, **limits: Any) -> TestClient:
    """Uploads alone, without Gradio around them."""
    blocks = SimpleNamespace(upload_file_set=set())
    app = Starlette(middleware=[Middleware(Uploads, disk=disk, **limits)])
    app.get_blocks = lambda: blocks  # type: ignore[attr-defined]
    return TestClient(app, base_url=HERE)


def test_many_visitors_and_nuisances(
    served: Served, concepts: list[Concept], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The benchmark's load in short: right pictures for all, while others hang up, dawdle and break uploads off."""
    from benchmarks import demo

    monkeypatch.setattr(demo, "shipped", lambda: concepts)
    monkeypatch.setattr(demo, "Editor", lambda device: served.editor)
    running = demo.Running(served.url, 0, SimpleNamespace(pid=os.getpid()), served.studio.disk.folder)  # type: ignore
    figures = {each.name.split(": ")[-1]: each for each in demo.measure_load(running, visitors=4, seconds=3)}
    assert figures["errors"].value == 0
    assert figures["pictures of another or another concept"].value == 0
    # The visitors' photos, and of a dozen broken uploads of two megabytes at most the one that is just being removed.
    assert figures["on disk gained"].value < 4
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("command")
class TestCommand:
    """``e2gan demo`` in a process of its own."""

    @contextmanager
    def running(
        self, folder: Path, base: Base, *words: str, first: str = ""
    ) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
        """The running program; ``first`` is Python that it runs before."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = f"{first}\nfrom e2gan.__main__ import main; main()"
        command = [sys.executable, "-c", program, "demo", "--port", str(port), "--base", str(base.path), *words]
        environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
        environment |= {"E2GAN_LOAD_PLUGINS": "e2gan-demo", "NO_PROXY": "127.0.0.1"}
        with open(folder.with_suffix(".log"), "wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        url = f"http://127.0.0.1:{port}/"
        try:
            for _ in range(3000):
                assert process.poll() is None, folder.with_suffix(".log").read_text()
                with suppress(httpx.HTTPError):
                    httpx.get(f"{url}config", timeout=60)
                    break
                time.sleep(0.1)
            yield process, url
        finally:
            process.kill()
            process.wait()

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
    @pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
    def test_leaves_nothing_when_it_ends(self, tmp_path: Path, base: Base, sign: signal.Signals) -> None:
        folder = tmp_path / "temporary"
        folder.mkdir()
        with self.running(folder, base, "--public") as (process, url):
            for seed in range(3):
                photo = {"files": ("a.png", png(40, 30, seed))}
                assert httpx.post(f"{url}gradio_api/upload", files=photo, timeout=60).is_success
            assert sum(path.is_file() for path in folder.rglob("*.png")) >= 3
            process.send_signal(sign)
            assert process.wait(300) == 0
        assert list(folder.iterdir()) == []
        said = folder.with_suffix(".log").read_text()
        assert said.splitlines() == ["starting the page: some seconds", f"the page is {url}; Ctrl-C ends it"]

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
    def test_ends_soon_while_a_clip_is_made(self, tmp_path: Path, base: Base) -> None:
        pytest.importorskip("av")
        from gradio_client import Client, handle_file

        from tests.moving.film import write_clip

        folder = tmp_path / "temporary"
        folder.mkdir()
        (concept, _) = tiny_concepts(tmp_path, base)
        first = f"""
import e2gan
from e2gan.plugins import Registry, use_registry

class Plugin:
    @staticmethod
    @e2gan.hookimpl
    def register_concepts(register):
        register({str(concept.path)!r})

use_registry(lambda: Registry.load([Plugin]))
"""
        clip = write_clip(tmp_path / "a.mp4", frames=400, size=(640, 480), sound=None)
        with self.running(folder, base, first=first) as (process, url):
            client = Client(url, download_files=str(tmp_path), verbose=False)
            client.submit(handle_file(str(clip)), {"dusk": 1}, api_name="/clip")
            for _ in range(3000):
                if len(list(folder.rglob("*.mp4"))) == 2:  # the clip, and its unfinished edit
                    break
                time.sleep(0.1)
            else:
                pytest.fail("no clip is made")
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
            client.close()
        assert list(folder.iterdir()) == []

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
    def test_what_a_killed_one_left_goes_with_the_next(self, tmp_path: Path, base: Base) -> None:
        folder = tmp_path / "temporary"
        folder.mkdir()
        with self.running(folder, base) as (process, url):
            httpx.post(f"{url}gradio_api/upload", files={"files": ("a.png", png(40, 30))}, timeout=60)
            process.kill()
            process.wait()
        (left,) = (path for path in folder.iterdir() if path.is_dir())
        with self.running(folder, base):
            assert not left.exists()

    @pytest.mark.parametrize(
        "words", [("--root-path", "studio"), ("--trusted-proxies", "-1"), ("--trusted-proxies", "many")]
    )
    def test_misuse(self, words: tuple[str, ...]) -> None:
        assert CliRunner().invoke(cli, ["demo", *words]).exit_code == 2

    @pytest.mark.parametrize("words", [("--allowed-host", "a/b"), ("--embedded-by", "example.org")])
    def test_what_names_nothing(self, words: tuple[str, ...]) -> None:
        result = CliRunner().invoke(cli, ["demo", *words])
        assert (result.exit_code, result.stderr.startswith("error: ")) == (1, True)
