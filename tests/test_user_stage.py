"""Stages of the user's own: consent, loading, the promises, and the documented example."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.conformance import check_stage, odd_rows, rows_table
from curation.errors import ConfigError, DataError
from curation.pipeline import BuildOptions, build
from curation.stages.near import NearConfig, near
from curation.stages.turns import TurnsConfig, turns
from curation.stages.user import AFTER, StageSpec, UserStage, load_stages
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table
from tests.lineage_workspace import line, workspace

DOCS = Path(__file__).resolve().parent.parent / "docs" / "stages.md"
IMPORTS = """\
import pyarrow as pa
import pyarrow.compute as pc
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table

"""
KEEP_ALL = IMPORTS + "def stage(rows, config):\n    return Verdict(rows, empty(DROPPED), empty(FLAGGED))\n"
# What the body of a stage does wrong -> what the build says.
BROKEN = [
    ("return rows", "returned Table, not a Verdict(kept, dropped, flagged)"),
    ("return Verdict(rows[:3], empty(DROPPED), empty(FLAGGED))", "and 25 more is neither kept nor dropped"),
    ("return Verdict(rows, dropped_table([4], 'x'), empty(FLAGGED))", "is both kept and dropped"),
    ("return Verdict(pa.concat_tables([rows, rows[:1]]), empty(DROPPED), empty(FLAGGED))", "is in kept 2 times"),
    ("return Verdict(rows, dropped_table([99], 'x'), empty(FLAGGED))", "dropped holds pos 99, which it was not given"),
    ("return Verdict(rows.take(list(range(28, -1, -1))), empty(DROPPED), empty(FLAGGED))", "not in the order"),
    ("return Verdict(rows.drop(['answer']), empty(DROPPED), empty(FLAGGED))", "kept has lost its column answer"),
    ("return Verdict(rows.append_column('n', rows['pos']), empty(DROPPED), empty(FLAGGED))", "a column more, n"),
    (
        "return Verdict(rows.set_column(0, 'pos', rows['pos'].cast('int32')), empty(DROPPED), empty(FLAGGED))",
        "kept: column pos is int32, not int64",
    ),
    (
        "i = rows.column_names.index('answer')\n"
        "    upper = pc.utf8_upper(rows['answer'])\n"
        "    return Verdict(rows.set_column(i, rows.schema.field(i), upper), empty(DROPPED), empty(FLAGGED))",
        "('How do I reset badge 0?'): answer was changed; a stage judges rows, it rewrites none",
    ),
    ("return Verdict(rows[1:], dropped_table([0], ' '), empty(FLAGGED))", "dropped: pos 0 has no reason"),
    ("return Verdict(rows[1:], dropped_table([0], 'x', verdict='gone'), empty(FLAGGED))", "has verdict 'gone'"),
    ("return Verdict(rows[1:], dropped_table([0], 'x', matched=[77]), empty(FLAGGED))", "matched 77 is no row"),
    ("return Verdict(rows, empty(DROPPED), flagged_table([77], 'x'))", "flagged: pos 77 is no row it was given"),
    ("return Verdict(rows, [], empty(FLAGGED))", "dropped is list, not a pyarrow Table"),
    ("return config['words']", "KeyError: 'words' (mine.py:6)"),
    ("raise SystemExit('bye')", "SystemExit: bye (mine.py:6)"),
    ("import os; os._exit(0)", "RuntimeError: calls os._exit(0) (mine.py:6)"),
    ("return pa.array([1, 'x'])", "mine.py:6"),
]


def write(root: Path, code: str, name: str = "mine.py") -> str:
    """Put a module into the workspace; its hash."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, "utf-8")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loaded(root: Path, code: str) -> UserStage:
    (stage,) = load_stages([StageSpec("mine:stage", "near", trust=write(root, code))], root)
    return stage


