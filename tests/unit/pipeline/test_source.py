"""Lines of source code in tracebacks: readable, without the secrets that somebody wrote into them."""

from pathlib import Path

import pytest

from tamis.pipeline.source import source_line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('connect(password="hunter2")', 'connect(password="***")'),
        ('connect("postgres://u:hunter2@db/shop")', 'connect("postgres://u:***@db/shop")'),
        ("login()  # password=hunter2", "login()  # password=***"),
        ("connect(password=password)", "connect(password=password)"),
        ("token = get_token(user)", "token = get_token(user)"),
        ('raise ValueError(f"order {order_id}")', 'raise ValueError(f"order {order_id}")'),
    ],
)
def test_secrets_in_texts_of_the_code_are_masked(tmp_path: Path, line: str, shown: str) -> None:
    """Only within quotes and comments; names and calls say what happened."""
    file = tmp_path / "app.py"
    file.write_text(f"    {line}\n", encoding="utf-8")
    assert source_line(str(file), 1) == shown


def test_a_file_that_is_not_here_has_no_lines(tmp_path: Path) -> None:
    """Records may come from elsewhere."""
    assert source_line(str(tmp_path / "gone.py"), 3) == ""
