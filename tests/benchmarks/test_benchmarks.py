from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import __main__ as everything
from benchmarks import (
    backends,
    baselines,
    bundles,
    clustering,
    coreml,
    demo,
    distill,
    export,
    hub,
    kills,
    lite,
    measuring,
    quality,
    speed,
    startup,
    switching,
    teachers,
)
from benchmarks.measuring import Figure, interleaved, report
from e2gan.base import Base
from e2gan.concept import Concept, concept_in
from e2gan.data.pairs import Pair
from e2gan.editor import Editor
from e2gan.errors import BaseModelError, DataError, E2GANError
from e2gan.evaluation.cost import macs
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig
from e2gan.plugins import Registry
from e2gan.recipe import TeacherChoice
from e2gan_baselines.baseline import make_baseline
from e2gan_baselines.pix2pix import Pix2Pix
from e2gan_onnx.export import Exported
from tests import throwaway
from tests.editor.tiny import CONFIG, photo, write_tiny_base, write_tiny_concept
from tests.evaluation.test_report import colours

on_unix = pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4, to read a process's memory")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def concepts(tmp_path_factory: pytest.TempPathFactory, base: Base) -> list[Concept]:
    folder = tmp_path_factory.mktemp("concepts")
    return [write_tiny_concept(folder / name, base, seed=seed) for seed, name in enumerate(("dusk", "winter"))]


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    assert all(math.isfinite(figure.value) for figure in figures)
    assert len({figure.name for figure in figures}) == len(figures)
    return {figure.name: figure for figure in figures}


def test_the_counts_are_the_papers() -> None:
    x = torch.zeros(1, 3, 256, 256)
    pix2pix = Pix2Pix()
    assert sum(p.numel() for p in pix2pix.parameters()) == 11_378_179
    assert round(macs(pix2pix, x) / 1e9, 1) == 49.6
    assert round(macs(Generator(), x, torch.zeros(1, 16, 512)) / 1e9, 1) == 23.7


def test_pix2pix_gives_a_picture() -> None:
    with torch.inference_mode():
        picture = Pix2Pix(8, 2)(torch.rand(2, 3, 32, 48))
    assert picture.shape == (2, 3, 32, 48)
    assert picture.abs().max() <= 1