def test_a_stage_runs_with_its_config_after_consent(tmp_path: Path) -> None:
    body = "    drop = pc.less(pc.utf8_length(rows['answer']), config['least'])\n"
    body += "    print('working')\n"
    body += "    return Verdict(rows.filter(pc.invert(drop)), dropped_table(rows['pos'].filter(drop), 'short'), "
    trust = write(tmp_path, f"{IMPORTS}def keep(rows, config):\n{body}empty(FLAGGED))\n", "stages/short.py")
    (stage,) = load_stages([StageSpec("stages.short:keep", "near", {"least": 3}, trust)], tmp_path)
    verdict = stage(odd_rows(), stage.spec.config)
    assert verdict.dropped["reason"].to_pylist() == ["short"] * 4
    assert verdict.kept.num_rows + verdict.dropped.num_rows == odd_rows().num_rows


def test_what_a_stage_prints_does_not_spoil_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = loaded(tmp_path, "print('loading')\n" + KEEP_ALL.replace("    return", "    print('hi')\n    return"))
    stage(odd_rows(), {})
    assert capsys.readouterr() == ("", "loading\nhi\n")


def test_without_consent_nothing_runs_and_the_hash_is_told(tmp_path: Path) -> None:
    trust = write(tmp_path, "raise RuntimeError('it ran')\n")
    with pytest.raises(ConfigError, match=f"mine.py is a program; .* write trust: {trust} beside it .* --trust-stages"):
        load_stages([StageSpec("mine:stage", "near")], tmp_path)


def test_consent_covers_this_very_file(tmp_path: Path) -> None:
    trust = write(tmp_path, KEEP_ALL)
    new = write(tmp_path, KEEP_ALL + "# one comment more\n")
    with pytest.raises(ConfigError, match=f"mine.py has changed since it was trusted; .* trust: {new}"):
        load_stages([StageSpec("mine:stage", "near", trust=trust)], tmp_path)


def test_consent_for_all_records_what_ran(tmp_path: Path) -> None:
    trust = write(tmp_path, KEEP_ALL)
    (stage,) = load_stages([StageSpec("mine:stage", "near")], tmp_path, trusted=True)
    assert stage.spec.trust == trust


@pytest.mark.parametrize("use", ["os:system", "json:loads", "curation.records:canonical"])
def test_installed_modules_are_not_loaded(use: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stages are loaded from there only"):
        load_stages([StageSpec(use, "near")], tmp_path, trusted=True)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "outside", KEEP_ALL)
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "mine.py").symlink_to(tmp_path / "outside" / "mine.py")
    with pytest.raises(ConfigError, match=r"mine\.py leads out of the workspace"):
        load_stages([StageSpec("mine:stage", "near")], root, trusted=True)


