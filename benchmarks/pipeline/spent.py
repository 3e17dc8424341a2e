"""Where the time goes in our pipeline: capture and hand-out, each in one thread under cProfile; prints JSON."""

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.pipeline.contenders import Contender, tamis_fast, tamis_foreign
from benchmarks.pipeline.records import calls
from benchmarks.pipeline.trial import RECORDS
from benchmarks.profiles import profiled


def main() -> None:
    """Profile the caller on both ways, and the way to the file."""
    from tamis.pipeline.assembly import put_together
    from tamis.pipeline.captured import Origin
    from tamis.pipeline.chain import Chain
    from tamis.pipeline.encode import encode_lines
    from tamis.pipeline.processors.redact import redact_from
    from tamis.settings.processors import RedactSettings

    made = calls(RECORDS)
    kept: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {}
        contender = tamis_fast(Path(folder) / "app.jsonl")
        found["the caller, fast path"] = _caller(contender, made, kept)
        found["the caller, foreign handler"] = _caller(tamis_foreign(Path(folder) / "app.jsonl"), made, [])
        contender.finish()
    origin, chain = Origin("shop", "here", 1, "0000000a"), Chain([redact_from(RedactSettings())])

    def hand_out() -> None:
        for begin in range(0, len(kept), 512):
            records, contents = put_together(kept[begin : begin + 512], origin)
            encode_lines(chain.run(records, contents).records)

    found["to the file, redaction on"] = profiled(hand_out, 1)
    print(json.dumps(found))


def _caller(contender: Contender, made: list[Any], kept: list[Any]) -> Any:
    from tamis.embed.outlet import OUTLET

    put, OUTLET.put = OUTLET.put, kept.append
    try:
        return profiled(lambda: contender.take(made), 1)
    finally:
        OUTLET.put = put


if __name__ == "__main__":
    main()
