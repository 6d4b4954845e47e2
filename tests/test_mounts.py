"""Which folders are no safe place for a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from app.cli import main
from curation.mounts import from_mount, from_proc, mounts, unsafe_among, unsafe_mount
from tests.lineage_workspace import line, workspace

LINES = (Path(__file__).parent / "fixtures" / "mounts.jsonl").read_bytes().splitlines()
CASES = [orjson.loads(line) for line in LINES]


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_mounts(case: dict[str, Any]) -> None:
    mounted = from_mount(case["mac"]) if "mac" in case else from_proc(case["mounts"])
    said = unsafe_among(Path(case["path"]), mounted)
    assert (said is not None) == (case["unsafe"] is not None)
    if said is not None:
        assert said.startswith(f"{case['path']}: {case['unsafe']}, where locks do not hold")


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert all(mount.point.startswith("/") for mount in mounts())
    (tmp_path / "Dropbox").mkdir()
    assert unsafe_mount(tmp_path / "Dropbox") is not None


def test_a_build_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, warned in (("Dropbox", True), ("plain", False)):
        made = workspace(tmp_path / folder / "w", [line(n) for n in range(3)])
        assert main(["build", "-C", str(made.root)]) == 0
        assert ("where locks do not hold" in capsys.readouterr().err) == warned
