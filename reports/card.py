"""A model card for a run: README.md with the head that the hub reads, every number from what the run stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError
from curation.licences import by_licence, in_words, stated
from eval.folder import EvalFolder
from reports.cells import number, with_interval
from reports.document import Block, Code, Document, Section, Table, Text
from reports.licences import NAMING, conflicts, for_hub, own_licence
from reports.markdown import to_markdown
from reports.results import changed_settings
from reports.sections import limits, metrics, provenance, verdict
from reports.sections.subject import Subject
from reports.tables import data as data_tables
from reports.tables import evaluation as tables

_BENCHMARKS: Final = {
    "arc-easy": ("allenai/ai2_arc", "ARC-Easy"),
    "arc-challenge": ("allenai/ai2_arc", "ARC-Challenge"),
}
_ELSEWHERE: Final = "data that Curate has not seen; the card is built by Curate from what the run holds"


@dataclass(frozen=True, slots=True)
class Claims:
    """What only the user knows: under which licence the model and the data are, and their names on the hub."""

    licence: str | None = None
    data_licences: tuple[str, ...] = ()
    base: str | None = None
    dataset: str | None = None
    name: str | None = None


def model_card(of: Subject, claims: Claims = Claims()) -> tuple[str, list[str]]:
    """The README.md, and the conflicts of licences that it names. ConfigError for what is no training."""
    if of.run.kind != "training":
        raise ConfigError(f"{of.folder.name}: is {of.kind_words}, not a training; a model card is of a training")
    from huggingface_hub import ModelCardData

    told = of.data_licences
    data = tuple(dict.fromkeys([*claims.data_licences, *stated(told).values()]))
    sources = {licence: where for licence, where in by_licence(told).items() if licence and len(told) > 1}
    base, base_licence = claims.base or _shown_base(of), of.run.licences.get("base")
    licence = own_licence(base, base_licence, claims.licence)
    against = conflicts(base, base_licence, data, licence, sources)
    results = eval_results(of.evaluation) if of.evaluation else []
    adapter = (of.folder / "adapter" / "adapter_config.json").is_file()
    head = ModelCardData(
        base_model=base,
        datasets=[claims.dataset] if claims.dataset else None,
        language=(data_tables.main_languages(of.version) or None) if of.version else None,
        library_name="peft" if adapter else "transformers",
        **for_hub(licence),
        model_name=claims.name or of.name,
        eval_results=results or None,
        pipeline_tag="text-generation",
        tags=["curate", "lora", "sft"] if adapter else ["curate", "sft"],
        ignore_metadata_errors=False,
    )
    text = to_markdown(_document(of, claims, licence, base_licence, against))
    return f"---\n{head.to_yaml().strip()}\n---\n\n{text}", against


def eval_results(folder: EvalFolder) -> list[Any]:
    """The evaluation's values over all items, as the hub's model-index has them."""
    from huggingface_hub import EvalResult

    version = (folder.run.version or {}).get("name") or "data"
    benchmarks = set(folder.benchmarks()["benchmark"].to_pylist())
    found = []
    for row in tables.metrics([folder]).itertuples():
        if not math.isfinite(row.value):
            continue
        asked = row.split in benchmarks
        own = (f"curate-{version}", f"{row.split} of {version}")
        kind, name = _BENCHMARKS.get(row.split.partition(" ")[0], (row.split, row.split)) if asked else own
        found.append(
            EvalResult(
                task_type="multiple-choice" if asked else "text-generation",
                dataset_type=kind,
                dataset_name=name,
                dataset_split=None if asked else row.split,
                metric_type=row.metric,
                metric_name=f"{row.metric} ({row.n:,} items)",
                metric_value=float(row.value),
            )
        )
    return found


def _shown_base(of: Subject) -> str:
    """The base's name; of a folder only the last part, which says nothing of the machine, and is no other's on the hub:
    there data/base is the model `base` of somebody called data."""
    return Path(of.run.base).name if _in_folder(of) else of.run.base


def no_name(of: Subject, claims: Claims) -> str:
    """What to do where nobody has said what the base is called on the hub; empty where it is known."""
    if claims.base or not _in_folder(of):
        return ""
    return f"the base model is the folder {of.run.base}; say with --base what it is called on the hub"


def _in_folder(of: Subject) -> bool:
    """Whether the base was read from a folder that is not the hub's cache."""
    known = of.run.base_model
    return Path(of.run.base).is_absolute() or bool(known.get("sha256") and not known.get("revision"))


