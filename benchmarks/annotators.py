"""People tagging while builds commit and others read: how many judgements are stored, and what a kill -9 loses.

python -m benchmarks.annotators [--annotators 8] [--tags 1000] [--readers 20] [--builders 2] [--kills 0] [--out FILE]

Every annotator, builder and reader is a process of its own. With --kills, so many of them are killed (SIGKILL) at
random moments and started again; what an annotator was told is stored must be in the journal afterwards.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
_DEADLINE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    annotators: int = 8
    tags: int = 1000  # each
    readers: int = 20
    builders: int = 2
    kills: int = 0
    rows: int = 2000  # of the version that is built again and again
    seed: int = 0


def measure(folder: Path, load: Load) -> dict[str, Any]:
    """Run the whole load in `folder`, and count what is there afterwards."""
    from curation.store import open_store
    from curation.store.journal import open_journal
    from curation.store.tags import OK, tags
    from eval.review.queues import SECOND_LOOK

    _prepare(folder, load)
    names = {f"annotate {n}": ["annotate", f"person{n}", str(load.tags)] for n in range(load.annotators)}
    names |= {f"build {n}": ["build", str(n)] for n in range(load.builders)}
    names |= {f"read {n}": ["read", str(n)] for n in range(load.readers)}
    began = time.monotonic()
    kills = _drive(folder, names, load)
    seconds = time.monotonic() - began
    with open_journal(folder / "store" / "journal.sqlite") as journal:
        # A second look, by which people are held against themselves, is of a prediction that they judged before.
        first = [tag for tag in tags(journal) if tag.tag == OK and not tag.author.endswith(SECOND_LOOK)]
        stored = [(tag.author, tag.prediction_id) for tag in first]
    told = _lines(folder, "annotate")
    acknowledged = {(line["author"], line["prediction"]) for line in told if "prediction" in line}
    waits = sorted(line["ms"] for line in told if "ms" in line)
    errors = [line for kind in ("annotate", "read", "build") for line in _lines(folder, kind) if "error" in line]
    store = open_store(folder / "store")
    return {
        "annotators": load.annotators,
        "tags_each": load.tags,
        "stored": len(set(stored)),
        "stored_twice": len(stored) - len(set(stored)),
        "expected": load.annotators * load.tags,
        "acknowledged": len(acknowledged),
        "lost": len(acknowledged - set(stored)),
        "kills": kills,
        "errors": len(errors),
        "first_errors": errors[:3],
        "builds_committed": len(store.versions()) - 1,
        "builds_that_waited": sum("waited" in line for line in _lines(folder, "build")),
        "store_problems": store.check(),
        "reads": sum("read" in line for line in _lines(folder, "read")),
        "judge_ms_p50": waits[len(waits) // 2] if waits else None,
        "judge_ms_p99": waits[int(len(waits) * 0.99)] if waits else None,
        "seconds": round(seconds, 1),
    }


# ---- the processes


def annotate(folder: Path, author: str, count: str) -> None:
    """Judge outputs until `count` are judged by this person; each is told of after it was stored."""
    from curation.runs import run_place
    from curation.store.journal import open_journal
    from curation.workspace import open_workspace
    from eval.folder import latest_eval
    from eval.review.frame import review_frame
    from eval.review.judgement import Judgement
    from eval.review.queues import QueueSettings
    from eval.review.session import Review
    from eval.taxonomy import load_taxonomy

    place = run_place(open_workspace(folder))
    evaluation = latest_eval(place.experiments / "experiment_001")
    assert evaluation is not None, "was prepared"
    with _told(folder, "annotate", author) as tell, open_journal(place.journal) as journal:
        review = Review(review_frame([evaluation]), journal, load_taxonomy(folder), author, QueueSettings())
        while review.done < int(count):
            shown = review.ahead(1)[0]
            began = time.perf_counter()
            review.judge(Judgement(shown.prediction_id))
            tell(author=author, prediction=shown.prediction_id, ms=round(1000 * (time.perf_counter() - began), 2))


def build(folder: Path, number: str) -> None:
    """Change one's own source and build, again and again; where the other builds just now, wait."""
    from curation.errors import DataError, StoreBusyError
    from curation.library import build as build_version
    from curation.workspace import open_workspace

    source = folder / "data" / "raw" / f"builder{number}.jsonl"
    with _told(folder, "build", number) as tell:
        while not (folder / "stop").exists():
            text = json.dumps({"prompt": f"What is {time.time_ns()}?", "completion": f"It was {os.getpid()}."})
            unfinished = source.with_suffix(".part")
            unfinished.write_text(f"{text}\n")
            unfinished.replace(source)
            try:
                tell(version=build_version(open_workspace(folder)).name)
            except (StoreBusyError, DataError) as error:
                if isinstance(error, DataError) and "changed while it was read" not in str(error):
                    tell(error=f"{type(error).__name__}: {error}")
                tell(waited=True)  # the other builds, or has just put its source in place
                time.sleep(0.2)
            except Exception as error:
                tell(error=f"{type(error).__name__}: {error}")


