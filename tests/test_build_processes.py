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
    took = _seconds_of_a_build(folder)
    moments = random.Random(20)
    killed = sum(_killed_after(folder, moments.uniform(0.05, 1.05) * took) for _ in range(20))
    store = open_store(folder / "store")
    assert store.resolve("v1").id == first.id
    assert store.check() == []
    assert killed >= 10, "most builds should have been killed before they were done"
    finished = curate("build", folder=folder)
    assert finished.returncode == 0, finished.stderr
    store = open_store(folder / "store")
    assert len(store.versions()) == 2
    assert [check.name for check in verify(store, store.resolve("latest")) if not check.ok] == []
    assert not list((folder / "store").rglob(".tmp-*"))


def _seconds_of_a_build(folder: Path) -> float:
    """How long this build takes here, measured in a copy that is thrown away."""
    copy = folder.with_name("timed")
    shutil.copytree(folder, copy)
    began = time.monotonic()
    assert curate("build", folder=copy).returncode == 0
    return time.monotonic() - began


def _killed_after(folder: Path, seconds: float) -> bool:
    """Start a build and kill -9 it; True if it was still at work. The versions must be readable at once."""
    root = str(Path(__file__).resolve().parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "build"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    alive = process.wait() == -signal.SIGKILL
    names = [version.name for version in open_store(folder / "store").versions()]
    assert names in (["v1"], ["v1", "v2"])
    return alive