def _document(
    of: Subject,
    claims: Claims,
    licence: str | None,
    base_licence: str | None,
    against: list[str],
) -> Document:
    version = of.run.version or {}
    base = claims.base or _shown_base(of)
    data = f"version {version['name']} ({version['id'][:12]}) of a data set built by Curate" if version else _ELSEWHERE
    about = f"A LoRA adapter for {base}, trained on {data}."
    named = NAMING.fullmatch(licence or "") is not None
    naming = [Text("Built with Llama.")] if named else []
    sections = [
        Section("Results", [*_results(of), *metrics.compared(of)[:1]]),
        Section("Limitations", limits.limitations(of)),
        Section("Licence", [*_licence(licence, base_licence, _data_licence(of, claims), against), *naming]),
        Section("Data", _data(of)),
        Section("Training", _training(of)),
        Section("Use", [Code(_usage(of, base), "With the prompt layout of the training:")]),
        Section("Provenance", provenance.provenance(of)),
    ]
    return Document(claims.name or of.name, [Text(about), *verdict.summary(of)], sections)


def _results(of: Subject) -> list[Block]:
    if of.evaluation is None:
        return [Text(f"Not evaluated: {of.no_evaluation}.")]
    rows = [
        [row.split, row.metric, with_interval(row.value, row.ci_low, row.ci_high), number(row.n), row.signature or "-"]
        for row in tables.metrics([of.evaluation]).itertuples()
    ]
    return [Table(("exam", "metric", "value [95 % interval]", "items", "how"), rows, frozenset({"items"}))]


def _data_licence(of: Subject, claims: Claims) -> str:
    """What is claimed, and what is stated source by source."""
    told = of.data_licences
    parts = [*claims.data_licences, *([in_words(told)] if stated(told) or not claims.data_licences else [])]
    return ", ".join(dict.fromkeys(parts))


def _licence(licence: str | None, base: str | None, data: str, against: list[str]) -> list[Block]:
    told = f"This model: {licence or 'not stated'}. Base model: {base or 'not stated'}. Data: "
    blocks: list[Block] = [Text(f"{told}{data}.")]
    return [*blocks, *(Text(f"Conflict: {line}.", "bad") for line in against)]


def _data(of: Subject) -> list[Block]:
    rows = (of.run.version or {}).get("rows") or {}
    told = ", ".join(f"{split} {count:,}" for split, count in rows.items() if count)
    blocks: list[Block] = [Text(f"Rows used: {told or 'not known'}.")]
    if of.version is not None:
        blocks.append(Text(data_tables.leak_sentence(of.version)))
    return [*blocks, *([Text(of.no_version)] if of.no_version else [])]


def _training(of: Subject) -> list[Block]:
    changed = [[key, str(value)] for key, value in changed_settings(of.run.config or {}).items()]
    measured = [[name.replace("_", " "), number(value)] for name, value in of.run.metrics.items()]
    seeds = [["seeds", ", ".join(map(str, of.run.seeds)) or "-"]]
    return [Table(("setting off its default", "value"), [*seeds, *changed]), Table(("measured", "value"), measured)]


def _usage(of: Subject, base: str) -> str:
    folder: Path = of.folder
    return f"curate generate {folder.name} --prompt '...'\n# or any server that loads {base} with the folder adapter/"
