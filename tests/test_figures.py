"""The tables of figures are those of benchmarks/figures.yaml."""

import re

import pytest

from benchmarks import figures

PAGES = {str(path.relative_to(figures.ROOT)): path.read_text(encoding="utf-8") for path in figures.FILES}
MADE_UP = {
    "whole": {"columns": ["codes", "seconds"], "right": True, "rows": [["1,000", "0.1"], ["2,000", "0.4"]]},
    "part": {"from": "whole", "where": {"codes": ["2,000"]}, "columns": {"seconds": "s"}},
}


@pytest.mark.parametrize("page", PAGES)
def test_tables_hold_the_figures_of_the_file(page):
    assert figures.rewritten(PAGES[page], figures.tables()) == PAGES[page], "python benchmarks/figures.py writes it"


def test_every_table_of_figures_is_shown_somewhere():
    shown = {name for text in PAGES.values() for name in re.findall(r"<!-- figures: (\S+) -->", text)}
    assert shown == set(figures.tables())


def test_all_tables_of_the_benchmarks_page_but_the_list_of_scripts_are_written_so():
    text = PAGES["benchmarks/README.md"]
    by_hand = re.sub(r"<!-- figures: .*?<!-- end of figures -->", "", text, flags=re.DOTALL)
    assert re.findall(r"^\|.*\n(?=\|--)", by_hand, flags=re.MULTILINE) == ["| script | what it times | against |\n"]


def test_a_table_is_written_and_what_is_around_it_stays():
    page = "before\n<!-- figures: whole -->\nold\n<!-- end of figures -->\nafter\n"
    assert figures.rewritten(page, MADE_UP) == (
        "before\n<!-- figures: whole -->\n| codes | seconds |\n|---|---:|\n| 1,000 | 0.1 |\n| 2,000 | 0.4 |\n"
        "<!-- end of figures -->\nafter\n"
    )


def test_a_table_takes_its_rows_from_another_one():
    assert figures.cells("part", MADE_UP) == (["s"], [["0.4"]])


def test_a_table_that_is_missing_is_an_error():
    with pytest.raises(KeyError):
        figures.rewritten("<!-- figures: none -->\n<!-- end of figures -->\n", MADE_UP)
