"""``new``: what it writes is a distribution that installs, lists as untrained, and has tests that pass."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

import e2gan
from e2gan import plugins
from e2gan.base import DEFAULT, Base
from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan.models.layout import Keeps
from e2gan.scaffold import new_concept
from tests.cli.conftest import Run
from tests.editor.tiny import write_tiny_concept

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(autouse=True)
def bundled(site: Path, bases: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny base under the name that new concepts are for, in use."""
    folder = tmp_path_factory.mktemp("bundled")
    for name in ("tiny", DEFAULT):
        (folder / name).symlink_to(bases / "tiny")
    monkeypatch.setattr("e2gan.base.BUNDLED", folder)
    return folder


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_new(run: Run, base: Base) -> None:
    result = run("new", "pencil-sketch", "--author", "Zoë", "--license", "mit")
    assert (result.exit_code, result.stdout) == (0, "")
    told, made, *_ = result.stderr.splitlines()
    assert told.startswith("the teacher is magenta-multistyle (style = 4), because none is named")
    assert made == "made pencil-sketch; next:"
    folder = Path("pencil-sketch")
    assert files(folder) == {
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "e2gan_concept_pencil_sketch/__init__.py",
        "e2gan_concept_pencil_sketch/bundle/concept.toml",
        "tests/test_concept.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["license"]) == ("e2gan-concept-pencil-sketch", "mit")
    assert project["authors"] == [{"name": "Zoë"}]
    assert project["entry-points"] == {"e2gan": {"pencil-sketch": "e2gan_concept_pencil_sketch"}}
    concept = Concept.read(folder / "e2gan_concept_pencil_sketch" / "bundle")
    assert (concept.id, concept.title, concept.prompt) == ("pencil-sketch", "Pencil sketch", "Pencil sketch")
    assert (concept.authors, concept.license, concept.trained) == (("Zoë",), "mit", False)
    assert concept.base_sha256 == base.sha256
    for file in folder.rglob("*.py"):
        ast.parse(file.read_text("utf-8"))


def test_a_named_teacher_s_options_are_not_guessed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-teachers")
    result = run("new", "monet", "--teacher", "magenta-multistyle")
    assert (result.exit_code, "needs the option 'style'" in result.stderr) == (1, True)
    assert not Path("monet").exists()


def test_what_is_asked_for(run: Run) -> None:
    words = ["--title", 'A "quoted" \\ title', "--prompt", "as a = [poster]", "-o", "deep/er", "-q"]
    result = run("new", "class", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    concept = Concept.read("deep/er/e2gan_concept_class/bundle")
    assert (concept.title, concept.prompt, concept.authors) == ('A "quoted" \\ title', "as a = [poster]", ())
    assert "authors" in tomllib.loads(Path("deep/er/pyproject.toml").read_text("utf-8"))["project"]


def test_the_recipe_suits_the_pairs(run: Run) -> None:
    for n in range(6):
        picture = Image.effect_noise((96, 64), 60).convert("RGB")
        for part, content in (("before", picture), ("after", ImageOps.invert(picture))):
            Path("own", part).mkdir(parents=True, exist_ok=True)
            content.resize((480, 320)).save(f"own/{part}/{n}.png")
    assert run("import", "pairs", "own", "-o", "pairs", "--whole", "--size", "320").exit_code == 0
    result = run("new", "negative", "--teacher", "given", "--data", "pairs")
    assert result.exit_code == 0, result.stderr
    assert 'keeps = "detail": the edits stay photographs' in result.stderr
    assert "e2gan train negative --data pairs" in result.stderr
    text = Path("negative/e2gan_concept_negative/bundle/concept.toml").read_text("utf-8")
    values = tomllib.loads(text)
    assert values["keeps"] == "detail" and "# the edits stay photographs" in text
    training = values["recipe"]["training"]
    assert (training["style"], training["scales"]) == (0, [0.8, 1.0])
    again = run("new", "negative", "--teacher", "given", "--data", "pairs")
    assert again.exit_code == 0
    without = run("new", "other", "--teacher", "given", "-q")
    assert (without.exit_code, without.stderr) == (0, "")
    values = tomllib.loads(Path("other/e2gan_concept_other/bundle/concept.toml").read_text("utf-8"))
    assert values["keeps"] == "nothing" and "scales" not in values["recipe"]["training"]


def test_data_that_cannot_be_looked_at_leaves_nothing(run: Run) -> None:
    Path("empty").mkdir()
    result = run("new", "crayon", "--teacher", "given", "--data", "empty")
    assert result.exit_code == 1 and "empty: no pairs here" in result.stderr
    assert not Path("crayon").exists()


def test_the_teacher_and_its_options_are_looked_at(run: Run) -> None:
    result = run("new", "x", "--teacher", "nobody")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "error: no teacher 'nobody'")
    assert os.listdir() == []


def test_pairs_that_one_has_need_no_teacher(run: Run) -> None:
    result = run("new", "x", "--teacher", "given")
    assert result.stderr.endswith("e2gan train x --data PAIRS\n")
    assert e2gan.Concept.read("x/e2gan_concept_x/bundle").recipe.given
    assert "e2gan train . --data pairs/ " in Path("x/README.md").read_text()
    assert 'source = "pairs of mine"' in Path("x/e2gan_concept_x/bundle/concept.toml").read_text()
    assert "pairs of photo and edit: pairs of mine" in run("show", "./x/e2gan_concept_x/bundle").stdout
    result = run("new", "y", "--teacher", "given", "-O", "style=3")
    assert (result.exit_code, "has no option 'style'" in result.stderr) == (1, True)


@pytest.mark.parametrize("name", ["Van Gogh", "van_gogh", "-x", "x-", "", "é", "../x", "x" * 65])
def test_what_is_no_name(run: Run, name: str) -> None:
    result = run("new", "--", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "error: a concept's name may hold only lower-case letters, digits and hyphens, not "
    )
    assert os.listdir() == []
    if name == "Van Gogh":
        assert result.stderr.endswith("hint: for example: van-gogh\n")


def test_an_option_of_characters_that_cannot_be_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2gan.data.teachers.make_teacher", lambda id, options: None)
    for character in ("\udc80", "\x7f", "\n"):
        result = run("new", "x", "--teacher", "t", "-O", f"name={character}")
        assert (result.exit_code, os.listdir()) == (1, [])
        assert "cannot be printed" in result.stderr


def test_a_folder_that_is_there_is_left_alone(run: Run) -> None:
    Path("x").mkdir()
    Path("x/mine").touch()
    result = run("new", "x")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: x: already exists, and is not an empty folder\nhint: choose another folder with -o\n",
    )
    assert files(Path("x")) == {"mine"}
    assert run("new", "y", "-o", "x/mine").exit_code == 2  # not a folder, says click
    Path("empty").mkdir()
    assert run("new", "z", "-o", "empty").exit_code == 0


