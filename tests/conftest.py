"""What holds for all tests."""

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tools.system_parts import all_wanted

HERE = Path(__file__).parent
WITH_PROCESSES = (HERE / "browser", HERE / "conformance", HERE / "system")

# Machines are shared: how long one example takes says nothing.
settings.register_profile("tamis", deadline=None, print_blob=True)
settings.load_profile("tamis")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logged travels with its report between processes, which lone surrogates cannot."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode("utf-8")) for title, text in report.sections
    ]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a test of real processes that fails is run once more, and named as RERUN: its machine is others' too."""
    if not all_wanted():
        return
    for item in items:
        if item.path.is_relative_to(HERE) and any(
            item.path.is_relative_to(place) for place in WITH_PROCESSES
        ):
            item.add_marker(pytest.mark.flaky(reruns=1))
