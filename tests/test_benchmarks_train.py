"""The training benchmarks: what they need, and what they say where a GPU is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks import gpu_train, row_lengths

ROOT = Path(__file__).resolve().parent.parent


def python(*words: str) -> subprocess.CompletedProcess[str]:
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=hidden, capture_output=True, text=True)


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    done = python("-m", "benchmarks.gpu_train", "--out", str(tmp_path / "out.json"))
    assert (done.returncode, done.stdout) == (0, "no GPU here: nothing was measured\n")
    assert list(tmp_path.iterdir()) == []


def test_its_parts_need_neither_duckdb_nor_the_store() -> None:
    """Blocked, not looked for afterwards: where there is a GPU they may not be installed."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['duckdb', 'curation.store.database', 'curation.store.versions']))\n"
        "sys.argv = ['gpu_parts', 'checks', '--dry-run']\n"
        "from benchmarks.gpu_parts import main\n"
        "main()\n"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["resume"]["largest_difference"] == {"again": 0, "resumed": 0}
    assert found["resume"]["largest_lora_b"] > 0
    packing = found["packing"]
    assert max(packing["packed_to_alone"], packing["packed_in_another_order"]) < 1e-5
    assert packing["if_rows_saw_each_other"] > 1e-2


def test_a_part_that_fails_or_has_no_time_is_named_and_the_rest_goes_on() -> None:
    assert gpu_train.part("checks", 1.0, []) == {"not_run": "no time was left"}
    assert "nonsense" in gpu_train.part("nonsense", 60.0, ["--dry-run"])["not_run"]


def test_the_committed_lengths_are_lengths_and_nothing_else() -> None:
    known = json.loads(row_lengths.OUT.read_text("utf-8"))
    assert set(known) == {"sample", "lamini_docs", "oasst_guanaco_text"}
    for rows in known.values():
        assert len(rows) > 800
        assert all(type(n) is int for row in rows for n in row)
        assert all(len(row) == 2 and 0 < row[1] < row[0] for row in rows)
