"""How long the rows of real versions are: the one thing of them that the training benchmarks need.

    python -m benchmarks.row_lengths NAME=WORKSPACE:TOKENIZER:TEMPLATE ... [--out benchmarks/row_lengths.json]

WORKSPACE holds a built version, whose latest is taken; TOKENIZER is a model's folder; TEMPLATE a built-in layout or
a chat template. Written for each NAME: [tokens, trained tokens] of each row of the train split, and no content.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from curation.source import open_source
from curation.workspace import open_workspace
from train.config import TrainingConfig
from train.encode import encode_all
from train.model.template import choose_training_template
from train.model.tokenizer import load_tokenizer

OUT = Path(__file__).with_suffix(".json")
_NO_LIMIT = 1 << 20  # tokens


def lengths(workspace: Path, tokenizer: Path, template: str) -> list[list[int]]:
    source = open_source("latest", open_workspace(workspace))
    config = TrainingConfig(base_model=str(tokenizer), template=template, max_length=_NO_LIMIT)
    chosen = choose_training_template(config, source, tokenizer)
    split = encode_all(source.required("train"), chosen, load_tokenizer(tokenizer), config)
    return [[len(row.input_ids), row.trained] for row in split.rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", metavar="NAME=WORKSPACE:TOKENIZER:TEMPLATE")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    found = {}
    for version in args.versions:
        name, _, told = version.partition("=")
        workspace, tokenizer, template = told.split(":")
        found[name] = lengths(Path(workspace), Path(tokenizer), template)
    lines = [f'"{name}": {json.dumps(rows, separators=(",", ":"))}' for name, rows in found.items()]
    args.out.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
