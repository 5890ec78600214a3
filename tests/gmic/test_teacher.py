"""The pictures: as large as the photo, and the same whatever was done before, where, and on how many processors."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2gan.data.teachers import make_teacher
from e2gan.errors import TeacherError
from e2gan.plugins import registry
from e2gan_gmic import interpreter
from e2gan_gmic.catalogue import LOOKS

PROCESS = """
import hashlib, json, sys
import gmic
from PIL import Image
from e2gan_gmic.teacher import make
photo = Image.open(sys.argv[1])
ids = sys.argv[2:]
gmic.run(f"srand {len(ids[0])} 64,64,1,3,u*255 fx_sketchbw 2,45,180,9,1,0.02,0.5,0.75,0.1,0.7,3,6,0,1,4 _x=3 x=4 rm")
print(json.dumps({id: hashlib.sha256(make(filter=id)(photo).tobytes()).hexdigest() for id in ids}))
"""


def digest(picture: Image.Image) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def elsewhere(photo: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Digests of every look's picture, made in two other processes, in opposite orders, with one thread and two."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    photo.save(path)
    home = tmp_path_factory.mktemp("home")
    running = []
    for threads, order in (("1", list(LOOKS)), ("2", list(LOOKS)[::-1])):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        command = [sys.executable, "-c", PROCESS, str(path), *order]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    found = [json.loads(process.communicate()[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    assert not list(home.iterdir()), "G'MIC left files in the home folder"
    return found


@pytest.mark.parametrize("id", LOOKS)
def test_a_look_edits_the_photo_the_same_way_in_every_process_and_order(
    id: str, photo: Image.Image, elsewhere: list[dict[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    picture = make_teacher("gmic", {"filter": id})(photo)
    assert (picture.mode, picture.size) == ("RGB", photo.size)
    assert np.abs(np.asarray(picture, float) - np.asarray(photo, float)).mean() > 1, "something happens"
    assert np.asarray(picture).std() > 5, "and something is left"
    assert [found[id] for found in elsewhere] == [digest(picture)] * 2
    assert tuple(capfd.readouterr()) == ("", ""), "G'MIC says nothing"


@pytest.mark.parametrize("id", LOOKS)
def test_photos_of_any_shape_and_mode_come_back_as_large(id: str, photo: Image.Image) -> None:
    flat, grey = photo.resize((41, 1)), photo.convert("L").crop((0, 0, 35, 29))
    odd = (flat, grey)[list(LOOKS).index(id) % 2]  # an interpreter takes its time
    picture = make_teacher("gmic", {"filter": id})(odd)
    assert (picture.mode, picture.size) == ("RGB", odd.size)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (33, 31), (97, 64)])
def test_a_tiny_photo_is_no_fault(size: tuple[int, int], photo: Image.Image) -> None:
    for id in ("brush", "stained-glass", "pencil", "engraving", "line-art", "teal-and-orange", "illustration"):
        assert make_teacher("gmic", {"filter": id})(photo.resize(size)).size == size
    assert make_teacher("gmic", {"filter": "sepia"})(photo.convert("P")).size == photo.size
    assert make_teacher("gmic", {"filter": "sepia"})(photo.convert("RGBA")).mode == "RGB"


def test_it_is_the_look_and_not_only_something() -> None:
    ramp = Image.fromarray(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2))
    sepia = np.asarray(make_teacher("gmic", {"filter": "sepia"})(ramp), int)[20]
    assert np.abs(sepia[0] - (24, 14, 8)).max() <= 1 and np.abs(sepia[-1] - (250, 240, 220)).max() <= 1
    assert (np.diff(sepia, axis=0) >= 0).all()
    half = np.asarray(make_teacher("gmic", {"filter": "sepia", "strength": 0.5})(ramp), int)[20]
    assert np.abs(half[0] - (12, 7, 4)).max() <= 1
    assert np.array_equal(make_teacher("gmic", {"filter": "sepia", "strength": 0.0})(ramp), ramp)
    pencil = np.asarray(make_teacher("gmic", {"filter": "pencil"})(ramp))
    assert np.ptp(pencil, axis=2).max() == 0


def test_numbers_and_scale_change_the_picture(photo: Image.Image) -> None:
    plain, wider, scaled, both = (
        digest(make_teacher("gmic", {"filter": "dabs"} | more)(photo))
        for more in ({}, {"radius": 6}, {"scale": 2.0}, {"radius": 6, "scale": 1})
    )
    assert plain != wider and wider == scaled == both


def test_the_number_of_processors_does_not_count(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone, G'MIC's parallel filters cut the picture into as many parts as there are processors."""
    large = photo.resize((184, 152), Image.Resampling.BICUBIC)
    begin = interpreter._REPEATABLE
    teacher = make_teacher("gmic", {"filter": "comic"})
    wanted = digest(teacher(large))
    monkeypatch.setattr(interpreter, "_REPEATABLE", f"_cpus=4 {begin}")  # as on a machine with four
    assert digest(teacher(large)) == wanted
    monkeypatch.setattr(interpreter, "_REPEATABLE", begin.replace("_cpus=1", "_cpus=4"))
    assert digest(teacher(large)) != wanted, "then there is nothing to guard against any more"


def test_every_command_is_seeded_in_an_interpreter_of_its_own(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    gmic = pytest.importorskip("gmic")
    commands: list[str] = []

    class Recorder:
        def run(self, command: str, images: Any) -> Any:
            commands.append(command)
            return images

    monkeypatch.setattr(gmic, "Gmic", Recorder)
    for id in LOOKS:
        make_teacher("gmic", {"filter": id})(photo)
    assert len(commands) == len(LOOKS)
    assert all(command.startswith("_cpus=1 srand 0 ") for command in commands)


def test_threads_do_not_disturb_each_other(photo: Image.Image) -> None:
    ids = ["felt-pen", "oil", "charcoal", "autochrome"] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda id: digest(make_teacher("gmic", {"filter": id})(photo)), ids))
    assert together == [digest(make_teacher("gmic", {"filter": id})(photo)) for id in ids]


def test_a_worker_process_can_make_it(photo: Image.Image) -> None:
    factory = pickle.loads(pickle.dumps(registry().get("teacher", "gmic").factory))
    assert np.array_equal(factory(filter="sepia")(photo), make_teacher("gmic", {"filter": "sepia"})(photo))


def test_a_filter_that_fails_is_one_error(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeacherError, match=r"G'MIC failed on this photo: .*nonsuch") as error:
        interpreter.run("nonsuch", np.asarray(photo))
    assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "gmic", None)
    with pytest.raises(TeacherError, match="needs the package gmic") as error:
        make_teacher("gmic", {"filter": "sepia"})(photo)
    assert "libX11" in str(error.value.hint)


def test_finding_it_imports_neither_gmic_nor_numpy() -> None:
    code = (
        "import sys; from e2gan.plugins import registry; t = registry().get('teacher', 'gmic'); t.options;"
        "t.factory; print([m for m in ('gmic', 'numpy', 'torch', 'PIL') if m in sys.modules])"
    )
    only = {**os.environ, "E2GAN_LOAD_PLUGINS": "e2gan-gmic"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=only)
    assert result.stdout.strip() == "[]"


def test_the_licence_is_said_where_people_look() -> None:
    root = Path(__file__).parents[2]
    for page in ("NOTICE", "plugins/gmic/README.md", "docs/teachers-gmic.md", "docs/teachers.md"):
        assert "CeCILL" in (root / page).read_text(encoding="utf-8")
