"""Blind pairwise review: in the terminal, with undo; what wins, position bias; PandaLM's pairs as published."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import pytest

from app.cli import main
from curation.errors import ConfigError, StoreBusyError
from curation.runs import run_place
from curation.store.journal import Journal
from curation.store.tags import Tag, add_tags, new_id, tags
from curation.workspace import Workspace
from eval.folder import EvalFolder
from eval.review.pairwise import PREFERS, Pairs, outcome, pair_key, raters_agree, same_outputs
from tests.review_data import evaluation
from tests.shared_data import shared

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def sides(here: Workspace) -> tuple[EvalFolder, EvalFolder]:
    experiments = run_place(here).experiments
    return evaluation(experiments, lambda i: "bad"), evaluation(experiments, lambda i: "good")


def test_the_terminal_judges_pairs_blind_and_takes_back(
    here: Workspace,
    journal: Journal,
    sides: tuple[EvalFolder, EvalFolder],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    keys = []
    pairs = Pairs(*sides, journal, "ana")
    for pair in pairs._left[:20]:
        keys.append("1" if pair.a == "good" else "2")
    lines = ["1", "u", "x", *keys, "3", "q"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
    assert main(["-C", str(here.root), "tag", "1", "2", "--pairs", "--as", "ana", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "experiment" not in err
    assert '"x" is no key here' in err
    told = json.loads(out)
    assert told["judged"] == 21
    wins, bias, neither = told["result"]
    assert wins["share"] == pytest.approx(20.5 / 21)
    assert (wins["n"], wins["pairs"], bias["n"], neither["share"]) == (21, 21, 20, 0.0)
    assert 0.2 < bias["share"] < 0.8  # the order is drawn
    assert bias["low"] < 0.5 < bias["high"]
    assert len(tags(journal, kinds=("preference",))) == 21
    assert main(["-C", str(here.root), "tag", "1", "--pairs", "--as", "ana"]) == 2
    assert "--pairs is for two runs, not 1" in capsys.readouterr().err


def test_the_terminal_keeps_the_lines_of_an_output(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in ("one", "two"):
        evaluation(run_place(here).experiments, lambda i, name=name: f"{name}\nreference: right\x1b[31m")  # type: ignore[misc]
    for words in (["1"], ["1", "2", "--pairs"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
        assert main(["-C", str(here.root), "tag", *words, "--as", "ana"]) == 0
        err = capsys.readouterr().err
        assert "one\n  reference: right\\x1b[31m\n" in err
        assert err.count("\nreference: ") == 1


def test_which_side_a_model_is_on_does_not_go_by_the_order_of_the_pairs(here: Workspace, journal: Journal) -> None:
    experiments = run_place(here).experiments
    one, two = (evaluation(experiments, lambda i, said=said: f"{said} {i}", items=3_000) for said in ("a", "b"))  # type: ignore[misc]
    drawn = [pair.first_is_a for pair in Pairs(one, two, journal, "ana")._left]
    switches = sum(one != other for one, other in pairwise(drawn))
    assert 0.45 < switches / len(drawn) < 0.55  # sides that follow the order would switch once in twelve


def test_of_two_sessions_under_one_name_the_first_choice_holds(
    journal: Journal, sides: tuple[EvalFolder, EvalFolder]
) -> None:
    one, two = Pairs(*sides, journal, "ana"), Pairs(*sides, journal, "ana")
    pair, then = one._left[:2]
    one.judge(pair, "tie")
    with pytest.raises(ConfigError, match="was judged by ana meanwhile"):
        two.judge(pair, "both wrong")
    assert [tag.value.split("|")[0] for tag in tags(journal, kinds=("preference",))] == ["tie"]
    assert two.next() == then
    one.undo()
    one.judge(pair, "both wrong")
    assert len(tags(journal, kinds=("preference",))) == 1


def test_who_always_takes_the_first_is_seen(journal: Journal, sides: tuple[EvalFolder, EvalFolder]) -> None:
    pairs = Pairs(*sides, journal, "ana")
    while (pair := pairs.next()) is not None:
        pairs.judge(pair, "A is better")
    table = outcome(journal, *sides).set_index("what")
    bias = table.loc["A is chosen (half: no position bias)"]
    assert (bias["share"], bias["n"]) == (1.0, 30)
    assert bias["low"] > 0.85
    wins = table.loc[f"{sides[1].name} wins"]
    assert wins["low"] < 0.5 < wins["high"]


def test_pairs_that_say_the_same_are_ties_by_themselves(
    here: Workspace, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    experiments = run_place(here).experiments
    one = evaluation(experiments, lambda i: "Yes:\n  so" if i < 20 else f"no {i}")
    two = evaluation(experiments, lambda i: "Yes: \n  so\n" if i < 20 else "no 20\n" if i == 21 else f"it is {i}")
    pairs = Pairs(one, two, journal, "ana")
    assert (pairs.total, pairs.same) == (10, 20)
    assert same_outputs(one, two).startswith("20 of 30 pairs say the same but for white space at the ends")
    keys = ["2" if pair.first_is_a else "1" for pair in pairs._left]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(keys) + "\n"))
    assert main(["-C", str(here.root), "tag", "1", "2", "--pairs", "--as", "ana", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["judged"], told["same"]) == (10, 20)
    wins, whole = told["result"][:2]
    assert (wins["share"], wins["n"]) == (1.0, 10)
    assert whole["what"] == f"{two.name} wins, 20 same outputs as ties"
    assert (whole["share"], whole["n"]) == (pytest.approx((10 + 20 / 2) / 30), 10)
    assert whole["low"] == pytest.approx(0.5 + (wins["low"] - 0.5) / 3)
    # A judgement of such a pair from elsewhere, as raters gave before, moves no share of wins.
    said = Tag(
        new_id(), "p", pair_key(one, two), PREFERS, "first|unrecorded", author="bea", kind="preference", note="row3:1"
    )
    add_tags(journal, [said])
    assert outcome(journal, one, two).iloc[0]["share"] == 1.0
    both = evaluation(experiments, lambda i: "Yes"), evaluation(experiments, lambda i: "Yes ")
    assert main(["-C", str(here.root), "tag", "3", "4", "--pairs", "--as", "ana"]) == 2
    assert "answer alike: 30 of 30 pairs say the same" in capsys.readouterr().err
    assert outcome(journal, *both).empty


def test_an_undo_that_could_not_be_stored_can_be_said_again(
    journal: Journal, sides: tuple[EvalFolder, EvalFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.review import pairwise as module

    pairs = Pairs(*sides, journal, "ana")
    first = pairs.next()
    assert first is not None
    pairs.judge(first, "tie")

    def busy(*_: object) -> Tag:
        raise StoreBusyError("another process is writing to it")

    with monkeypatch.context() as patched:
        patched.setattr(module, "undo", busy)
        with pytest.raises(StoreBusyError):
            pairs.undo()
    assert (pairs.judged, len(tags(journal, kinds=("preference",)))) == (1, 1)
    assert pairs.undo()
    assert (pairs.next(), tags(journal, kinds=("preference",))) == (first, [])


def test_several_people_on_one_pair_are_no_further_proof(
    journal: Journal, sides: tuple[EvalFolder, EvalFolder]
) -> None:
    def judged(people: int) -> float:
        for number in range(30):
            better = "second" if number % 3 else "first"
            said = f"{better}|first-second"
            event = Tag(
                new_id(),
                "p",
                pair_key(*sides),
                PREFERS,
                said,
                author=f"r{people}",
                kind="preference",
                note=f"i{number}",
            )
            add_tags(journal, [event])
        row = outcome(journal, *sides).iloc[0]
        assert (row["n"], row["pairs"]) == (30 * people, 30)
        return float(row["high"] - row["low"])

    alone = judged(1)
    assert raters_agree(journal, *sides).empty
    judged(2)
    assert judged(3) > 0.8 * alone
    assert raters_agree(journal, *sides).set_index("coefficient").loc["fleiss_kappa", "value"] == 1.0


def test_pandalm_comes_out_as_published(here: Workspace, journal: Journal, capsys: Capture) -> None:
    file = str(shared("pandalm/testset-v1.json.gz"))
    words = ["-C", str(here.root), "import-predictions", file, "--name", "pandalm", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outputs"], told["judgements"], told["raters"]) == (999, 2997, [f"annotator{i}" for i in (1, 2, 3)])
    sides = [EvalFolder(run_place(here).experiments / run / "eval-1") for run in told["runs"]]
    found = raters_agree(journal, sides[0], sides[1]).set_index("coefficient")["value"]
    assert (round(found["fleiss_kappa"], 3), round(found["pairwise"], 3)) == (0.864, 0.920)
    assert "A is chosen" not in " ".join(outcome(journal, sides[0], sides[1])["what"])  # the order is not in the file
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["judgements"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [({"annotator1": 3}, "annotator1 is 3; it must be 0 (tie), 1 or 2"), ({"response2": []}, "must be texts")],
)
def test_a_damaged_pair_is_refused(here: Workspace, capsys: Capture, change: dict[str, object], said: str) -> None:
    pair = {"idx": 0, "instruction": "Say hi.", "input": "", "response1": "Hi.", "response2": "Ho.", "annotator1": 1}
    (here.root / "pairs.jsonl").write_text(json.dumps(pair | change) + "\n", "utf-8")
    assert main(["-C", str(here.root), "import-predictions", str(here.root / "pairs.jsonl")]) == 3
    assert f"pairs.jsonl:1: {said}" in capsys.readouterr().err.replace("instruction, input and responses ", "")
    assert not list(run_place(here).experiments.glob("experiment_*"))
