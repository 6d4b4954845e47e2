"""Outputs and judgements that others published, taken in and looked at in the dashboard.

python -m benchmarks.outside_review DATA WORKSPACE

Makes WORKSPACE: AlpacaEval's four models, the two files of Flan-T5, PandaLM's five models with what its three raters
said of each pair, and the automatic tags. Then: curate -C WORKSPACE app
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from app.cli import main as curate
from curation.runs import list_runs, read_run, run_place
from curation.store.journal import open_journal
from curation.store.tags import Tag, add_tags
from curation.workspace import Workspace, init_workspace
from eval.folder import EvalFolder, latest_eval
from eval.prediction_layouts import prompt_text
from eval.review.pairwise import PREFERS, UNRECORDED

ALPACA_EVAL: Final = ("alpaca-7b", "llama-2-7b-chat-hf", "text_davinci_003", "vicuna-7b")
FLAN_T5: Final = ("small", "large")
RATERS: Final = ("annotator1", "annotator2", "annotator3")
_BETTER: Final = {"0": "tie", "1": "first", "2": "second"}


def fill(root: Path, data: Path, flan: Sequence[str] = FLAN_T5) -> dict[str, int]:
    """The workspace; gives what was taken in: runs, pairs judged, pairs left out."""
    here = init_workspace(root)
    for name in ALPACA_EVAL:
        _take_in(here, data / "alpaca_eval" / name / "model_outputs.json.gz", name)
    for size in flan:
        file = data / "dolly_flan_t5" / f"google_flan-t5-{size}_decode_output.jsonl.gz"
        _take_in(here, file, f"flan-t5-{size}")
    pairs: list[dict[str, Any]] = json.loads(gzip.decompress((data / "pandalm" / "testset-v1.json.gz").read_bytes()))
    for model, answers in _answers(pairs).items():
        file = here.root / "data" / f"pandalm-{model}.jsonl"
        lines = (json.dumps({"prompt": prompt, "output": output}) for prompt, output in answers.items())
        file.write_text("\n".join(lines) + "\n", "utf-8")
        _take_in(here, file, model)
    judged, left_out = _preferences(here, pairs)
    runs = list_runs(run_place(here).experiments)
    for run in runs:
        assert curate(["autotag", run.name, "-C", str(here.root)]) == 0, run
    return {"runs": len(runs), "judged": judged, "left_out": left_out}


def _take_in(here: Workspace, file: Path, name: str) -> None:
    words = ["import-predictions", str(file), "--name", name, "-C", str(here.root)]
    assert curate(words) == 0, f"{file} was not taken in"


def _prompt(pair: Mapping[str, Any]) -> str:
    return f"{pair['instruction']}\n\n{pair['input']}" if pair["input"] else str(pair["instruction"])


def _models(pair: Mapping[str, Any]) -> tuple[str, str]:
    first, _, second = pair["cmp_key"].partition("_")
    return first, second


def _answers(pairs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """model -> prompt -> its answer; a few models answered a prompt twice, the first answer is taken."""
    found: dict[str, dict[str, str]] = {}
    for pair in pairs:
        for model, side in zip(_models(pair), ("response1", "response2"), strict=True):
            if isinstance(pair[side], str) and pair[side].strip():
                found.setdefault(model, {}).setdefault(_prompt(pair), pair[side])
    return found


def _preferences(here: Workspace, pairs: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """What the raters preferred, as judgements of pairs; those of answers that were not taken in are left out."""
    place = run_place(here)
    evaluations = {
        str(read_run(folder).settings.get("name")): one
        for folder in list_runs(place.experiments)
        if (one := latest_eval(folder)) is not None
    }
    shown = {name: _outputs(one) for name, one in evaluations.items()}
    events, left_out = [], 0
    for number, pair in enumerate(pairs):
        first, second = _models(pair)
        sides = [shown[model].get(_prompt(pair)) for model in (first, second)]
        if any(
            side is None or side[2] != pair[key] for side, key in zip(sides, ("response1", "response2"), strict=True)
        ):
            left_out += 1
            continue
        item, prediction, _ = sides[0] or ("", "", "")
        run = f"{evaluations[first].name} | {evaluations[second].name}"
        for rater in RATERS:
            value = f"{_BETTER[str(pair[rater])]}|{UNRECORDED}"
            told = {"author": rater, "kind": "preference", "note": item}
            events.append(Tag(f"pandalm {number} {rater}", prediction, run, PREFERS, value, **told))  # type: ignore[arg-type]
    with open_journal(place.journal) as journal:
        add_tags(journal, events)
    return len(pairs) - left_out, left_out


def _outputs(folder: EvalFolder) -> dict[str, tuple[str, str, str]]:
    """prompt -> item, prediction, output."""
    rows = folder.predictions(["prediction_id", "item_id", "prompt", "output"]).to_pylist()
    return {
        prompt_text(json.loads(row["prompt"])) or "": (row["item_id"], row["prediction_id"], row["output"])
        for row in rows
    }


def main(argv: Sequence[str]) -> int:
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    print(json.dumps(fill(Path(argv[1]), Path(argv[0]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
