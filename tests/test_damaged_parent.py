"""A build that goes on from a damaged version says what to do, and what it says helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from tests.lineage_workspace import line, splits_by_id, store_of, workspace, write


@pytest.mark.parametrize("table", ["members", "ledger", "rows"])
@pytest.mark.parametrize("damaged", ["v1", "v2"])
def test_what_is_said_helps(damaged: str, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, here = workspace(tmp_path, [line(n) for n in range(30)]), ["-C", str(tmp_path)]
    assert main(["build", *here]) == 0
    write(tmp_path, [line(n) for n in range(40)])
    assert main(["build", *here]) == 0
    whole = splits_by_id(store_of(made), "v1" if damaged == "v2" else "v2")
    broken = store_of(made).resolve(damaged).segments[table].file
    path = made.store_path / "segments" / broken
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    write(tmp_path, [line(n) for n in range(50)])
    capsys.readouterr()
    needed = damaged == "v2" or table != "rows"  # of earlier versions a build reads only where their rows stood
    assert main(["build", *here]) == (1 if needed else 0)
    told = capsys.readouterr().err
    if needed:
        assert told.splitlines()[-1] == (
            f"curate build: {path}: damaged (has changed since); a build needs it for the splits that rows had in "
            f"{damaged}: restore it from a backup, or give it up with curate gc --drop {damaged}, and build again "
            "(rows that only it had are split anew)"
        )
        assert main(["gc", "--drop", damaged, "--yes", *here]) == 0
        assert main(["build", *here]) == 0
    after = splits_by_id(store_of(made), "latest")
    assert {number: after[number] for number in whole} == whole
    assert main(["verify", *here]) == (0 if needed else 1)


def test_only_a_damaged_newest_version_is_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, here = workspace(tmp_path, [line(n) for n in range(30)]), ["-C", str(tmp_path)]
    assert main(["build", *here]) == 0
    assert main(["gc", "--drop", "v1", "--yes", *here]) == 2
    file = made.store_path / "segments" / store_of(made).resolve("v1").segments["members"].file
    file.unlink()
    assert main(["gc", "--drop", "v1", "--yes", *here]) == 0
    assert main(["build", *here]) == 0
    capsys.readouterr()
    assert main(["versions", *here]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("v2 ")
