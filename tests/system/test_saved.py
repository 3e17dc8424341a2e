"""Saved searches from the command line."""

import json
from pathlib import Path

import httpx2

from tests.support.commands import TOKEN, running_server, tamis_here


def test_a_search_is_kept_and_asked_by_its_name(tmp_path: Path) -> None:
    """Kept, shown with its link, listed, asked, dropped; a query that is wrong is pointed at."""
    lines = b'{"message":"broken","level":"error"}\n{"message":"fine","level":"info"}\n'
    with running_server(tmp_path) as server:
        httpx2.post(
            f"{server.url}/api/v1/ingest", content=lines, headers={"Authorization": f"Bearer {TOKEN}"}
        ).raise_for_status()

        def told(*arguments: str, code: int = 0) -> str:
            ran = tamis_here("saved", *arguments, home=tmp_path, TAMIS_URL=server.url, TAMIS_TOKEN=TOKEN)
            assert ran.code == code, ran.err
            return ran.out + ran.err

        told("add", "what broke", "level>=error", "--since", "1h", "-m", "for the morning")
        assert "what broke  level>=error  from -1h" in told("list")
        assert f"{server.url}/?q=level%3E%3Derror&start=-1h" in told("show", "what broke")
        assert json.loads(told("show", "what broke", "--json"))["description"] == "for the morning"
        found = [json.loads(line)["message"] for line in told("run", "what broke", "--json").splitlines()]
        assert found == ["broken"]
        assert "nothing stands after >=" in told("add", "worse", "level>=", code=2)
        told("remove", "what broke")
        assert "no saved search" in told("run", "what broke", code=3)
        assert json.loads(told("list", "--json")) == {"searches": []}