@pytest.mark.parametrize("use", ["mine", "mine:", "../mine:stage", "a..b:stage", "/etc/x:stage", "mine.py:stage()"])
def test_use_must_be_module_and_function(use: str) -> None:
    with pytest.raises(ConfigError, match="must be MODULE:FUNCTION"):
        StageSpec(use, "near")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def stage(rows, config)\n    pass\n", r"mine\.py:1: SyntaxError: expected ':'; repair it"),
        ("\nimport no_such_module\n", r"mine\.py:2: ModuleNotFoundError: No module named 'no_such_module'; repair it"),
        (KEEP_ALL.replace("def stage", "def staged"), r'mine\.py has no function stage; did you mean "staged"\?'),
        ("stage = 3\n", r"mine\.py has no function stage"),
    ],
)
def test_a_module_that_cannot_be_used_is_one_line(code: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        loaded(tmp_path, code)
    assert "\n" not in str(caught.value)


def test_after_names_a_stage() -> None:
    with pytest.raises(ConfigError, match=r'after: "neer" is no stage; did you mean "near"\?'):
        StageSpec("mine:stage", "neer")


@pytest.mark.parametrize(("body", "said"), BROKEN, ids=[said[:24] for _, said in BROKEN])
def test_a_broken_promise_ends_the_build_with_one_line(body: str, said: str, tmp_path: Path) -> None:
    stage = loaded(tmp_path, f"{IMPORTS}def stage(rows, config):\n    {body}\n")
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        stage(odd_rows(), {})
    message = str(caught.value)
    assert message.startswith("stage mine:stage: ")
    assert message.endswith("; nothing was published")
    assert "\n" not in message


def test_a_dataclass_in_the_module_works(tmp_path: Path) -> None:
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    stage = loaded(tmp_path, f"{head}{KEEP_ALL}\n@dataclass\nclass Settings:\n    n: int = 3\n")
    assert stage(odd_rows(), {}).kept.num_rows == odd_rows().num_rows


def test_a_stage_cannot_change_the_recipe(tmp_path: Path) -> None:
    stage = loaded(tmp_path, KEEP_ALL.replace("    return", "    config['words'].append('x')\n    return"))
    config: dict[str, Any] = {"words": []}
    stage(odd_rows(), config)
    assert config == {"words": []}


# ---- the conformance helper


def first_ten(rows: Any, config: Any) -> Verdict:
    return Verdict(rows[:10], dropped_table(rows["pos"][10:], "beyond"), empty(FLAGGED))


def one_less(rows: Any, config: Any) -> Verdict:
    return Verdict(rows[1:], dropped_table(rows["pos"][:1], "first"), empty(FLAGGED))


def loses_the_last(rows: Any, config: Any) -> Verdict:
    return Verdict(rows[:-1], empty(DROPPED), empty(FLAGGED))


def one_chunk_only(rows: Any, config: Any) -> Verdict:
    first = rows["pos"].chunk(0) if rows.num_rows else pa.array([], pa.int64())
    return Verdict(rows, empty(DROPPED), flagged_table(first, "seen"))


def forgetful(memory: list[int]) -> Callable[[Any, Any], Verdict]:
    def stage(rows: Any, config: Any) -> Verdict:
        memory.append(rows.num_rows)
        return Verdict(rows, empty(DROPPED), flagged_table(rows["pos"], f"call_{len(memory)}"))

    return stage


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        (one_less, "run on what it kept, it drops rows again"),
        (loses_the_last, "is neither kept nor dropped"),
        (one_chunk_only, "rows in several chunks get another verdict"),
        (forgetful([]), "the same rows get another verdict the second time"),
    ],
)
def test_the_helper_finds_what_is_broken(stage: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_stage(stage)


def test_the_helper_asks_for_order_only_if_told() -> None:
    check_stage(first_ten)
    with pytest.raises(AssertionError, match="order changes the verdict"):
        check_stage(first_ten, order_matters=False)


def test_our_own_stages_pass() -> None:
    check_stage(turns, TurnsConfig(), order_matters=False)
    check_stage(near, NearConfig())


def test_rows_table_reads_prompts_and_messages() -> None:
    rows = rows_table(
        [{"prompt": "a", "answer": "b", "meta": {"n": 1}}, {"messages": [{"role": "user", "content": "c"}]}]
    )
    assert rows["roles"].to_pylist() == ["ua", "u"]
    assert rows["record"][0].as_py().startswith(b'{"messages":[{"content":"a","role":"user"}')


def test_the_documented_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, test = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    trust = write(tmp_path, code, "stages/links.py")
    (stage,) = load_stages([StageSpec("stages.links:dead_links", "near", {"host": "h.example"}, trust)], tmp_path)
    rows = rows_table([{"prompt": "a", "answer": "see h.example/x"}, {"prompt": "b", "answer": "http://other.example"}])
    verdict = stage(rows, stage.spec.config)
    assert verdict.dropped["detail"].to_pylist() == ["points to h.example"]
    assert verdict.flagged["reason"].to_pylist() == ["has_link"]
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(test, "docs/stages.md", "exec"), names)
    for name in [name for name in names if name.startswith("test_")]:
        names[name]()
    for name in [name for name in sys.modules if name.split(".")[0] == "stages"]:
        del sys.modules[name]


def test_a_stage_may_follow_any_stage_that_takes_rows_out(tmp_path: Path) -> None:
    rows = [line(n) for n in range(20)]
    for after in AFTER:
        made = workspace(tmp_path / after, rows, stages=[{"use": "mine:stage", "after": after}])
        write(made.root, KEEP_ALL)
        names = [stage["stage"] for stage in build(made, options=BuildOptions(trust_stages=True)).stages]
        assert names[names.index(after) + 1] == "mine:stage"
    assert [name for name in names if name not in (*AFTER, "mine:stage")] == ["read", "split"]
