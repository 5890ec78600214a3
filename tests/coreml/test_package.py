"""What a package holds, and that its edits are the editor's."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan_coreml import convert
from e2gan_coreml.check import check
from e2gan_coreml.convert import function_names
from e2gan_coreml.operations import UnsupportedError
from e2gan_coreml.program import MODEL, WEIGHTS, Program
from e2gan_coreml.sizes import package_sizes
from tests.coreml.conftest import LARGER, SIZE, export
from tests.editor.tiny import photo

pytest.importorskip("coremltools", reason="there is no coremltools for this Python")

PHOTO = Image.fromarray(photo(96, 96))


def test_a_single_concepts_edits_are_the_editors_in_every_size(
    single: Path, base: Base, concepts: dict[str, Concept]
) -> None:
    (likeness,) = check(Program(single), base, [concepts["detail"]], [PHOTO], [SIZE, LARGER])
    assert likeness.concept == "detail"
    assert likeness.psnr > 45
    assert likeness.worst <= 3


def test_edits_of_several_are_the_editors_whatever_they_keep(
    several: Path, base: Base, concepts: dict[str, Concept]
) -> None:
    found = check(Program(several), base, [*concepts.values()], [PHOTO], [SIZE])
    assert [likeness.concept for likeness in found] == ["old-photo", "light", "colour", "detail"]
    assert min(likeness.psnr for likeness in found) > 45


def test_another_concepts_edits_are_found_out(several: Path, base: Base, concepts: dict[str, Concept]) -> None:
    order = [concepts[keeps] for keeps in ("nothing", "colour", "light", "detail")]
    program = Program(several)
    functions = function_names([*concepts.values()])
    assert program.functions == tuple(functions)
    renamed = dict(zip(function_names(order), functions))
    program._functions = {name: program._functions[other] for name, other in renamed.items()}
    by_concept = {likeness.concept: likeness.psnr for likeness in check(program, base, order, [PHOTO], [SIZE])}
    assert by_concept["old-photo"] > 45 > 30 > by_concept["light"]
    assert by_concept["colour"] < 30


def test_several_share_the_bases_weights(several: Path, single: Path, base: Base) -> None:
    parts = package_sizes(Program(several))
    assert list(parts) == ["shared", "old_photo", "light", "colour", "detail", "rest"]
    assert sum(parts.values()) == sum(file.stat().st_size for file in several.rglob("*") if file.is_file())
    # The keys and values of the prompt are constants; nothing else of the base is left out.
    assert parts["shared"] > 0.95 * base.generator_path.stat().st_size
    weights = [(package / WEIGHTS / "weight.bin").stat().st_size for package in (single, several)]
    assert weights[1] < 2 * weights[0]  # tiny layers, large changes: apart they would be four times as many


def test_a_single_concept_shares_nothing(single: Path) -> None:
    parts = package_sizes(Program(single))
    assert parts["shared"] == 0
    assert parts["main"] > 0.9 * sum(parts.values())


@pytest.mark.parametrize(("compression", "share"), [("int8", 0.62), ("palette6", 0.55)])
def test_compressed_weights_are_smaller_and_still_shared(
    compression: convert.Compression,
    share: float,
    several: Path,
    base: Base,
    concepts: dict[str, Concept],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convert, "LARGE", 2000)
    chosen = [concepts["nothing"], concepts["detail"]]
    program = Program(export(tmp_path / "small.mlpackage", base, chosen, [SIZE], compression=compression))
    parts, plain = package_sizes(program), package_sizes(Program(several))
    assert parts["shared"] < share * plain["shared"]
    assert parts["detail"] < 1.1 * plain["detail"]
    assert min(likeness.psnr for likeness in check(program, base, chosen, [PHOTO], [SIZE])) > 20


def test_a_package_says_what_it_is(several: Path, base: Base, concepts: dict[str, Concept]) -> None:
    about = Program(several).metadata
    assert about["license"] == "apache-2.0"
    assert "Old-Photo" in about["description"]
    listed = json.loads(about["e2gan.concepts"])
    assert [each["function"] for each in listed] == ["old_photo", "light", "colour", "detail"]
    assert listed[0]["id"] == "old-photo"
    assert listed[1]["prompt"] == concepts["light"].prompt
    assert listed[1]["version"] == "1.2.0"
    assert json.loads(about["e2gan.base"])["sha256"] == base.sha256
    assert json.loads(about["e2gan.sizes"]) == [list(SIZE)]


def test_functions_have_identifiers_for_names(concepts: dict[str, Concept]) -> None:
    ids = ("old-photo", "1900s", "dusk")
    assert function_names([replace(concepts["light"], id=id) for id in ids]) == ["old_photo", "_1900s", "dusk"]
    assert function_names([concepts["nothing"]]) == ["main"]


def test_photos_and_edits_are_pictures(single: Path, several: Path) -> None:
    spec = Program(single).spec
    for feature in (spec.description.input[0], spec.description.output[0]):
        assert feature.type.WhichOneof("Type") == "imageType"
    sizes = spec.description.input[0].type.imageType.enumeratedSizes.sizes
    assert [(size.width, size.height) for size in sizes] == [SIZE, LARGER]
    functions = Program(several).spec.description.functions
    assert [function.input[0].type.imageType.width for function in functions] == [SIZE[0]] * 4
    assert Program(several).spec.description.defaultFunctionName == "old_photo"


def test_sizes_that_the_generator_treats_differently_are_refused(base: Base, tmp_path: Path) -> None:
    with pytest.raises(E2GANError, match="256×256 and 1024×1024 cannot share a package"):
        convert.write_package(tmp_path, base, [], [(256, 256), (1024, 1024)])


def test_an_unknown_operation_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"does not support the operation 'sin', which the function 'main' uses"):
        Program(package_of(tmp_path, lambda mb, x: mb.sin(x=x)))


def test_an_unknown_form_of_an_operation_is_named(tmp_path: Path) -> None:
    program = Program(package_of(tmp_path, lambda mb, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION")), name="mine")
    with pytest.raises(UnsupportedError, match=r"mine: .* GELU in the mode 'SIGMOID_APPROXIMATION' in 'gelu'"):
        program.run("main", photo(8, 8))


def test_a_base_that_core_ml_cannot_run_is_an_error(base: Base, tmp_path: Path) -> None:
    pooled = replace(base, config=replace(base.config, tb_sampling="pool"))
    with pytest.raises(E2GANError, match="the base 'tiny' cannot be exported: Core ML has no operation"):
        convert.write_package(tmp_path, pooled, [])


def test_an_operation_that_cannot_be_converted_is_named(
    base: Base, concepts: dict[str, Concept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strange(torch.nn.Module):
        def forward(self, photo: torch.Tensor) -> torch.Tensor:
            return torch.lgamma(photo)

    monkeypatch.setattr(convert, "build", lambda *_, **__: Strange())
    with pytest.raises(E2GANError, match=r"coremltools cannot convert the generator: .*lgamma"):
        convert.write_package(tmp_path, base, [concepts["nothing"]], [SIZE])


def test_without_coremltools_the_error_says_where_it_comes_from(single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(E2GANError, match="the package 'coremltools', which is not installed"):
        Program(single)


def package_of(folder: Path, operation: Callable[[Any, Any], Any]) -> Path:
    """A package of one operation."""
    import coremltools as ct
    from coremltools.converters.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec((1, 3, 8, 8))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        return operation(Builder, x)

    model = ct.convert(program, minimum_deployment_target=ct.target.iOS17, skip_model_load=True)
    model.save(str(folder / "one.mlpackage"))
    return folder / "one.mlpackage"


@settings(max_examples=40)
@given(
    file=st.sampled_from([MODEL, WEIGHTS / "weight.bin"]),
    place=st.floats(0, 1),
    junk=st.binary(max_size=64),
    cut=st.booleans(),
)
def test_a_damaged_package_is_one_error_or_still_a_program(
    single: Path, tmp_path_factory: pytest.TempPathFactory, file: Path, place: float, junk: bytes, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "damaged.mlpackage"
    shutil.copytree(single, folder)
    whole = (folder / file).read_bytes()
    at = int(place * len(whole))
    (folder / file).write_bytes(whole[:at] + junk + (b"" if cut else whole[at + len(junk) :]))
    try:
        functions = Program(folder, name="damaged").functions
    except E2GANError as error:
        assert str(error).startswith("damaged: ")
        assert "\n" not in str(error)
    else:
        assert functions


@pytest.mark.parametrize("file", [MODEL, WEIGHTS / "weight.bin"])
def test_a_package_that_lacks_a_file_is_refused(single: Path, tmp_path: Path, file: Path) -> None:
    shutil.copytree(single, tmp_path / "less.mlpackage")
    (tmp_path / "less.mlpackage" / file).unlink()
    with pytest.raises(E2GANError, match="not a sound Core ML package"):
        Program(tmp_path / "less.mlpackage")


def test_the_edit_is_whole_numbers_of_a_byte(single: Path) -> None:
    edit = Program(single).run("main", photo(*SIZE))
    assert edit.dtype == np.uint8
    assert edit.shape == (SIZE[1], SIZE[0], 3)
