"""The commands on a small workspace, as a user types them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from app.cli import main
from curation.formats.known import NAMES
from curation.store import open_store
from curation.tables import STORED

CORPUS = Path(__file__).parent / "fixtures" / "why"
Capture = pytest.CaptureFixture[str]
BUILD = ["build", "tickets.jsonl", "chats.jsonl", "--max-bad", "20%"]
# Every command once as the user types it in a built workspace.
COMMANDS = [
    ["build", "--max-bad", "20%"],
    ["versions"],
    ["show", "v1"],
    ["stats", "latest"],
    ["why", "tickets.jsonl:3"],
    ["why", "--grep", "the"],
    ["export", "--to", "out"],
    ["export", "--ledger", "ledger.parquet"],
    ["sql", "SELECT * FROM ledger"],
    ["verify"],
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one version, made by one command."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(CORPUS, folder, dirs_exist_ok=True)
    files = ["build", "-C", str(folder), *BUILD[1:]]
    assert main(files) == 0
    return folder


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(made)
    yield made
    shutil.rmtree(made / "out", ignore_errors=True)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The corpus in a folder that is no workspace yet."""
    shutil.copytree(CORPUS, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: Capture, argv: list[str], code: int = 0) -> list[str]:
    """The lines on stdout of a command that ends with `code`."""
    capsys.readouterr()
    assert main(argv) == code, capsys.readouterr().err
    return capsys.readouterr().out.splitlines()


def run_json(capsys: Capture, argv: list[str]) -> Any:
    (line,) = run(capsys, [*argv, "--json"])
    return json.loads(line)


def error(capsys: Capture, argv: list[str], code: int) -> str:
    capsys.readouterr()
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: "_".join(argv[:2]))
def test_fifteen_lines_no_colour_and_one_json_object(argv: list[str], here: Path, capsys: Capture) -> None:
    lines = run(capsys, argv)
    assert 1 <= len(lines) <= 15
    assert "\x1b" not in "".join(lines)
    assert isinstance(run_json(capsys, argv), dict)


def test_the_first_build_makes_a_workspace_and_says_so(fresh: Path, capsys: Capture) -> None:
    lines = run(capsys, BUILD)
    assert lines[0] == "no workspace here: made one (curate.yaml; recipe.yaml with the defaults used, commented)"
    assert lines[1].split() == ["source", "format", "units", "kept", "flagged", "dropped", "quarantined"]
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["chats.jsonl", "messages", "7"],
        ["tickets.jsonl", "prompt_completion", "37"],
    ]
    assert any(line.startswith("dropped: ") for line in lines)
    assert any(
        re.match(r"v1  train \d+ · validation \d+ · test \d+ \(\d+ clusters?\)   id [0-9a-f]{8}   ", x) for x in lines
    )
    assert any(line.startswith("random split: ") for line in lines)
    assert lines[-1].startswith("next: curate stats · curate why tickets.jsonl:")
    assert (fresh / "curate.yaml").exists()
    assert "threshold" in (fresh / "recipe.yaml").read_text("utf-8")


def test_a_second_build_publishes_nothing(fresh: Path, capsys: Capture) -> None:
    run(capsys, BUILD)
    lines = run(capsys, BUILD)
    assert any(line.startswith("nothing changed, still v1   id ") for line in lines)
    assert [v["name"] for v in run_json(capsys, ["versions"])["versions"]] == ["v1"]