def test_a_place_that_cannot_be_written(run: Run) -> None:
    Path("file").touch()
    result = run("new", "x", "-o", "file/x")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: cannot write file/x: ")
    assert os.listdir() == ["file"]


texts = st.text(max_size=40)
plain = st.booleans() | st.integers() | st.floats() | texts


@given(id=st.from_regex(r"[a-z0-9-]{1,12}") | texts, title=texts, author=texts, license=texts, value=plain)
def test_whatever_is_given_there_is_a_readable_concept_or_one_error(
    bases: Path, tmp_path_factory: pytest.TempPathFactory, id: str, title: str, author: str, license: str, value: object
) -> None:
    folder = tmp_path_factory.mktemp("new") / "concept"
    try:
        concept = new_concept(
            folder,
            id,
            title=title,
            author=author,
            license=license,
            teacher="t",
            options={"value": value},
            base=str(bases / "tiny"),
        )
    except E2GANError as error:
        assert str(folder.parent) not in str(error)
        assert not folder.exists()
        return
    assert (concept.title, concept.authors, concept.license) == (title, (author,), license)
    assert concept.recipe.teachers[0].options == {"value": value}
    assert tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["license"] == license


def test_a_painting_begins_at_noise_and_a_photograph_keeps_its_lines(repository: Path, tmp_path: Path) -> None:
    def made(name: str, keeps: Keeps, **options: str) -> Concept:
        return new_concept(tmp_path / name, name, teacher="t", keeps=keeps, **options)

    everyday = {"base": str(repository / "e2gan/bases/everyday")}
    painting, winter = made("crayon", Keeps.NOTHING, **everyday), made("winter", Keeps.DETAIL, **everyday)
    assert (painting.noise, any(painting.skips)) == (0.06, False)
    assert (winter.noise, all(winter.skips)) == (0, True)
    # A base without skips gets none.
    assert not any(made("dusk", Keeps.DETAIL).skips)


