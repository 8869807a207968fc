"""docs/chaos.md tells what was found."""

from chaos.faults import ALL
from chaos.results import PAGE, Results, page


def test_the_page_is_what_was_found() -> None:
    assert PAGE.read_text() == page(Results.load())


def test_every_fault_was_looked_at_and_none_that_is_no_more() -> None:
    assert Results.load().faults.keys() == ALL.keys()
