"""Names of those who judge: what is nobody's name is refused in one line, in the terminal and on the page."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from app.cli.person import person
from curation.errors import ConfigError
from curation.runs import list_runs, run_place
from curation.store.journal import open_journal
from curation.store.tags import tags
from curation.workspace import Workspace, init_workspace
from eval.folder import EvalFolder, evals
from eval.review.frame import review_frame
from eval.review.names import LONGEST, reviewer_name
from eval.review.pairwise import Pairs
from eval.review.queues import QueueSettings
from eval.review.session import Review
from eval.taxonomy import DEFAULT
from tests.review_data import evaluation

NOBODY = [
    ("", "a reviewer needs a name"),
    (" \t", "a reviewer needs a name"),
    ("x" * (LONGEST + 1), "81 characters is too long"),
    ("ana\nbea", "cannot be seen"),
    ("\x1b[31mana", "cannot be seen"),
    ("ana\u202e", "cannot be seen"),
    ("ana\udcff", "cannot be seen"),
    ("rules", "is kept for rules"),
    ("Rules ", "is kept for rules"),
    ("endpoint:judge", "is kept for rules"),
    ("ana#2", "is kept for rules"),
]


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    made = init_workspace(tmp_path / "w")
    for output in ("one", "two"):
        evaluation(run_place(made).experiments, lambda i, said=output: f"{said} {i}", items=4)  # type: ignore[misc]
    return made


@pytest.mark.parametrize(("name", "said"), NOBODY)
def test_what_is_nobodys_name_is_refused_before_anything_is_asked(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    if "\udcff" in name:
        with pytest.raises(ConfigError, match=said):
            reviewer_name(name)
        return
    for words in (["tag"], ["tag", "1", "2", "--pairs"], ["tag", "--adjudicate"], ["taxonomy", "rename", "tone", "x"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("o\n1\nq\n"))
        assert main(["-C", str(here.root), *words, "--as", name]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "\x1b[31m" not in told
        assert len(told.strip().splitlines()) == 1
    with open_journal(run_place(here).journal) as journal:
        assert tags(journal, kinds=("person", "final", "preference")) == []
    assert not (here.root / "taxonomy.yaml").exists()


def test_two_spellings_of_one_name_are_one_person(here: Workspace) -> None:
    first, second = _evaluations(here)
    with open_journal(run_place(here).journal) as journal:
        review = Review(review_frame([first]), journal, DEFAULT, " Rene\u0301 ", QueueSettings())
        assert review.author == "Ren\u00e9"
        assert Pairs(first, second, journal, "Rene\u0301").author == "Ren\u00e9"


def test_without_a_name_the_login_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("getpass.getuser", lambda: "eva")
    assert person(Namespace(author=None)) == "eva"

    def unknown() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", unknown)
    with pytest.raises(ConfigError, match="say it with --as NAME"):
        person(Namespace(author=None))


@pytest.mark.parametrize("name", ["review", "pairwise"])
def test_a_page_says_so_and_shows_nothing_to_judge(here: Workspace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pytest.importorskip("streamlit")
    from tests.dashboard_screens import dashboard_in, screen, sound, told

    with dashboard_in(here.root, monkeypatch):
        found = screen(name, **{"as": "rules"})
        assert [one.value for one in found.error] == ["This cannot be done:"]
        assert "is kept for rules" in told(found)
        assert not any("A is better" in one.label for one in found.button)
        found.text_input(key="author").set_value("ana").run()
        assert not sound(found).error


def _evaluations(here: Workspace) -> Iterator[EvalFolder]:

    for folder in list_runs(run_place(here).experiments):
        yield from evals(folder)