def test_the_figures_add_up(here: Path, capsys: Capture) -> None:
    built = run_json(capsys, ["build", "--max-bad", "20%"])
    for source in built["sources"]:
        assert source["units"] == source["kept"] + source["dropped"] + source["quarantined"]
    for stage in built["stages"]:
        assert stage["in"] == stage["kept"] + stage["dropped"]
        assert stage["dropped"] == sum(stage["reasons"].values())
    assert sum(built["split"]["rows"].values()) == sum(source["kept"] for source in built["sources"])
    stats = run_json(capsys, ["stats"])
    total = built["total"]
    assert total["quarantined"] == sum(built["quarantined"].values()) == built["stages"][0]["dropped"] > 0
    assert total["dropped"] == sum(built["reasons"].values()) == sum(stage["dropped"] for stage in built["stages"][1:])
    assert total["units"] == total["kept"] + total["dropped"] + total["quarantined"]
    assert all(stats[key] == built[key] for key in ("reasons", "quarantined", "total"))
    said = "{units} units = {kept} kept + {dropped} dropped + {quarantined} quarantined".format_map(total)
    lines = run(capsys, ["build", "--max-bad", "20%"])
    assert said in lines
    for word, counted in (("dropped", built["reasons"]), ("quarantined", built["quarantined"])):
        (line,) = [line for line in lines if line.startswith(f"{word}: ")]
        assert sum(int(count) for count in re.findall(r" ([0-9,]+)(?: ·|$)", line)) == sum(counted.values())
    assert any(said in line for line in run(capsys, ["stats"]))
    (read,) = [line.split() for line in run(capsys, ["stats"]) if line.startswith("read ")]
    assert [int(read[4]), int(read[5])] == [0, total["quarantined"]]


def test_stages_shows_the_stage_table(here: Path, capsys: Capture) -> None:
    lines = run(capsys, ["build", "--stages", "--max-bad", "20%"])
    heads = [line.split()[0] for line in lines]
    stages = ["read", "turns", "normalise", "filters", "language", "conflicts", "exact", "near"]
    stages += ["decontaminate", "select", "split"]
    start = heads.index("stage")
    assert heads[start + 1 : start + 12] == stages


def test_other_files_inside_a_workspace_are_refused(here: Path, capsys: Capture) -> None:
    assert error(capsys, ["build", "tickets.jsonl"], 2) == (
        "curate build: recipe.yaml reads chats.jsonl, tickets.jsonl; add FILE to its sources and run curate build, "
        "or build in another folder: curate build -C DIR FILE"
    )


def test_show_tells_the_settings_that_were_changed(fresh: Path, capsys: Capture) -> None:
    run(capsys, BUILD)
    assert "settings: all at their defaults" in run(capsys, ["show"])
    with (fresh / "recipe.yaml").open("a", encoding="utf-8") as recipe:
        recipe.write("near:\n  threshold: 0.9\nturns: {cut: flag}\n")
    run(capsys, ["build", "--max-bad", "20%", "-m", "looser"])
    lines = run(capsys, ["show", "v2"])
    assert "settings: near.threshold 0.9, turns.cut flag" in lines
    assert lines[1].endswith("looser")
    assert run_json(capsys, ["show"])["changed"] == {"near.threshold": 0.9, "turns.cut": "flag"}
    rows = [line.split() for line in run(capsys, ["versions"])]
    assert [row[0] for row in rows[1:3]] == ["v2", "v1"]
    assert rows[1][2] == "v1"


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("nera: {}\n", ':1: nera is not a known key; did you mean "near"?'),
        ("near: {threshold: 2}\n", ":1: near.threshold must be at most 1, not 2"),
        ("near: {actoin: off}\n", ':1: near.actoin is not a known key; did you mean "action"?'),
    ],
)
def test_a_wrong_recipe_is_one_line(recipe: str, message: str, fresh: Path, capsys: Capture) -> None:
    run(capsys, BUILD)
    (fresh / "other.yaml").write_text(f"{recipe}sources: [{{path: tickets.jsonl}}]\n", "utf-8")
    assert error(capsys, ["build", "--recipe", "other.yaml"], 2) == f"curate build: other.yaml{message}"


@pytest.mark.parametrize("argv", [["show", "v9"], ["stats", "v9"], ["export", "v9"], ["verify", "v9"]])
def test_an_unknown_version(argv: list[str], here: Path, capsys: Capture) -> None:
    assert error(capsys, argv, 2) == f'curate {argv[0]}: version "v9" is not known; known: latest, v1'


