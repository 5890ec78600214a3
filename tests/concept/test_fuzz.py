"""Whatever stands in a bundle, only errors for people come out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2gan.base import Base
from e2gan.concept import FILES, Concept
from e2gan.errors import E2GANError
from e2gan.files import read_toml

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

TOML_LIKE = st.text(alphabet="abc.[]{}=\"'#\n\\u1-:tT\x00 ,", max_size=200).map(str.encode) | st.binary(max_size=200)


def attempt(files: dict[str, bytes], base: Base) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        try:
            Concept.read(folder).load(base)
        except E2GANError as error:
            assert folder in str(error)


class Files(dict[str, bytes]):
    """File names and contents, which hypothesis need not print."""

    def __repr__(self) -> str:
        return "Files(…)"


@pytest.fixture
def sound(bundle: Path) -> Files:
    return Files({file.name: file.read_bytes() for file in bundle.iterdir()})


@quick
@given(name=st.sampled_from([*FILES]), data=TOML_LIKE)
def test_any_bytes_for_a_file(sound: Files, base: Base, name: str, data: bytes) -> None:
    attempt({**sound, name: data}, base)


@quick
@given(data=st.data())
def test_damaged_file(sound: Files, base: Base, data: st.DataObject) -> None:
    """Cut out, put in or overwrite a few bytes, most of them near the start, where the structure is."""
    name = data.draw(st.sampled_from([*FILES]))
    content = sound[name]
    at = data.draw(st.integers(0, min(len(content), data.draw(st.sampled_from([8, 64, 4096, 10**6])))))
    gone = data.draw(st.integers(0, 16))
    new = data.draw(st.binary(max_size=16) | st.sampled_from([b"{", b"[" * 2000, b"null", b"-1", b"1e999", b'"']))
    attempt({**sound, name: content[:at] + new + content[at + gone :]}, base)


@quick
@given(
    header=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(["F32", "prompt", "__metadata__", "shape", "dtype", "data_offsets"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["prompt", "__metadata__", "shape", "dtype", "data_offsets"]) | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_header(sound: Files, base: Base, header: object) -> None:
    text = json.dumps(header).encode()
    attempt({**sound, "prompt.safetensors": len(text).to_bytes(8, "little") + text + bytes(192)}, base)
    attempt({**sound, "adapter_config.json": text}, base)


@quick
@given(
    names=st.sets(st.sampled_from([*FILES]) | st.text("abc._-", min_size=1, max_size=6).filter(lambda n: n.strip(".")))
)
def test_any_set_of_files(sound: Files, base: Base, names: set[str]) -> None:
    attempt({name: sound.get(name, b"") for name in names}, base)


@quick
@given(data=TOML_LIKE)
def test_any_toml(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            assert isinstance(read_toml(file.name), dict)
        except E2GANError as error:
            assert file.name in str(error)
