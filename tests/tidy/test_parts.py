"""The table of the programs that tests need says what is so."""

from tests.tidy.sources import ROOT, python_sources
from tools.system_parts import parts


def test_every_part_is_needed_where_the_table_says() -> None:
    """A part names folders or files of tests that are there, and one of them asks for it."""
    for part in parts().values():
        assert part.tests
        assert part.programs or part.pip
        assert part.debian or part.pip
        assert [test for test in part.tests if not (ROOT / test).exists()] == []
        asking = [
            str(one.path)
            for one in python_sources()
            if f'"{part.name}"' in one.text and "program(" in one.text
        ]
        assert [test for test in part.tests if not any(path.startswith(test) for path in asking)] == []
