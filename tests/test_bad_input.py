"""Wrong recipes, files and surroundings, as a user meets them: one line, the right code, nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.build import lines
from curation import compiling
from curation.pipeline import build
from curation.workspace import find_workspace

Capture = pytest.CaptureFixture[str]
CASES = [json.loads(line) for line in (Path(__file__).parent / "fixtures" / "bad_input.jsonl").read_text().splitlines()]
CURATE = [sys.executable, "-m", "app.cli"]
RECIPE = "sources:\n  - path: d.jsonl\n"


def rows(count: int, first: int = 0) -> str:
    """Rows with questions that are not alike."""
    words = ("pump", "valve", "badge", "invoice", "panel", "filter", "sensor", "cable")
    lines = []
    for i in range(first, first + count):
        name = "".join(chr(97 + i * step % 26) for step in (1, 3, 5, 7, 11, 17, 19))
        text = f"Where does {name} keep the {words[i % 8]} of the {name[::-1]} hall, and who may fetch it?"
        lines.append(json.dumps({"question": text, "answer": f"On shelf {i}, ask {name}.", "topic": words[i % 8]}))
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with thirty sound rows, nothing built yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curate.yaml").write_text("curate: 1\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "d.jsonl").write_text(rows(30))
    return tmp_path


def said(capsys: Capture, *argv: str) -> tuple[int, str]:
    """Exit code and the last line of stderr, the only one that is no progress."""
    capsys.readouterr()
    code = main(list(argv))
    return code, capsys.readouterr().err.splitlines()[-1]


def curate(folder: Path, *argv: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CURATE, *argv], cwd=folder, capture_output=True, text=True, timeout=600, **settings)


def nothing_published(folder: Path) -> bool:
    segments = folder / "store" / "segments"
    return not segments.exists() or not any(segments.iterdir())


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_a_wrong_recipe_or_source_is_one_line(here: Path, capsys: Capture, case: dict[str, Any]) -> None:
    (here / "recipe.yaml").write_text(case["recipe"])
    for name, content in case.get("files", {}).items():
        (here / name).write_text(content)
    if "source" in case:
        plain = case["encoding"] == "text"
        (here / "d.jsonl").write_bytes(case["source"].encode() if plain else bytes.fromhex(case["source"]))
    expected = case["message"].replace("{root}", str(here))
    assert said(capsys, "build") == (case["code"], f"curate build: {expected}")
    assert nothing_published(here)


def test_what_stands_in_place_of_a_file(here: Path, capsys: Capture) -> None:
    source = here / "x.jsonl"
    (here / "recipe.yaml").write_text("sources:\n  - path: x.jsonl\n")
    os.mkfifo(source)
    assert said(capsys, "build") == (3, "curate build: x.jsonl: is not a regular file; copy what it gives into one")
    source.unlink()
    source.symlink_to("x.jsonl")
    link = "curate build: x.jsonl: is a link to nothing; mend the link, or leave it out"
    assert said(capsys, "build") == (3, link)
    source.unlink()
    source.mkdir()
    code, line = said(capsys, "build")
    assert code == 3
    assert line.startswith("curate build: x.jsonl: holds no file that can be read; known endings: .jsonl, ")


def test_a_name_that_is_not_utf8_is_refused_before_a_workspace_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"b\xff.jsonl")
    Path(name).write_text(rows(3))
    code, line = said(capsys, "build", name)
    told = 'curate: argument "b\\udcff.jsonl" is not UTF-8; rename the file, or write the text in UTF-8'
    assert (code, line) == (2, told)
    assert os.listdir() == [name]


def test_the_error_budget_is_one_percent_and_never_below_twenty(here: Path, capsys: Capture) -> None:
    broken = "".join(f'{{"question": {i}\n' for i in range(21))
    (here / "d.jsonl").write_text(rows(30) + broken)
    code, line = said(capsys, "build")
    assert code == 3
    start = (
        "curate build: d.jsonl: 21 of 51 units cannot be read, 20 are tolerated: truncated_json 21 (first at line 31)"
    )
    assert line.startswith(start)
    assert said(capsys, "build", "--max-bad", "0")[0] == 3
    assert main(["build", "--max-bad", "50%"]) == 0
    (here / "d.jsonl").write_text(rows(30) + broken[: broken.rindex("{")])
    assert main(["build", "--max-bad", "0"]) == 0


@pytest.fixture
def built(here: Path) -> Path:
    (here / "d.jsonl").write_text("\n" + rows(8) + "\n\n" + rows(22, 8))
    assert main(["build"]) == 0
    return here


def test_why_says_what_is_on_a_line_without_a_row(built: Path, capsys: Capture) -> None:
    for target, message in {
        "d.jsonl:0": "d.jsonl:0: lines are counted from 1",
        "d.jsonl:1": "d.jsonl:1: the line is blank; blank lines are passed over",
        "d.jsonl:10": "d.jsonl:10: the line is blank; blank lines are passed over",
        "d.jsonl:34": "d.jsonl:34: there is no row; the last one is on line 33",
        f"d.jsonl:{10**30}": f"d.jsonl:{10**30}: there is no row; the last one is on line 33",
        "d.jsonl": "d.jsonl: name a line of it as well: curate why d.jsonl:1",
        "e.jsonl:3": "e.jsonl: is not a source of v1; sources: d.jsonl",
        "abc": '"abc" is neither FILE:LINE nor the beginning of a row id (4 to 32 hexadecimal digits); '
        "to look for text: curate why --grep TEXT",
    }.items():
        assert said(capsys, "why", target) == (2, f"curate why: {message}")


def test_a_row_is_explained_without_its_file(built: Path, capsys: Capture) -> None:
    (built / "d.jsonl").unlink()
    capsys.readouterr()
    assert main(["why", "d.jsonl:2"]) == 0
    assert "kept as v1 train #1" in capsys.readouterr().out


def test_damage_is_named_and_is_no_leak(built: Path, capsys: Capture) -> None:
    edges = next((built / "store" / "segments").glob("edges-*"))
    os.truncate(edges, edges.stat().st_size // 2)
    assert main(["verify"]) == 1
    assert "damaged" in capsys.readouterr().out
    (built / "store" / "CURRENT").write_bytes(b"\xff\x00")
    for command in ("build", "stats", "export", "verify"):
        code, line = said(capsys, command)
        assert code == 1
        assert line.startswith(f"curate {command}: {built}/store/CURRENT: cannot be read (")


def test_a_full_disk_leaves_no_half_workspace(tmp_path: Path) -> None:
    def no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    demo = curate(tmp_path, "demo", "sample", preexec_fn=no_room)
    assert demo.returncode == 3
    assert "curate demo: sample: the sample cannot be copied there (File too large); free some space" in demo.stderr
    assert not (tmp_path / "sample").exists()
    done = curate(tmp_path, "init", "ws", preexec_fn=no_room)
    assert done.returncode == 3
    assert done.stderr == (
        "curate init: ws: cannot be made a workspace (File too large); "
        "make room or check who owns it, or name another folder\n"
    )
    assert not list((tmp_path / "ws").glob("*.yaml"))
    assert curate(tmp_path, "init", "ws").returncode == 0


def test_a_failed_first_build_leaves_no_workspace_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.jsonl").write_text("<!DOCTYPE html><html><body>404</body></html>\n")
    Path("good.jsonl").write_text(rows(30))
    assert main(["build", "wrong.jsonl"]) == 3
    assert "is taken back" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["good.jsonl", "wrong.jsonl"]
    Path("store").mkdir()
    Path("store/mine.txt").write_text("kept")
    assert main(["build", "wrong.jsonl"]) == 3
    assert Path("store/mine.txt").read_text() == "kept"
    assert not Path("curate.yaml").exists()
    assert main(["build", "good.jsonl"]) == 0
    Path("good.jsonl").write_text("<!DOCTYPE html>\n")
    assert main(["build", "good.jsonl"]) == 3  # a later build: the workspace stays
    assert Path("curate.yaml").exists()


def test_other_files_are_refused_without_opening_the_listed_ones(here: Path, capsys: Capture) -> None:
    (here / "good.jsonl").write_text(rows(3))
    for source in ("gone.jsonl", "hf:owner/name"):
        (here / "recipe.yaml").write_text(f"sources:\n  - path: {source}\n")
        code, line = said(capsys, "build", "good.jsonl")
        assert (code, line.split(";")[0]) == (2, f"curate build: recipe.yaml reads {source}")


def test_the_weightiest_notes_are_shown_and_the_rest_counted(here: Path) -> None:
    result = build(find_workspace(here))  # type: ignore[arg-type]  # the fixture has just made one
    split = {**result.report, "warnings": ["train is too large"]}
    shown = replace(result, notes=["a", "b", "c", "d", "train is too large"], report=split)
    notes = [line for line in lines(shown) if line.startswith(("note", "... and"))]
    assert notes == ["note: train is too large", "note: a", "note: b", "... and 2 more notes (--json)"]
    assert "... and 1 more note (--json)" in lines(replace(shown, notes=["a", "b", "c", "d"]))


def test_init_mends_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "."]) == 0
    recipe = Path("recipe.yaml").read_bytes()
    assert sorted(os.listdir()) == ["curate.yaml", "data", "recipe.yaml"]
    Path("curate.yaml").unlink()  # killed between the two
    assert main(["init", "."]) == 0
    Path("recipe.yaml").unlink()  # as only another program leaves it
    assert main(["init", "."]) == 0
    assert Path("recipe.yaml").read_bytes() == recipe
    Path("curate.yaml").unlink()
    Path("recipe.yaml").write_text(RECIPE)
    assert said(capsys, "init", ".")[0] == 2  # somebody's own recipe
    assert Path("recipe.yaml").read_text() == RECIPE
    Path("curate.yaml").write_text("curate: 1\nrecipe: mine.yaml\n")
    assert main(["init", "."]) == 0
    assert Path("mine.yaml").read_bytes() == recipe
    assert said(capsys, "init", ".")[0] == 2


def test_closed_output_is_no_crash(built: Path) -> None:
    for shell, code in {">&-": 0, ">&- 2>&-": 0, ">/dev/full": 3}.items():
        line = f"{sys.executable} -m app.cli versions --json {shell}"
        done = subprocess.run(["bash", "-c", line], cwd=built, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def test_without_any_place_to_keep_them_compiled_functions_go_to_a_folder_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(compiling, "_PACKAGE", Path("/proc/nowhere"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiling.settle_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    chosen = []
    for _ in range(2):
        monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
        compiling.settle_cache()
        chosen.append(os.environ.pop("NUMBA_CACHE_DIR"))
    own = tmp_path / f"curate-compiled-{os.getuid()}"
    assert chosen == [str(own)] * 2
    own.chmod(0o777)  # anybody may have put code there
    compiling.settle_cache()
    assert os.environ.pop("NUMBA_CACHE_DIR") != str(own)


@pytest.mark.slow
def test_the_first_build_says_that_it_compiles(here: Path) -> None:
    cache = {**os.environ, "NUMBA_CACHE_DIR": str(here / "cache")}
    note = f"{compiling.ONCE} (kept in {here / 'cache'})"
    first, second = curate(here, "build", env=cache), curate(here, "build", env=cache)
    assert first.stderr.splitlines().count(note) == 1
    assert compiling.ONCE not in second.stderr


@pytest.mark.slow
def test_a_hub_out_of_reach_is_said_at_once(here: Path) -> None:
    (here / "recipe.yaml").write_text("sources:\n  - path: hf:owner/name\n")
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = curate(here, "build", env={**plain, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(here / "hub")})
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()  # the library would tell of every try
    assert line.startswith("curate build: hf:owner/name: cannot be loaded (")


def reading(folder: Path) -> subprocess.Popen[str]:
    """A build whose two reading processes have been started, in a process group of its own."""
    for name in ("d.jsonl", "e.jsonl"):
        (folder / name).write_text(rows(100_000))
    (folder / "recipe.yaml").write_text(f"{RECIPE}  - path: e.jsonl\n")
    command = [*CURATE, "build", "--workers", "2"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)


def readers(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    fields = [line.split(None, 2) for line in listed.splitlines()]
    return [int(pid) for pid, ppid, line in fields if ppid == str(parent) and "spawn_main" in line]


def wait_for_readers(parent: int) -> list[int]:
    until = time.monotonic() + 60
    while len(found := readers(parent)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_a_killed_reading_process_ends_the_build_with_one_line(here: Path) -> None:
    build = reading(here)
    os.kill(wait_for_readers(build.pid)[0], signal.SIGKILL)
    _, errors = build.communicate(timeout=300)
    assert build.returncode == 1
    assert errors.splitlines()[-1] == (
        "curate build: d.jsonl: the process that worked on it was ended (killed, as when memory runs out); "
        "use --workers 1, or build fewer sources at a time; nothing was published"
    )
    assert "Traceback" not in errors
    assert nothing_published(here)


@pytest.mark.slow
def test_ctrl_c_ends_reading_processes_without_a_word_from_them(here: Path) -> None:
    build = reading(here)
    found = wait_for_readers(build.pid)
    os.killpg(build.pid, signal.SIGINT)
    _, errors = build.communicate(timeout=300)
    assert (build.returncode, errors) == (130, "curate build: interrupted; nothing was published\n")
    assert not [pid for pid in found if Path(f"/proc/{pid}").exists()]
    assert nothing_published(here)
