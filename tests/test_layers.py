"""The house rules that a file can break on its own: imports one way, short files, honest names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Each layer may import those to its right only (DESIGN.md); of train, eval may use the model loading alone.
LAYERS = ("app", "reports", "eval", "train", "curation")
EXCEPTION = "train.model"
CODE_LINES, TEST_LINES = 400, 600
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "processor"}
SKIPPED = {".git", ".venv", "build", "dist", "node_modules"}

CODE = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
ALL = sorted(path for path in ROOT.rglob("*.py") if not SKIPPED & set(path.relative_to(ROOT).parts))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(source: str) -> list[tuple[int, str]]:
    """(line, module) of every absolute import, wherever it stands; `from a import b` gives a.b as well."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def wrong_way(layer: str, module: str) -> bool:
    """Whether code of `layer` may not import `module`."""
    target = module.split(".")[0]
    if target == "tests":
        return True
    if target not in LAYERS or target == layer:
        return False
    if layer == "eval" and target == "train":
        return not f"{module}.".startswith(f"{EXCEPTION}.")
    return LAYERS.index(target) < LAYERS.index(layer)


@pytest.mark.parametrize(
    ("layer", "module", "wrong"),
    [
        ("curation", "app.cli", True),
        ("curation", "curation.errors", False),
        ("train", "eval.arc", True),
        ("eval", "train.trainer", True),
        ("eval", "train.model", False),
        ("eval", "train.model.load", False),
        ("eval", "train.modelling", True),
        ("reports", "train.run", False),
        ("app", "curation", False),
        ("curation", "tests.shared_data", True),
        ("curation", "json", False),
    ],
)
def test_the_rule_itself(layer: str, module: str, wrong: bool) -> None:
    assert wrong_way(layer, module) is wrong


def test_imports_run_one_way() -> None:
    broken = [
        f"{name(path)}:{line} imports {module}"
        for path in CODE
        for line, module in imported(path.read_text("utf-8"))
        if wrong_way(path.relative_to(ROOT).parts[0], module)
    ]
    assert broken == []


def test_nobody_hides_the_builtin_eval() -> None:
    """`from eval.arc import score` is fine; a module called eval in a namespace is not."""
    broken = []
    for path in ALL:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                bound = [alias.asname or alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                bound = [alias.asname or alias.name for alias in node.names]
            else:
                continue
            broken += [f"{name(path)}:{node.lineno}"] * ("eval" in bound)
    assert broken == []


def test_no_relative_imports() -> None:
    """An absolute import says which layer it reaches into."""
    broken = [
        f"{name(path)}:{node.lineno}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert broken == []


def test_files_are_short() -> None:
    long = []
    for path in ALL:
        limit = TEST_LINES if path.is_relative_to(ROOT / "tests") else CODE_LINES
        count = len(path.read_text("utf-8").splitlines())
        long += [f"{name(path)}: {count} lines, {limit} allowed"] * (count > limit)
    assert long == []


def test_file_names_say_what_is_inside() -> None:
    assert [name(path) for path in ALL if path.stem in BANNED_NAMES] == []


def test_modules_say_what_they_are_for() -> None:
    silent = [
        name(path)
        for path in CODE
        if path.read_text("utf-8").strip() and ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None
    ]
    assert silent == []


def test_no_dashboard_module_is_called_like_a_top_level_folder() -> None:
    """Streamlit puts the script's folder first on sys.path, where such a name would hide the real one."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    dashboard = ROOT / "app" / "dashboard"
    inside = [path for path in dashboard.rglob("*") if path.suffix == ".py" or path.is_dir()]
    assert [name(path) for path in inside if path.stem in folders] == []
