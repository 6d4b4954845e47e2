"""Builds as processes: the same bytes for any workers, arguments and hash seed; killed anywhere, nothing is lost."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.errors import ConfigError
from curation.store import open_store
from curation.verify import verify

RAW = Path(__file__).resolve().parent.parent / "data" / "raw"
FILES = ["handbook.csv", "tickets.jsonl", "manual.jsonl", "chat.jsonl", "faq.parquet"]


def curate(*words: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *words]
    root = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, **env}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def folder_with_files(path: Path, files: list[str] = FILES) -> Path:
    path.mkdir()
    for name in files:
        shutil.copy(RAW / name, path / name)
    return path


def outcome(folder: Path) -> tuple[str, dict[str, str]]:
    version = open_store(folder / "store").resolve("latest")
    exported = sorted((folder / "data" / "splits").iterdir())
    return version.id, {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in exported}


@pytest.mark.slow
def test_the_same_bytes_for_any_workers_arguments_and_hash_seed(tmp_path: Path) -> None:
    made = []
    variants = [(1, FILES, "1"), (2, FILES[::-1], "2"), (2, sorted(FILES), "1"), (1, FILES[2:] + FILES[:2], "0")]
    for i, (workers, order, seed) in enumerate(variants):
        folder = folder_with_files(tmp_path / f"w{i}")
        built = curate("build", *order, "--workers", str(workers), folder=folder, PYTHONHASHSEED=seed)
        assert built.returncode == 0, built.stderr
        assert curate("export", folder=folder, PYTHONHASHSEED=seed).returncode == 0
        made.append(outcome(folder))
    assert all(other == made[0] for other in made[1:])
    assert set(made[0][1]) == {"train.jsonl", "validation.jsonl", "test.jsonl", "manifest.json"}


@pytest.mark.slow
def test_killed_at_any_moment_the_last_version_stays_and_the_next_build_works(tmp_path: Path) -> None:
    folder = folder_with_files(tmp_path / "w")
    assert curate("build", *FILES, folder=folder).returncode == 0
    first = open_store(folder / "store").resolve("latest")
    (folder / "recipe.yaml").write_text((folder / "recipe.yaml").read_text() + "split: {seed: 5}\n")
    moments = random.Random(20)
    killed = 0
    for lines in range(12):
        killed += _killed(folder, lines, moments.random())
        assert _readable(folder) in (["v1"], ["v1", "v2"])
    assert killed >= 6, "most builds should have been killed before they were done"
    assert open_store(folder / "store").resolve("v1").id == first.id
    _assert_builds(folder, ["v1", "v2"])


@pytest.mark.slow
def test_a_first_build_killed_at_any_moment_is_in_nobodys_way(tmp_path: Path) -> None:
    moments = random.Random(21)
    killed = 0
    for number, lines in enumerate((0, 0, 0, 1, 3, 6, 10, 11)):
        folder = folder_with_files(tmp_path / f"w{number}")
        killed += _killed(folder, lines, moments.random(), *FILES)
        assert _readable(folder) in ([], ["v1"])
        if number % 2:
            _assert_builds(folder, ["v1"], *FILES)
    assert killed >= 4, "most builds should have been killed before they were done"


def _killed(folder: Path, lines: int, fraction: float, *files: str) -> bool:
    """Kill -9 a build a moment after it has said so many lines; True if it was still at work.

    Lines, not seconds: a busy machine moves them along with the build.
    """
    command = [sys.executable, "-m", "app.cli", "build", *files]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        for _ in range(lines):
            process.stderr.readline()
        # Before the first line there is the start, afterwards a stage, which takes a tenth of that.
        time.sleep(fraction * (0.05 if lines else 0.6))
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def _readable(folder: Path) -> list[str]:
    """The names of the versions, all of them undamaged; none where there is no store yet."""
    try:
        store = open_store(folder / "store")
    except ConfigError:
        return []
    assert store.check() == []
    for version in store.versions():
        assert store.table(version, "members").num_rows
    return [version.name for version in store.versions()]


def _assert_builds(folder: Path, versions: list[str], *files: str) -> None:
    finished = curate("build", *files, folder=folder)
    assert finished.returncode == 0, finished.stderr
    assert _readable(folder) == versions
    store = open_store(folder / "store")
    assert [check.name for check in verify(store, store.resolve("latest")) if not check.ok] == []
    assert not list((folder / "store").rglob(".tmp-*"))