def test_jobs_take_turns() -> None:
    turns: list[str] = []
    jobs: dict[str, Callable[[], object]] = {"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}
    seconds = interleaved(jobs, rounds=2, warmup=1)
    assert turns == ["a", "b"] * 3
    assert {name: len(some) for name, some in seconds.items()} == {"a": 2, "b": 2}


def test_figures_are_held_against_their_limits() -> None:
    assert Figure("free", 1).met is None
    assert [Figure("low", value, at_least=1.7).met for value in (1.6, 1.7)] == [False, True]
    assert [Figure("high", value, at_most=0.65).met for value in (0.65, 0.66)] == [True, False]
    assert Figure("nan", math.nan, at_most=1).met is False


def test_the_report_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = [Figure("ratio", 1.5, "×", at_least=1.7), Figure("time", 12, "ms", at_most=20), Figure("size", 7)]
    report({"speed": figures}, tmp_path / "figures.json")
    lines = capsys.readouterr().out.splitlines()
    assert "torch" in lines[0]
    assert [line.split() for line in lines[2:6]] == [
        ["speed"],
        ["ratio", "1.5", "×", "MISSED", "(at", "least", "1.7)"],
        ["time", "12", "ms", "met", "(at", "most", "20)"],
        ["size", "7"],
    ]
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert [figure["met"] for figure in written["figures"]["speed"]] == [False, True, None]
    assert written["machine"]["torch"] == torch.__version__


def test_speed_names_both_generators_and_the_machines_limit() -> None:
    figures = by_name(speed.measure(CONFIG, size=32, rounds=1, matrix=64))
    assert figures["e2gan parameters"].value < figures["pix2pix parameters"].value
    for dtype in ("float32", "bfloat16"):
        assert figures[f"{dtype} e2gan against pix2pix"].at_least == 1.7
        assert figures[f"{dtype} matrix product, 64²"].value > 0
        for name in ("e2gan", "pix2pix"):
            share = figures[f"{dtype} {name}, share of the matrix product's rate"].value
            rate = figures[f"{dtype} matrix product, 64²"].value
            work = figures[f"{name} multiply-accumulates"].value
            assert share == pytest.approx(2 * work / (figures[f"{dtype} {name}"].value / 1000) / rate)


def test_a_training_step_is_held_against_the_references() -> None:
    figures = by_name(baselines.measure(4, 1, size=32, rounds=1))
    for precision in ("float32", "bfloat16"):
        assert figures[f"{precision} ours"].value > 0 < figures[f"{precision} reference"].value
        assert figures[f"{precision} ours against the reference"].at_least == 1


def test_the_reference_has_the_papers_networks_and_learns() -> None:
    with torch.device("meta"):
        reference = baselines.Reference(64, 9)
    ours = make_baseline("pix2pix", 1)
    for theirs, mine in ((reference.generator, ours.generator), (reference.discriminator, ours.discriminator)):
        assert sorted(p.shape for p in theirs.parameters()) == sorted(p.shape for p in mine.parameters())

    torch.manual_seed(0)
    reference = baselines.Reference(4, 1)
    photo, edit = torch.rand(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    before = (reference.generator(photo) - edit).abs().mean()
    for _ in range(5):
        reference.step(photo, edit, contextlib.nullcontext)
    assert (reference.generator(photo) - edit).abs().mean() < before


def test_both_steps_are_the_same_work(tmp_path: Path) -> None:
    Image.fromarray(photo(64, 64)).save(tmp_path / "a.png")
    ours = baselines.trainer(Pair(*[tmp_path / "a.png"] * 2), 4, 1, 64, "cpu", "no", tmp_path)
    reference, picture = baselines.Reference(4, 1), torch.zeros(1, 3, 64, 64)
    counts = []
    for step in (ours.train_step, lambda: reference.step(picture, picture, contextlib.nullcontext)):
        with FlopCounterMode(display=False) as counter:
            step()
        counts.append(counter.get_total_flops())
    assert counts[0] == pytest.approx(counts[1], rel=0.005), "but for the photo's tone"


def test_speed_defaults_to_the_papers_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[GeneratorConfig] = []
    monkeypatch.setattr(speed, "Generator", lambda config: made.append(config) or Generator(CONFIG))
    monkeypatch.setattr(speed, "Pix2Pix", lambda width: Pix2Pix(8, 1))
    with pytest.raises(RuntimeError):  # the tiny stand-in takes narrower prompts
        speed.measure(size=32, rounds=1, matrix=64)
    assert made == [GeneratorConfig()]


def test_backends_are_held_against_pytorch(
    base: Base, concepts: list[Concept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "apart", in_this_process)
    figures = by_name(backends.measure(base, concepts, size=32, rounds=1, threads=1))
    for name in ("torch", "openvino", "onnxruntime"):
        assert figures[f"{name} float32: an edit at 32²"].value > 0
        assert figures[f"{name} float32: a change of concept"].at_most == (None if name == "onnxruntime" else 20)
    for name in ("openvino", "onnxruntime"):
        assert figures[f"{name} float32: likeness to torch float32"].value > 80
        assert figures[f"{name} float32: speed of torch float32"].value > 0
    assert figures["openvino int8: likeness to torch float32"].at_least == 42


def in_this_process(jobs: dict[str, Callable[[], dict[str, Callable[[], object]]]], rounds: int) -> object:
    """In the place of `apart`, which starts a process for each."""
    return {name: interleaved(make(), rounds, warmup=0) for name, make in jobs.items()}


def where() -> dict[str, Callable[[], object]]:
    return {"sleep": functools.partial(time.sleep, 0.01), "nothing": os.getpid}


def leave() -> dict[str, Callable[[], object]]:
    return {"leave": functools.partial(os._exit, 3)}


def test_jobs_in_processes_of_their_own_take_turns() -> None:
    seconds = measuring.apart({"first": where, "second": where}, rounds=2, warmup=1)
    assert seconds.keys() == {"first", "second"}
    for parts in seconds.values():
        assert [len(some) for some in parts.values()] == [2, 2]
        assert min(parts["sleep"]) >= 0.01 > min(parts["nothing"])
    with pytest.raises(E2GANError, match="the process of 'second' ended early"):
        measuring.apart({"first": where, "second": leave}, rounds=1)


def test_the_lite_base_is_held_against_the_full_one(
    two_bases: tuple[Base, Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite, "apart", in_this_process)
    for name in ("dusk", "winter"):
        for number, base in enumerate(two_bases):
            made = write_tiny_concept(tmp_path / base.id / name, base, seed=number)
            shutil.copytree(made.path, tmp_path / name / "package" / ("bundle" + number * "-lite"))
    concepts = [concept_in(tmp_path / name) for name in ("dusk", "winter")]
    figures = by_name(lite.measure(*two_bases, concepts, size=32, rounds=1, threads=1))
    for name in ("tiny", "lite"):
        assert figures[f"{name}, torch float32: an edit at 32²"].value > 0
        assert figures[f"{name}, openvino int8: a change of concept"].value > 0
    assert figures["the painted styles' network: an edit at 32²"].value > 0
    assert sorted(figure.at_least for figure in figures.values() if figure.at_least) == [1.9, 6, 8]
    with pytest.raises(BaseModelError, match="fewer than two concepts"):
        lite.measure(*two_bases, concepts[:1])


@on_unix
def test_the_command_is_timed_on_both_bases(two_bases: tuple[Base, Base], tmp_path: Path) -> None:
    for number, base in enumerate(two_bases):
        made = write_tiny_concept(tmp_path / base.id / "dusk", base, seed=number)
        shutil.copytree(made.path, tmp_path / "dusk" / "package" / ("bundle" + number * "-lite"))
    figures = by_name(lite.measure_apply(*two_bases, str(tmp_path / "dusk"), size=(64, 48), rounds=1))
    quotient = (
        figures["e2gan apply --base tiny, one megapixel"].value
        / figures["e2gan apply --base lite, one megapixel"].value
    )
    assert figures["lite: speed of tiny"].value == pytest.approx(quotient)


def test_teachers_are_held_against_their_concepts(base: Base, concepts: list[Concept]) -> None:
    figures = by_name(teachers.measure(concepts, base, sides=(32,), rounds=1, threads=1))
    assert len(figures) == 6
    drawn = replace(
        concepts[0], recipe=replace(concepts[0].recipe, teachers=(TeacherChoice("gmic", {"filter": "anime"}),))
    )
    figures = by_name(teachers.measure([drawn], base, sides=(32, 40), rounds=1, threads=1))
    speed = figures["dusk, 40²: speed of the teacher"].value
    assert speed == pytest.approx(figures["dusk, 40²: its teacher"].value / figures["dusk, 40²: the edit"].value)
    assert figures["concepts from G'MIC that are 1.5 × as fast"].value == (speed >= 1.5)


@pytest.mark.parametrize("count", [1, 2])
def test_switching_goes_round_the_concepts(base: Base, concepts: list[Concept], count: int) -> None:
    figures = by_name(switching.measure(base, concepts[:count], size=32, rounds=2))
    assert figures[f"float32 switch between {count} loaded concepts"].at_most == 20
    assert figures[f"bfloat16 switch between {count} loaded concepts"].value > 0
    assert figures["float32 folded over bare base"].at_most == 1.02


def test_without_shipped_concepts_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(switching, "SHIPPED", tmp_path)
    with pytest.raises(DataError, match="holds no trained concepts"):
        switching.shipped()


@on_unix
def test_importing_and_helping_are_timed_in_processes_of_their_own() -> None:
    figures = by_name(startup.measure_import(rounds=1))
    assert figures["import e2gan"].value > 0
    assert figures["import e2gan: of torch, peft, transformers, numpy imported"].value == 0
    assert by_name(startup.measure_help(rounds=1))["e2gan --help"].at_most == 0.3


@on_unix
def test_many_installed_concepts_are_all_listed() -> None:
    figures = by_name(startup.measure_list(12, rounds=1))
    assert figures["concepts listed of those"].value == 12
    assert figures["e2gan list with 12 installed concepts"].at_most == 1.5


@on_unix
def test_clustering_is_timed_and_chooses_different_pictures() -> None:
    figures = by_name(clustering.measure(50, 6, 4))
    assert figures["different pictures chosen"].value == 4
    assert [figure.at_most for figure in figures.values()] == [120, 4, None]


def test_distilling_is_counted_in_every_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(photo(seed=number)).save(tmp_path / f"{number}.png")
    # Of a module that other processes can import.
    throwaway.offer(teachers={"poster": functools.partial(functools.partial, ImageOps.posterize, bits=2)})
    figures = by_name(distill.measure(tmp_path, photos=3, teacher="poster", options={}))
    assert figures["photos"].value == 3
    (share,) = (figure for figure in figures.values() if figure.name.startswith("share of "))
    assert share.at_least == 0.9 and 0 < share.value < 1.1


@on_unix
def test_a_process_is_timed_and_its_memory_read() -> None:
    small = startup.run(["-c", "print('small')"])
    large = startup.run(["-c", "import time; block = b'x' * 80_000_000; time.sleep(0.3); print('large')"])
    assert (small.output, large.output) == ("small\n", "large\n")
    assert large.seconds > 0.3
    assert large.peak - small.peak > 60_000_000


@on_unix
def test_a_process_that_fails_is_an_error_with_its_words() -> None:
    with pytest.raises(E2GANError, match="cannot go on"):
        startup.run(["-c", "import sys; sys.exit('cannot go on')"])


@on_unix
def test_an_edit_is_timed_from_the_command_line() -> None:
    try:
        concept = switching.shipped()[0]
    except DataError:
        pytest.skip("the concepts are not trained yet")
    figures = by_name(startup.measure_apply(str(concept.path), size=(80, 64), rounds=1))
    assert [figure.at_most for figure in figures.values()] == [8, 2]


@on_unix
def test_whole_edits_on_each_backend_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-onnx")
    monkeypatch.setattr(startup, "registry", Registry.load)
    try:
        concept = switching.shipped()[0]
    except DataError:
        pytest.skip("the concepts are not trained yet")
    figures = by_name(startup.measure_backends(str(concept.path), size=(80, 64), rounds=1))
    assert figures["torch against torch, whole process"].value == 1
    assert figures["onnxruntime: peak memory against torch's"].value > 0
    assert figures["e2gan apply, no such photo"].at_most == 0.5


def test_core_ml_packages_are_sized_and_compared(base: Base, concepts: list[Concept], tmp_path: Path) -> None:
    pytest.importorskip("coremltools", reason="there is no coremltools for this Python")
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    figures = by_name(coreml.measure_package(None, base, concepts, [tmp_path / "photo.png"], (32, 32)))
    assert [figure.at_least for figure in figures.values()] == [None, None, 45, None]
    assert all(figure.met in (True, None) for figure in figures.values())
    shared, package = (figures[f"2 concepts, float16: {part}"].value for part in ("shared weights", "package"))
    assert 0 < shared < package


def test_quality_measures_each_concept_against_its_teacher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: Base, concepts: list[Concept]
) -> None:
    asked = []

    def make_teacher(id: str, options: dict[str, str]) -> Callable[[Image.Image], Image.Image]:
        asked.append((id, options))
        return ImageOps.invert

    def faces(picture: Image.Image) -> tuple[float, int, int] | None:
        """One in every photo whose first pixel is bright, as wide as a third of it."""
        bright = picture.convert("L").getpixel((0, 0)) >= 100
        return (picture.width / 3, picture.height // 2, picture.width // 2) if bright else None

    monkeypatch.setattr(quality, "make_teacher", make_teacher)
    monkeypatch.setattr(quality, "face_finder", lambda: faces)
    networks = {"efficientnet-lite0": lambda: colours}
    monkeypatch.setattr("e2gan.evaluation.report.NETWORKS", networks)
    monkeypatch.setattr(quality, "NETWORKS", networks)
    for number, name in enumerate(("test/p1_00", "test/p1_01", "test/p2_00", "test/p4_00", "train/p3_00")):
        file = tmp_path / "photos" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = photo(seed=number) // 2 + (100 if number < 2 else 0)
        pixels[0, 0] = 255 if number < 2 else 0
        Image.fromarray(pixels.astype("uint8")).save(file)
    figures = by_name(quality.measure(tmp_path / "photos", concepts, base, sheets=tmp_path / "sheets"))
    assert asked == [("grade", {"name": "dusk"}), ("grade", {"name": "winter"})]
    assert (figures["test pictures"].value, figures["photographs they were cut from"].value) == (4, 3)
    assert figures["of the pictures, with a face"].value == 2
    for id in ("dusk", "winter"):
        assert figures[f"{id}: L1 ratio to unedited"].at_most == 0.7
        for kind in ("people", "others"):
            assert figures[f"{id}: efficientnet-lite0 FID ratio, {kind}"].at_most == 0.5
        assert figures[f"{id}: faces that are still found"].at_least == 0.95
        assert 0 <= figures[f"{id}: faces found in the teacher's pictures"].value <= 1
        assert figures[f"{id}: stroke match with the teacher's"].at_least is None
        with Image.open(tmp_path / "sheets" / f"{id}.png") as sheet:
            assert sheet.width > 3 * 40 and sheet.height > 3 * 40
    l1 = [figures[f"{id}: L1 ratio to unedited"].value for id in ("dusk", "winter")]
    assert figures["mean L1 ratio"].value == pytest.approx(sum(l1) / 2)
    assert figures["mean efficientnet-lite0 FID ratio, others"].at_most == 0.35


def test_a_face_is_looked_for_where_it_was() -> None:
    """A white square is a face to this finder."""

    def faces(picture: Image.Image) -> tuple[float, int, int] | None:
        left, top, right, bottom = picture.convert("L").point(lambda value: 255 * (value > 200)).getbbox() or (0,) * 4
        return (right - left, (top + bottom) // 2, (left + right) // 2) if right else None

    def portrait(x: int, y: int) -> Image.Image:
        picture = Image.new("RGB", (100, 80))
        picture.paste("white", (x, y, x + 20, y + 20))
        return picture

    black, there = Image.new("RGB", (100, 80)), portrait(0, 0)
    photos = [there, there, there, black]
    found = [faces(photo) for photo in photos]
    assert quality.kept_faces(photos, [there, portrait(70, 50), black, there], found, faces) == pytest.approx(1 / 3)
    assert quality.kept_faces([black], [there], [None], faces) is None


def test_quality_needs_test_photos(tmp_path: Path, base: Base, concepts: list[Concept]) -> None:
    (tmp_path / "train").mkdir()
    Image.fromarray(photo()).save(tmp_path / "train" / "only.png")
    with pytest.raises(DataError, match="0 test photos"):
        quality.measure(tmp_path, concepts, base)


def test_an_export_is_timed_weighed_and_held_against_its_teacher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: Base, concepts: list[Concept]
) -> None:
    """With models that give the photo back, which take no tracing."""
    picture = onnx.helper.make_tensor_value_info("photo", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])
    edit = onnx.helper.make_tensor_value_info("edit", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])
    identity = onnx.helper.make_node("Identity", ["photo"], ["edit"])
    opset = [onnx.helper.make_opsetid("", 18)]
    graph = onnx.helper.make_graph([identity], "same", [picture], [edit])
    data = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()

    def write(concept: Concept, base: Base, path: Path, precision: str, io: str) -> Exported:
        path.write_bytes(data)
        return Exported(concept.id, path, len(data), None)

    monkeypatch.setattr(export, "export", write)
    monkeypatch.setattr(export, "base_part", lambda *_, **__: data)
    monkeypatch.setattr(export, "concept_part", lambda *_, **__: b"")
    monkeypatch.setattr(export, "Editor", lambda base, backend, threads: Editor(base, device="cpu"))
    monkeypatch.setattr(export, "make_teacher", lambda *_: ImageOps.invert)
    monkeypatch.setattr(export, "EfficientNetLite0", lambda: colours)
    for number in range(3):
        file = tmp_path / "test" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(photo(seed=number)).save(file)
    figures = by_name(export.measure(tmp_path, base, concepts, size=32, rounds=1))
    assert figures["int8 against PyTorch"].at_least == 1.8
    assert figures["int8 export"].at_most == 60
    assert figures["test pictures"].value == 3
    for concept in concepts:
        assert figures[f"{concept.id}: fp32 EfficientNet-FID"].value > 0
        assert figures[f"{concept.id}: int8 over fp32"].value == 1


def test_all_of_them_in_one_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = (
        speed,
        backends,
        lite,
        baselines,
        switching,
        startup,
        distill,
        clustering,
        hub,
        export,
        coreml,
        demo,
        quality,
    )
    for module in modules:
        monkeypatch.setattr(module, "measure", lambda *_, name=module.__name__: [Figure(f"of {name}", 1)])
    monkeypatch.setattr(lite, "measure_apply", lambda: [Figure("of the command", 1)])
    everything.main(["--data", str(tmp_path), "-o", str(tmp_path / "all.json")])
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    names = [
        "speed",
        "backends",
        "lite",
        "baselines",
        "switching",
        "startup",
        "distill",
        "clustering",
        "hub",
        "export",
        "coreml",
        "demo",
        "quality",
    ]
    assert list(written["figures"]) == names
    assert all(f"of benchmarks.{name}" in printed for name in written["figures"])


def test_an_error_is_said_without_a_traceback() -> None:
    def fail() -> None:
        raise E2GANError("no photos", hint="look elsewhere")

    with pytest.raises(SystemExit, match="error: no photos\nlook elsewhere"):
        measuring.script(fail)


def test_damaged_bundles_are_refused_or_applied(base: Base, concepts: list[Concept]) -> None:
    """A hundred of those that `benchmarks.bundles` tries by the hundred thousand."""
    figures = by_name(bundles.measure([concept.path for concept in concepts], base, 100))
    assert figures["bundles tried"].value == 100
    assert figures["faults"].value == 0
    assert min(figures[name].value for name in ("refused when read", "refused when applied", "applied")) > 0


@on_unix
@pytest.mark.parametrize("name", ["new", "lock"])
def test_a_command_that_is_killed_is_run_again(name: str) -> None:
    """Of the commands that `benchmarks.kills` kills, two that are quick."""
    figures = by_name(kills.measure(name, 2, {"E2GAN_LOAD_PLUGINS": "e2gan-hub"}))
    assert figures[f"{name}: reruns that failed, differed or left something"].value == 0
