"""What is said of the paper's figures and ours, and what is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.errors import DataError
from e2gan_reproduce.page import results_page
from e2gan_reproduce.table import MEAN, Row, Table, markdown, mean_of, orderings, read, write

FACTS = {
    "scale": "small", "data": "photos, 9 photographs", "concepts": ["a"], "base": "tiny", "seed": 0, "at": "",
    "hardware": "a machine", "torch": "2", "python": "3", "e2gan": "0", "training_minutes": 1.0, "minutes": 1.0,
}  # fmt: skip


def table(*rows: Row, stated: tuple[tuple[str, str], ...] = ()) -> Table:
    return Table("tab5", "Table 5: ranks", "What was done.", "FID", rows, stated, FACTS)


def row(name: str, paper: float | None = None, *ours: float) -> Row:
    figures = {} if paper is None else {"paper": paper}
    return Row(name, mean_of(figures), mean_of({f"concept {n}": value for n, value in enumerate(ours)}))


def test_an_order_that_is_found_again_and_one_that_is_not() -> None:
    found = orderings(table(row("a", 10, 1, 2), row("b", 20, 3, 1.5), row("c", 5, 9, 9)))
    said = {(each.lower, each.higher): (each.same, each.columns) for each in found}
    assert said == {("a", "b"): (True, (1, 2)), ("c", "a"): (False, (0, 2)), ("c", "b"): (False, (0, 2))}
    by = {(each.lower, each.higher): each.by for each in found}
    assert by["a", "b"] == pytest.approx(0.5)
    assert by["c", "a"] == pytest.approx(1.5 / 9 - 1)


def test_columns_are_compared_each_for_itself() -> None:
    found = orderings(
        table(Row("a", {"size": 1, "time": 5}, {"size": 2, "time": 9}), Row("b", {"size": 3}, {"size": 1}))
    )
    assert [(each.column, each.lower, each.same, each.columns) for each in found] == [("size", "a", False, None)]


def test_what_is_stated_without_figures_is_answered_too() -> None:
    found = orderings(table(row("a", None, 1), row("b", None, 2), row("c"), stated=(("b", "a"), ("a", "c"))))
    assert [(each.lower, each.same) for each in found] == [("b", False)]


def test_the_page_says_no_where_the_order_is_another(tmp_path: Path) -> None:
    write(table(row("a", 10, 4), row("b", 20, 2)), tmp_path)
    page = results_page(tmp_path, tmp_path)
    assert "| a below b | no (-50.0%, 0 of 1 concepts) |" in page
    assert "| [Table 5: ranks](#table-5-ranks) | small | 0 of 1 |" in page
    assert "![Table 5: ranks](tab5-small.png)" in page
    assert (tmp_path / "tab5-small.png").is_file()


def test_a_link_within_the_page_is_as_github_makes_it(tmp_path: Path) -> None:
    write(replace(table(row("a", 1, 2)), title="Table 3: E²GAN, pix2pix and Co-Mod-GAN"), tmp_path)
    assert "(#table-3-egan-pix2pix-and-co-mod-gan)" in results_page(tmp_path, tmp_path)


def test_a_row_that_was_not_run_has_dashes() -> None:
    assert "| a | 10 | 10 | – | – |" in markdown(table(row("a", 10), row("b", 20, 1)))


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tables here"):
        results_page(tmp_path, tmp_path)


numbers = st.floats(0.001, 1e6)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_every_pair_of_the_papers_figures_is_answered_once(figures: list[tuple[float, float]]) -> None:
    made = table(*(row(str(n), paper, ours) for n, (paper, ours) in enumerate(figures)))
    found = orderings(made)
    papers = [paper for paper, _ in figures]
    assert len(found) == sum(a != b for n, a in enumerate(papers) for b in papers[n + 1 :])
    for each in found:
        (a, ours_a), (b, ours_b) = figures[int(each.lower)], figures[int(each.higher)]
        assert a < b
        assert each.same == (ours_a < ours_b)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "title", "said", "figures", "rows", "stated", "facts"]), inner)
        ),
    )
)
def test_a_damaged_table_is_named(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.mktemp("damaged") / "tab5-small.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"tab5-small\.json: not a table"):
        read(path)


def test_the_mean_stands_last() -> None:
    assert list(mean_of({"a": 1, "b": 3}).items()) == [("a", 1), ("b", 3), (MEAN, 2)]
    assert mean_of({}) == {}


def test_the_page_of_results_is_the_one_that_is_written(repository: Path) -> None:
    page = repository / "docs/results.md"
    assert page.read_text(encoding="utf-8") == results_page(repository / "docs/results", page.parent)