def test_why_shows_both_rows_and_a_way_to_keep_it(here: Path, capsys: Capture) -> None:
    lines = run(capsys, ["why", "tickets.jsonl:3"])
    assert lines[0].startswith("tickets.jsonl:3, byte 690, unit 2   id ")
    verdict = next(at for at, line in enumerate(lines) if line.startswith("dropped by near: .9"))
    assert " similar to tickets.jsonl:1 (limit .80), kept as v1 " in lines[verdict]
    assert lines[verdict + 1 : verdict + 4] == [
        "  = How do I reset my badge pin?",
        "  - ... before you press save[ please].",
        "  + ... before you press save.",
    ]
    assert re.fullmatch(r"it would be kept with: near.threshold 0.9\d, or near.action off", lines[verdict + 4])


def test_a_file_with_a_space_in_its_name_can_be_asked_about_as_shown(fresh: Path, capsys: Capture) -> None:
    (fresh / "tickets.jsonl").rename(fresh / "old tickets.jsonl")
    lines = run(capsys, ["build", "old tickets.jsonl", "--max-bad", "20%"])
    for shown in (lines[-1], run(capsys, ["why", "--grep", "invoice"])[-1]):
        (command,) = [one for one in shown.removeprefix("next: ").split(" · ") if one.startswith("curate why")]
        assert run(capsys, shlex.split(command)[1:])[0].startswith("old tickets.jsonl:")


def test_why_lists_what_a_text_may_mean(here: Path, capsys: Capture) -> None:
    lines = run(capsys, ["why", "--grep", "invoice"])
    assert [line.split()[0] for line in lines[1:4]] == ["tickets.jsonl:6", "tickets.jsonl:7", "tickets.jsonl:8"]
    assert lines[4] == "3 rows match"
    assert error(capsys, ["why", "--grep", "no such text"], 2) == 'curate why: no row of v1 holds "no such text"'
    assert error(capsys, ["why"], 2) == "curate why: name one row: FILE:LINE, the beginning of its id, or --grep TEXT"


def test_export_writes_the_splits(here: Path, capsys: Capture) -> None:
    built = run_json(capsys, ["build", "--max-bad", "20%"])["split"]["rows"]
    run(capsys, ["export", "--to", "out"])
    for split, rows in built.items():
        path = here / "out" / f"{split}.jsonl"
        assert len(path.read_bytes().splitlines() if path.exists() else []) == rows


