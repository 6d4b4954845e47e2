"""`curate generate RUN --input FILE | --split NAME --out FILE`: answers to many prompts, kept as they come."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.cli.output import emit
from app.cli.place import folder
from app.cli.progress import progress
from app.cli.render import next_commands, visible
from curation.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from eval.generation import GenerationSettings, Item, Responses
    from train.model.of_run import RunFiles

_SPLITS: Final = ("train", "validation")
Asked = tuple[dict[str, Any], Callable[[], "Iterator[Item]"]]  # what names the questions, and a way to read them


def answer_many(args: Namespace, files: RunFiles, settings: GenerationSettings) -> int:
    from eval.generation import answer_all, open_responses
    from train.model.of_run import load_run
    from train.watch import TrainLog

    out = folder(args) / args.out
    asked, questions = _asked(args, files)
    total = sum(1 for _ in questions())  # also says what is wrong with a line before anything is loaded
    if not total:
        raise ConfigError("nothing to ask: there is no question in it")
    adapter = args.run != "base"
    made_with = _identity(files, adapter) | settings.as_json() | asked | {"system": args.system}
    told = progress()
    with TrainLog(), open_responses(out, made_with) as responses:
        before = responses.done
        try:
            if before < total:
                told.stage("loading the model")
                loaded = load_run(files, adapter=adapter)
                if args.system is not None:
                    loaded = replace(loaded, system_prompt=args.system)
                told.stage("answers", total - before, "prompts")
                answer_all(loaded, questions(), settings, responses, told.advance)
            told.finish()
        except KeyboardInterrupt:
            stored = sum(1 for _ in responses.lines())  # a batch may have been written and not yet counted
            done = f"stopped; {stored:,} of {total:,} answers are in {out}"
            raise KeyboardInterrupt(f"{done}; the same command again goes on") from None
        finally:
            told.stop()
        return _told(args, out, responses, before, files.run.name if adapter else "base")


def _told(args: Namespace, out: Path, responses: Responses, before: int, name: str) -> int:
    ends = Counter[str]()
    tokens, why = 0, ""
    for line in responses.lines():
        ends[line["finish_reason"]] += 1
        tokens += line["tokens"]
        why = why or line["detail"]
    count = sum(ends.values())
    data = {"run": name, "out": str(out), "answers": count, "new": count - before, "tokens": tokens}
    kept = f", {before:,} of them from before" if before else ""
    lines = [f"{visible(str(out))}: {count:,} answers of {name}{kept}; {tokens:,} tokens"]
    lines.append(
        f"ended by themselves {ends['stop']:,}, cut off {ends['length']:,}, without an answer {ends['error']:,}"
    )
    if why:
        lines.append(f"the first without an answer: {visible(why)}")
    if ends["length"] > count / 2:
        lines.append(next_commands("raise --max-new-tokens", "curate train --check (is the end of turn trained?)"))
    emit(args, {**data, "finish_reasons": dict(ends)}, lines)
    return 0


def _asked(args: Namespace, files: RunFiles) -> Asked:
    if args.input is not None:
        from curation.store.files import file_sha256
        from eval.generation.questions import read_questions

        path = folder(args) / args.input
        next(read_questions(path), None)  # it is there, and of the right kind
        told = {"input_sha256": file_sha256(path), "limit": args.limit}
        return told, lambda: islice(read_questions(path), args.limit)
    if args.split == "test":
        raise ConfigError("--split test: test is for the end; use curate eval --final, which counts each look")
    if args.split not in _SPLITS:
        raise ConfigError(f"--split {args.split}: is no split{did_you_mean(args.split, _SPLITS)}")
    from eval.generation.questions import of_rows

    source = _source(args, files)
    told = {"version": source.version_id, "split": args.split, "limit": args.limit}
    source.required(args.split)  # there are some
    return told, lambda: of_rows(islice(source.rows(args.split), args.limit))


def _source(args: Namespace, files: RunFiles) -> Any:
    from curation.source import open_source
    from curation.workspace import find_workspace

    here, version = find_workspace(folder(args)), files.run.version or {}
    from_pack = version.get("source") == "pack"
    ref = args.ref or ((files.run.config or {}).get("version") if from_pack else version.get("id"))
    if ref is None:
        raise ConfigError(f"{files.run.name}: does not say which version it was trained on; name one with --version")
    return open_source(ref, here, here.root if here else folder(args))


def _identity(files: RunFiles, adapter: bool) -> dict[str, Any]:
    """What decides about a model's answers."""
    from curation.store.files import file_sha256

    base = files.run.base_model
    return {
        "base_model": base.get("sha256") or base["name"],
        "quantization": files.quantization,
        "template": files.template.sha256,
        "adapter": file_sha256(files.adapter / "adapter_model.safetensors") if adapter else None,
    }
