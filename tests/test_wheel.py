"""The wheel holds every file of the packages, and nothing else: hatchling leaves out what it believes to be ignored."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "curation", "data", "eval", "reports", "schemas", "train")


@pytest.mark.slow
def test_wheel_holds_each_file_of_the_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == wanted
    assert "schemas/recipe.schema.json" in held
    assert "data/recipe.yaml" in held


def test_packages_of_code_say_that_they_are_typed() -> None:
    """Without the mark mypy takes everything imported from an installed package for Any."""
    assert [p for p in PACKAGES if not (ROOT / p / "py.typed").is_file()] == ["data", "schemas"]
