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
from e2gan_reproduce.table import (
    MEAN,
    Row,
    Table,
    Verdict,
    markdown,
    mean_of,
    orderings,
    over_seeds,
    read,
    write,
)

FACTS = {
    "scale": "small", "data": "photos, 9 photographs", "concepts": ["a"], "base": "tiny", "seeds": [0], "at": "",
    "hardware": "a machine", "torch": "2", "python": "3", "e2gan": "0", "training_minutes": 1.0, "minutes": 1.0,
}  # fmt: skip


def table(*rows: Row, stated: tuple[tuple[str, str], ...] = ()) -> Table:
    return Table("tab5", "Table 5: ranks", "What was done.", "FID", rows, stated, FACTS)


def row(name: str, paper: float | None = None, *ours: float) -> Row:
    figures = {} if paper is None else {"paper": paper}
    return Row(name, mean_of(figures), mean_of({f"concept {n}": value for n, value in enumerate(ours)}))


def test_an_order_that_is_found_again_and_one_that_is_not() -> None:
    found = orderings(table(row("a", 10, 1, 2), row("b", 20, 3, 1.5), row("c", 5, 9, 9)))
    said = {(each.lower, each.higher): (str(each.verdict), each.columns) for each in found}
    assert said == {("a", "b"): ("yes", (1, 2)), ("c", "a"): ("no", (0, 2)), ("c", "b"): ("no", (0, 2))}
    times = {(each.lower, each.higher): each.times for each in found}
    assert times["a", "b"] == pytest.approx(1.5)
    assert times["c", "a"] == pytest.approx(1.5 / 9)


def verdict(a: Row, b: Row) -> Verdict:
    (ordering,) = orderings(table(a, b))
    return ordering.verdict


def test_a_difference_that_may_be_chance_is_a_tie() -> None:
    a, b = row("a", 1, 100), row("b", 2, 103)
    assert verdict(a, b) == Verdict.TIE  # a few per cent, with nothing to tell more
    assert verdict(a, row("b", 2, 106)) == Verdict.YES
    assert verdict(row("a", 1, 106), row("b", 2, 100)) == Verdict.NO

    def with_error(row: Row, error: float) -> Row:
        return replace(row, error=dict.fromkeys(row.ours, error))

    assert verdict(with_error(a, 0.5), with_error(b, 0.5)) == Verdict.YES
    assert verdict(with_error(row("a", 1, 100), 9), with_error(row("b", 2, 120), 9)) == Verdict.TIE


def test_seeds_decide_where_there_are_several() -> None:
    def seeds(*figures: tuple[float, float]) -> Verdict:
        a, b = over_seeds([[row("a", 1, low), row("b", 2, high)] for low, high in figures])
        return verdict(a, b)

    assert seeds((100, 101), (110, 111), (90, 91)) == Verdict.YES  # small, but with each seed
    assert seeds((100, 120), (110, 90), (100, 106)) == Verdict.TIE
    assert seeds((120, 100), (110, 101), (119, 104)) == Verdict.NO


def test_the_figures_are_the_means_over_seeds() -> None:
    one = [row("a", 1, 2, 4), Row("b", {"paper": 1}, note="not run")]
    two = [row("a", 1, 4, 8), Row("b", {"paper": 1}, note="not run")]
    a, b = over_seeds([one, two])
    assert a.ours == {"concept 0": 3, "concept 1": 6, MEAN: 4.5}
    assert a.each == (one[0].ours, two[0].ours)
    assert (b.ours, b.each, b.note) == ({}, (), "not run")
    assert over_seeds([one]) == one


def test_a_model_with_a_handful_of_steps_is_not_compared() -> None:
    assert verdict(row("a", 1, 1), replace(row("b", 2, 9), handful=True)) == Verdict.NOT_COMPARABLE


def test_columns_are_compared_each_for_itself() -> None:
    found = orderings(
        table(Row("a", {"size": 1, "time": 5}, {"size": 2, "time": 9}), Row("b", {"size": 3}, {"size": 1}))
    )
    assert [(each.column, each.lower, str(each.verdict), each.columns) for each in found] == [("size", "a", "no", None)]


def test_what_is_stated_without_figures_is_answered_too() -> None:
    found = orderings(table(row("a", None, 1), row("b", None, 2), row("c"), stated=(("b", "a"), ("a", "c"))))
    assert [(each.lower, str(each.verdict)) for each in found] == [("b", "no")]


def test_the_page_says_no_where_the_order_is_another(tmp_path: Path) -> None:
    write(table(row("a", 10, 4), row("b", 20, 2)), tmp_path)
    page = results_page(tmp_path, tmp_path)
    assert "| a below b | no (0.5 ×, 0 of 1 concepts) |" in page
    assert "| [Table 5: ranks](#table-5-ranks) | small | 1 | 1 |  | 1 |  |  |" in page
    assert "**Of 1 orders: 0 yes, 1 no, 0 tie, 0 not comparable. Tables not run: 23 of 24.**" in page
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
        low, high = sorted([ours_a, ours_b])
        if high - low > 0.0501 * low:
            assert each.verdict == (Verdict.YES if ours_a < ours_b else Verdict.NO)
        elif high - low < 0.0499 * low:
            assert each.verdict == Verdict.TIE


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
