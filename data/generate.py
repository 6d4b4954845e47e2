"""Write the sample data: `python -m data.generate --out DIR [--seed N] [--no-defects]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from data import chats, desk, domain, german, guards, howto, knowledge, layouts, romanian, science, science_facts
from data.defects import plant
from data.draw import Draw
from data.layouts import Entry
from data.story import Story

SEED: Final = 7

# Free-form files in recipe order: earlier ones win when duplicates compete.
FREE_FORM: Final[dict[str, Callable[[Story, int], dict[str, Any]]]] = {
    "manual.jsonl": layouts.alpaca,
    "inbox.jsonl": layouts.messages,
    "chat.jsonl": layouts.sharegpt,
    "community.jsonl": layouts.guanaco,
    "converted.jsonl": layouts.llama2,
}
# Where stories of a topic go, by turns. Contexts need manual.jsonl, several turns need chat.jsonl.
HOMES: Final[dict[str, tuple[str, ...]]] = {
    "howto": ("manual.jsonl", "community.jsonl", "converted.jsonl"),
    "trouble": ("chat.jsonl", "community.jsonl", "inbox.jsonl"),
    "policy": ("manual.jsonl", "community.jsonl"),
    "explanation": ("manual.jsonl", "community.jsonl", "converted.jsonl"),
    "product": ("manual.jsonl", "converted.jsonl"),
    "sums": ("manual.jsonl", "community.jsonl"),
    "notes": ("manual.jsonl",),
    "labels": ("manual.jsonl",),
    "letters": ("inbox.jsonl",),
    "code": ("manual.jsonl", "chat.jsonl"),
    "chat": ("chat.jsonl",),
    "guard": ("inbox.jsonl", "chat.jsonl"),
}
WRITERS: Final = (
    howto.howtos, howto.troubles, knowledge.policies, knowledge.explanations, knowledge.descriptions, desk.sums,
    desk.notes, desk.labels, desk.letters, desk.snippets, chats.chats, german.german, romanian.romanian,
)  # fmt: skip


def stories(seed: int) -> list[Story]:
    """All sound free-form stories."""
    told = [story for write in WRITERS for story in write(Draw(seed, write.__name__))]
    return told + list(guards.guards())


def generate(out: Path, seed: int = SEED, defects: bool = True) -> dict[str, Any]:
    """Write raw/, eval/ and manifest.json below `out`; returns the manifest."""
    raw = out / "raw"
    for folder in (raw / "protected", out / "eval"):
        folder.mkdir(parents=True, exist_ok=True)
    rows, wrong = _write_facts(raw, seed, defects)
    files = _shelve(seed)
    if defects:
        plant(files, Draw(seed, "defects"))
    places = {name: layouts.write_entries(raw / name, entries, FREE_FORM[name]) for name, entries in files.items()}
    rows |= {f"raw/{name}": len(entries) for name, entries in files.items()}
    (out / "eval" / "science_sample.jsonl").write_bytes(layouts.jsonl(list(science.items())))
    (out / "eval" / "science_300.jsonl").write_bytes(layouts.jsonl(science_facts.exam()))
    manifest = {
        "about": "Written by data/generate.py; see data/README.md. unit counts from 0, line from 1.",
        "seed": seed,
        "rows": rows,
        "wrong_answers": {"file": "raw/export-2023.json.gz", "units": wrong},
        "defects": _listed(files, places),
    }
    (out / "manifest.json").write_bytes((_pretty(manifest) + "\n").encode())
    return manifest


def _write_facts(raw: Path, seed: int, defects: bool) -> tuple[dict[str, int], list[int]]:
    """The three clean sources, the old export and the protected test; (rows a file, wrong units of the export)."""
    trained, unseen = domain.faults(seed)
    clean = domain.clean_asks(trained, seed)
    handbook, tickets, faq = (Draw(seed, f"order {i}").shuffled(share) for i, share in enumerate(clean))
    old = domain.old_asks(trained, clean, seed, defects)
    test = domain.test_asks(trained, unseen)
    layouts.write_csv(raw / "handbook.csv", [{"question": a.question, "answer": a.answer} for a in handbook])
    customers = Draw(seed, "customers")
    spoken = [_ticket(number, a, customers.choice(desk.FIRMS)) for number, a in enumerate(tickets)]
    (raw / "tickets.jsonl").write_bytes(layouts.jsonl(spoken))
    layouts.write_parquet(raw / "faq.parquet", [{"prompt": a.question, "completion": a.answer} for a in faq])
    exported = [{"instruction": a.question, "input": "", "output": a.answer} for a in old]
    layouts.write_json_gz(raw / "export-2023.json.gz", exported)
    asked = [_test_row(number, name, a) for number, (name, a) in enumerate(test)]
    (raw / "protected" / "test.jsonl").write_bytes(layouts.jsonl(asked))
    counts = {
        "raw/handbook.csv": len(handbook),
        "raw/tickets.jsonl": len(spoken),
        "raw/faq.parquet": len(faq),
        "raw/export-2023.json.gz": len(exported),
        "raw/protected/test.jsonl": len(asked),
    }
    return counts, [unit for unit, ask in enumerate(old) if not ask.right]


def _ticket(number: int, ask: domain.Ask, customer: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": ask.question}, {"role": "assistant", "content": ask.answer}]
    return {"id": f"ticket-{number:04d}", "customer": customer, "messages": turns}


def _test_row(number: int, name: str, ask: domain.Ask) -> dict[str, Any]:
    labels = {"id": f"test-{number:03d}", "split": "test", "slice": name, "attribute": ask.attribute}
    return labels | {"question": ask.question, "answer": ask.answer}


def _shelve(seed: int) -> dict[str, list[Entry]]:
    """Every story in a file that can hold it, each file in random order."""
    files: dict[str, list[Entry]] = {name: [] for name in FREE_FORM}
    turn: dict[str, int] = {}
    for story in stories(seed):
        homes = HOMES[story.topic] if story.language == "en" else ("inbox.jsonl", "inbox.jsonl", "community.jsonl")
        key = f"{story.language} {story.topic}"
        files[homes[turn.get(key, 0) % len(homes)]].append(Entry(story))
        turn[key] = turn.get(key, 0) + 1
    return {name: Draw(seed, f"order {name}").shuffled(entries) for name, entries in files.items()}


def _listed(files: dict[str, list[Entry]], places: dict[str, dict[Entry, tuple[int, int]]]) -> list[dict[str, Any]]:
    """The planted defects as the manifest shows them, in file and unit order."""
    where = {entry: (f"raw/{name}", *place) for name, placed in places.items() for entry, place in placed.items()}
    out: list[dict[str, Any]] = []
    marked = [(entry, mark) for entries in files.values() for entry in entries for mark in entry.marks]
    for entry, mark in marked:
        file, unit, line = where[entry]
        expect: dict[str, Any] = {"verdict": mark.verdict}
        if mark.reason:
            expect["reason"] = mark.reason
        if mark.matched:
            expect["matched"] = dict(zip(("file", "unit"), where[mark.matched][:2], strict=True))
        row: dict[str, Any] = {"file": file, "unit": unit, "line": line, "kind": mark.kind, "expect": expect}
        if mark.later:
            row["later"] = True
        if mark.found:
            row["found"] = list(mark.found)
        out.append(row)
    return out


def _pretty(manifest: dict[str, Any]) -> str:
    """JSON with one defect a line, so that a change of the data reads well in a diff."""
    head = {key: value for key, value in manifest.items() if key != "defects"}
    lines = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}," for k, v in head.items()]
    defects = ",\n".join(f"    {json.dumps(d, ensure_ascii=False)}" for d in manifest["defects"])
    return "\n".join(["{", *lines, '  "defects": [', *([defects] if defects else []), "  ]", "}"])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m data.generate", description="Write the sample data.")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write into; files of the same name are replaced"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}, the one of the committed files")
    parser.add_argument("--no-defects", action="store_true", help="right answers everywhere and nothing planted")
    args = parser.parse_args(argv)
    manifest = generate(args.out, args.seed, not args.no_defects)
    for file, rows in manifest["rows"].items():
        print(f"{file:24} {rows:6,}")
    print(
        f"{len(manifest['wrong_answers']['units'])} wrong answers, {len(manifest['defects'])} planted defects",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
