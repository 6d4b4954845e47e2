"""CPU-seconds to render the 50,000-row mixed corpus with every template: `python -m benchmarks.templates CORPUS`."""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curation.formats.alpaca import convert
from curation.records import canonical, row_id, sides
from curation.tables import ROWS
from curation.templates import LAYOUTS, load_template, render_table

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "templates"
JINJA = ("chatml", "gemma", "llama3", "mistral", "qwen")


def read(path: Path) -> Any:
    """The corpus as the build's table of rows."""
    lines = []
    with gzip.open(path) as file:
        for i, line in enumerate(file):
            record = convert(orjson.loads(line))
            content = canonical(record)
            lines.append((i, 0, row_id(content), *sides(record["messages"]), content))
    arrays = [pa.array(list(column), field.type) for column, field in zip(zip(*lines, strict=True), ROWS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=ROWS)


def measure(rows: Any, name: str | Path) -> dict[str, Any]:
    began = time.process_time()
    rendered = render_table(rows, load_template(name, bos="<s>" if isinstance(name, Path) else None, eos="</s>"))
    seconds = time.process_time() - began
    reasons: dict[str, int] = {}
    for reason in rendered.refused["reason"].to_pylist():
        reasons[reason] = reasons.get(reason, 0) + 1
    return {"cpu_seconds": round(seconds, 2), "rendered": len(rendered.texts), "refused": reasons}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="mixed/instructions_50k.jsonl.gz of the shared data")
    rows = read(parser.parse_args().corpus)
    sources: list[str | Path] = [*LAYOUTS, *(FIXTURES / f"{name}.jinja" for name in JINJA)]
    results = {Path(source).name: measure(rows, source) for source in sources}
    for name, result in results.items():
        print(
            f"{name:14} {result['cpu_seconds']:5.2f} s  {result['rendered']:,} rows  {result['refused']}",
            file=sys.stderr,
        )
    print(orjson.dumps({"rows": rows.num_rows, "templates": results}).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