def test_stats_measures_the_texts_of_the_version(here: Path, capsys: Capture) -> None:
    run(capsys, ["export", "--to", "out"])
    rows = [json.loads(line) for path in (here / "out").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    lengths = sorted(len(row["messages"][-1]["content"]) for row in rows)
    measured = run_json(capsys, ["stats"])["lengths"]["answer"]
    assert measured["longest"] == lengths[-1]
    assert sum(length <= measured["median"] for length in lengths) * 2 >= len(lengths)
    assert sum(length < measured["median"] for length in lengths) * 2 <= len(lengths)
    assert sum(length <= measured["p95"] for length in lengths) >= 0.95 * len(lengths)
    assert measured["p95"] in lengths


def test_export_writes_to_data_splits_of_the_workspace(here: Path, capsys: Capture) -> None:
    run(capsys, ["export"])
    assert (here / "data" / "splits" / "train.jsonl").exists()


def test_sql_answers_and_refuses_to_write(here: Path, capsys: Capture) -> None:
    lines = run(capsys, ["sql", "SELECT verdict, count(*) AS n FROM ledger WHERE verdict = 'quarantined' GROUP BY 1"])
    assert lines == ["verdict      n", "quarantined  1", "1 row"]
    assert run_json(capsys, ["sql", "SELECT 1 AS one", "--version", "v1"]) == {"columns": ["one"], "rows": [[1]]}
    assert run_json(capsys, ["sql", "SELECT 'nan'::DOUBLE AS n, 'inf'::DOUBLE AS i"])["rows"] == [[None, None]]
    assert error(capsys, ["sql", "DROP TABLE ledger"], 2).startswith("curate sql: ")
    lines = run(capsys, ["sql", "SELECT * FROM ledger"])
    assert lines[-2] == "... and 32 more (--json shows all)"


def test_verify_holds_for_a_fresh_version(here: Path, capsys: Capture) -> None:
    assert re.fullmatch(r"v1: all \d+ checks hold", run(capsys, ["verify"])[-1])


def test_verify_looks_at_the_exported_files_too(fresh: Path, capsys: Capture) -> None:
    run(capsys, BUILD)
    run(capsys, ["export"])
    (fresh / "data" / "splits" / "train.jsonl").write_text("{}\n", "utf-8")
    lines = run(capsys, ["verify"], code=1)
    assert lines[1].startswith("FAILED  export")
    assert lines[-1] == "v1: 1 of 10 checks failed: export"
    shutil.rmtree(fresh / "data")
    assert run(capsys, ["verify"])[-1] == "v1: all 9 checks hold"
    assert run(capsys, ["verify", "--export", "nowhere"], code=1)[-1] == "v1: 1 of 10 checks failed: export"


def test_a_planted_leak_ends_with_exit_code_4(fresh: Path, capsys: Capture) -> None:
    """The store is published once more with one training row moved to test, as no build would."""
    run(capsys, BUILD)
    store = open_store(fresh / "store")
    chosen = store.resolve("latest")
    stored = {name: store.table(chosen, name) for name in STORED}
    members = stored["members"].to_pylist()
    asked = "How do I reset my badge pin?"
    texts = dict(zip(*(stored["rows"][name].to_pylist() for name in ("row_id", "record")), strict=True))
    family = [member for member in members if asked in texts[member["row_id"]]]
    assert len(family) > 1
    family[0]["split"] = "test" if family[0]["split"] != "test" else "train"
    stored["members"] = pa.Table.from_pylist(members, STORED["members"])
    given: dict[str, Any] = {
        "parent": None,
        "message": "",
        "recipe": chosen.recipe,
        "stats": chosen.stats,
        "created": chosen.created,
    }
    store.publish("ab" * 32, stored, **given)
    lines = run(capsys, ["verify", "v2"], code=4)
    assert any(line.startswith("FAILED  leaks") for line in lines)
    assert run_json(capsys, ["verify", "v1"])["ok"]


def test_init_says_what_to_do_first_where_a_build_would_stop(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "faq.jsonl").write_text('{"q_text": "why?", "a_text": "because"}\n', "utf-8")
    recipe = tmp_path / "recipe.yaml"
    lines = run(capsys, ["init", "-C", str(tmp_path), "--source", "faq.jsonl"])
    mapping = "{path: faq.jsonl, format: mapping, mapping: {prompt: PROMPT_FIELD, answer: ANSWER_FIELD}}"
    fields = "no known format fits its rows, which have the fields q_text, a_text"
    assert lines[1:] == [
        f"not ready to build: faq.jsonl: {fields}; say in recipe.yaml which hold prompt and answer: {mapping}",
        f"layouts known by themselves: {', '.join(NAMES)}; of any other, `mapping` names the fields",
        f"next: mend {recipe} or the files · curate build",
    ]
    told = mapping.replace("PROMPT_FIELD", "q_text").replace("ANSWER_FIELD", "a_text")
    recipe.write_text(recipe.read_text("utf-8").replace("- path: faq.jsonl", f"- {told}"), "utf-8")
    assert any(line.startswith("v1  train 1 ") for line in run(capsys, ["build", "-C", str(tmp_path)]))


def test_init_says_that_a_source_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    told = run_json(capsys, ["init", "-C", str(tmp_path), "--source", "missing.jsonl"])
    assert told["unreadable"][0].startswith("missing.jsonl: is not there")
    lines = run(capsys, ["init", str(tmp_path / "two"), "--source", str(tmp_path / "missing.jsonl")])
    assert [line.split()[0] for line in lines] == ["made", "not", "next:"]


def test_init_makes_a_workspace_once(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "bot"
    lines = run(capsys, ["init", str(folder)])
    assert lines[0].startswith(f"made a workspace in {folder}: ")
    assert lines[1].startswith("next: ")
    assert (folder / "recipe.yaml").exists()
    assert "is a workspace already" in error(capsys, ["init", str(folder)], 2)
    assert error(capsys, ["stats", "-C", str(folder)], 2) == (
        f"curate stats: {folder}: nothing was built yet; run `curate build`"
    )


def test_a_pipe_that_closes_does_not_hide_the_exit_code(here: Path) -> None:
    command = f"{sys.executable} -m app.cli sql 'SELECT * FROM ledger' --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_publishes_nothing_and_leaves_the_store_whole(fresh: Path, capsys: Capture) -> None:
    run(capsys, BUILD)
    with (fresh / "tickets.jsonl").open("a", encoding="utf-8") as more:
        for n in range(60_000):
            more.write(
                json.dumps({"prompt": f"Where is part {n * 7919}?", "completion": f"On shelf {n * 104729}."}) + "\n"
            )
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "build", "--max-bad", "20%"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=fresh,
    )
    assert process.stderr is not None
    _wait_for("read: ", process.stderr)  # reading is done, the stages run
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "curate build: interrupted; nothing was published"
    assert "Traceback" not in err
    assert [v["name"] for v in run_json(capsys, ["versions"])["versions"]] == ["v1"]
    assert run_json(capsys, ["verify"])["ok"]


def _wait_for(beginning: str, stream: Any) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        line = stream.readline()
        if line.startswith(beginning) or not line:
            return


def test_stats_names_stages_that_did_nothing_and_languages(here: Path, capsys: Capture) -> None:
    lines = run(capsys, ["stats"])
    told = run_json(capsys, ["stats"])
    idle = [s["stage"] for s in told["stages"] if not s["flagged"] and s["in"] == s["kept"]]
    assert "select" in idle
    assert any(line.endswith(f"; nothing to do for {', '.join(idle)}") for line in lines)
    busy = [s["stage"] for s in told["stages"] if s["stage"] not in idle]
    assert [line.split()[0] for line in lines[1 : len(busy) + 1]] == busy
    assert sum(told["languages"].values()) == told["stages"][-1]["kept"]
    assert any(line.startswith("languages: ") for line in lines)


def test_show_says_settings_as_a_recipe_does(fresh: Path, capsys: Capture) -> None:
    run(capsys, BUILD)
    with (fresh / "recipe.yaml").open("a", encoding="utf-8") as recipe:
        recipe.write(
            "language: {allowed: [en, ro]}\nnormalise: {strip: false}\nselect: {steps: [{by: random, n: 999}]}\n"
        )
    run(capsys, ["build", "--max-bad", "20%"])
    (line,) = (line for line in run(capsys, ["show"]) if line.startswith("settings: "))
    assert "language.allowed [en, ro], normalise.strip false, select.steps [{by: random, n: 999, seed: 0}]" in line
    (changed,) = (line for line in run(capsys, ["diff", "v1", "v2"]) if line.startswith("settings: "))
    assert "language.allowed [] -> [en, ro], normalise.strip true -> false" in changed
    run(capsys, ["export", "--ledger", "ledger.parquet"])
    (why,) = (line for line in run(capsys, ["why", "tickets.jsonl:1"]) if "selected by random" in line)
    kept = run_json(capsys, ["stats"])["stages"][-1]["kept"]
    assert why.endswith(f", {kept} taken")
