"""What holds for all tests."""

from collections.abc import Generator

import pytest
from hypothesis import settings

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