def read(folder: Path, number: str) -> None:
    """Look through the newest version and the tags, as a screen does."""
    from curation.store import open_store
    from curation.store.browse import Asked, page
    from curation.store.journal import open_journal
    from curation.store.sql import query
    from curation.store.tags import tags

    with _told(folder, "read", number) as tell, open_journal(folder / "store" / "journal.sqlite") as journal:
        while not (folder / "stop").exists():
            try:
                store = open_store(folder / "store")
                version = store.resolve("latest")
                found = page(store, version, Asked(verdict="kept"))
                (kept,) = query(store, "select count(*) n from ledger where verdict = 'kept'", version.id)["n"]
                if found.total != kept.as_py():
                    tell(error=f"{found.total} and {kept} rows of {version.name}")
                tell(read=len(tags(journal)))
            except Exception as error:
                tell(error=f"{type(error).__name__}: {error}")
            time.sleep(0.05)


# ---- driving them


def _prepare(folder: Path, load: Load) -> None:
    from curation.library import build as build_version
    from curation.runs import run_place
    from curation.workspace import init_workspace
    from tests.review_data import evaluation

    here = init_workspace(folder)
    rows = [{"prompt": f"Question number {n * 7919}?", "completion": f"Answer {n * 104729}."} for n in range(load.rows)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (here.root / "data" / "raw" / "rows.jsonl").write_text(text)
    build_version(here)
    evaluation(run_place(here).experiments, items=load.tags + load.tags // 4 + 50)


def _drive(folder: Path, names: dict[str, list[str]], load: Load) -> int:
    """Start all, kill some and start them again, and end builders and readers when the last annotator is done."""
    draw = random.Random(load.seed)
    alive = {name: _start(folder, words) for name, words in names.items()}
    deadline, killed, next_kill = time.monotonic() + _DEADLINE_S, 0, time.monotonic() + 1.5
    try:
        while any(name.startswith("annotate") for name in alive):
            assert time.monotonic() < deadline, "the annotators did not come to an end"
            time.sleep(0.05)
            for name, process in list(alive.items()):
                if process.poll() is not None:
                    del alive[name]
                    if process.returncode:
                        raise RuntimeError(f"{name} ended with {process.returncode}")
            if killed < load.kills and time.monotonic() > next_kill and alive:
                name = draw.choice(sorted(alive))
                alive[name].send_signal(signal.SIGKILL)
                alive[name].wait()
                alive[name] = _start(folder, names[name])
                killed += 1
                next_kill = time.monotonic() + draw.uniform(0.1, 1.0)
    finally:
        (folder / "stop").touch()
        for process in alive.values():
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return killed


def _start(folder: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.annotators", "--process", words[0], str(folder), *words[1:]]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class _told:  # noqa: N801  # used like a function
    """A file that a process tells of what it did in, a line a thing, each on its way to disk before the next."""

    def __init__(self, folder: Path, kind: str, name: str) -> None:
        (folder / "told").mkdir(exist_ok=True)
        self._file = (folder / "told" / f"{kind}-{name}-{os.getpid()}.jsonl").open("a", encoding="utf-8")

    def __enter__(self) -> Any:
        def tell(**what: Any) -> None:
            self._file.write(json.dumps(what) + "\n")
            self._file.flush()

        return tell

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What the processes of a kind told; the last line of one that was killed may be torn."""
    found = []
    for path in sorted((folder / "told").glob(f"{kind}-*.jsonl")):
        whole, _, _ = path.read_text("utf-8").rpartition("\n")
        found += [json.loads(line) for line in whole.splitlines()]
    return found


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--process"]:
        folder, name = Path(words[2]), words[3]
        if words[1] == "annotate":
            annotate(folder, name, words[4])
        else:
            {"build": build, "read": read}[words[1]](folder, name)
        return 0
    parser = ArgumentParser(description=__doc__)
    for field in fields(Load):
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    parser.add_argument("--out", type=Path)
    args = vars(parser.parse_args(words))
    out = args.pop("out")
    with tempfile.TemporaryDirectory() as made:
        found = measure(Path(made) / "w", Load(**args))
    found["load_average"] = [round(one, 1) for one in os.getloadavg()]
    text = json.dumps(found, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", "utf-8")
    return 0 if not found["errors"] and not found["lost"] and found["stored"] == found["expected"] else 1


if __name__ == "__main__":
    sys.exit(main())
