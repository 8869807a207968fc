"""docs/chaos.md tells what was found, and what was not looked for."""

from chaos.faults import ALL
from chaos.results import PAGE, Results, page


def test_the_page_is_what_was_found() -> None:
    assert PAGE.read_text() == page(Results.load())


def test_nothing_is_told_of_a_fault_that_is_no_more() -> None:
    assert Results.load().faults.keys() <= ALL.keys()