def test_it_installs_lists_as_untrained_and_its_tests_pass(run: Run, bundled: Path, base: Base, tmp_path: Path) -> None:
    assert run("new", "crayon").exit_code == 0
    package = Path("crayon/e2gan_concept_crayon")
    # As pip installs it, editable.
    where = tmp_path / "site"
    info = where / "e2gan_concept_crayon-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: e2gan-concept-crayon\nVersion: 1.0.0\n")
    project = tomllib.loads(Path("crayon/pyproject.toml").read_text("utf-8"))["project"]
    (info / "entry_points.txt").write_text(f"[e2gan]\ncrayon = {project['entry-points']['e2gan']['crayon']}\n")
    (where / package.name).symlink_to(package.resolve())

    source = Path(e2gan.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{where}", "E2GAN_LOAD_PLUGINS": "crayon"}
    program = f"import sys, pathlib, e2gan.base; e2gan.base.BUNDLED = pathlib.Path({str(bundled)!r}); "

    def python(code: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program + code, *words], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    listed = python("from e2gan.cli import main; main()", "list").splitlines()[1]
    assert listed.startswith("crayon  Crayon") and "e2gan-concept-crayon" in listed and "trained" in listed
    test = "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', 'crayon']))"
    assert "2 passed, 1 skipped" in python(test)
    # Once it is trained, its last test edits a picture.
    write_tiny_concept(tmp_path / "trained" / "crayon", base)
    bundle = package / "bundle"
    for file in (tmp_path / "trained" / "crayon").iterdir():
        (bundle / file.name).write_bytes(file.read_bytes())
    assert "3 passed" in python(test)


def test_the_document_shows_what_new_writes(run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (repository / "docs/make-a-concept.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^e2gan (new .*)$", page, re.MULTILINE)
    (shown,) = re.findall(r"^```toml\n(schema = 1\n.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.setattr("e2gan.data.teachers.make_teacher", lambda id, options: None)
    monkeypatch.setenv("E2GAN_BASE", str(repository / "e2gan/bases" / DEFAULT))
    assert run(*shlex.split(line)).exit_code == 0
    written = Path("crayon/e2gan_concept_crayon/bundle/concept.toml").read_text(encoding="utf-8")
    written = re.sub(r'sha256 = "[0-9a-f]{64}"', 'sha256 = "…"', written)
    assert shown == written
    plugins.reload_registry()


def test_what_is_not_trained_is_named_as_its_maker_knows_it(run: Run, photos: list[str]) -> None:
    assert run("new", "crayon", "-q").exit_code == 0
    result = run("apply", "./crayon", photos[0], "-o", "edited.png")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: crayon: the concept 'crayon' is not trained yet\nhint: e2gan train crayon --data PHOTOS\n"
    )
