"""Queues and rates: who sees what, that random draws stay a fair sample, and what may be said from them."""

from __future__ import annotations

import itertools
import random

import pytest

from curation.errors import ConfigError
from curation.store.tags import OK, Draw, Tag, new_id
from eval.review.queues import CALIBRATION, RANDOM, REPEAT, Candidate, QueueSettings, drawn
from eval.review.rates import change, deserved, excesses, fisher_greater, judged, rates, rates_of_all

FRAME = [
    Candidate(
        f"p{i}{run}", run, f"item {i}", confidence=-(i % 17) / 10, slices={"topic": "pins" if i % 4 == 0 else "ink"}
    )
    for i in range(100)
    for run in ("a", "b")
]


def take(n: int, settings: QueueSettings, author: str = "ana", **more: object) -> list[Draw]:
    return list(itertools.islice(drawn(FRAME, author, settings, **more), n))  # type: ignore[arg-type]


def test_everything_is_seen_once_and_a_fifth_of_it_at_random() -> None:
    found = take(10_000, QueueSettings())
    shown = [d.prediction_id for d in found]
    assert set(shown) == {c.prediction_id for c in FRAME}
    assert [d.queue for d in found[:10]] == [*["unseen"] * 4, RANDOM] * 2
    assert all((d.probability == 1 / 200) == (d.queue == RANDOM) for d in found)


def test_the_order_is_the_same_again_and_whatever_the_order_of_the_frame() -> None:
    shuffled = random.Random(1).sample(FRAME, len(FRAME))
    assert list(drawn(shuffled, "ana", QueueSettings())) == take(10_000, QueueSettings())


def test_it_goes_on_where_it_was_left() -> None:
    whole = take(60, QueueSettings(repeat_one_in=10))
    resumed = take(30, QueueSettings(repeat_one_in=10), history=whole[:30])
    assert resumed == whole[30:]


def test_runs_are_interleaved() -> None:
    runs = [d.run for d in take(60, QueueSettings(one_in=0))]
    longest = max(len(list(group)) for _, group in itertools.groupby(runs))
    assert longest < 10
    assert 20 <= runs.count("a") <= 40


def test_random_draws_are_a_fair_sample_even_beside_a_leaning_queue() -> None:
    settings = QueueSettings(queue="low confidence")
    at_random: list[Draw] = []
    for seed in range(40):
        found = take(100, QueueSettings(queue="low confidence", seed=seed))
        at_random += [d for d in found if d.queue == RANDOM]
    confidence = {c.prediction_id: c.confidence or 0.0 for c in FRAME}
    mean = sum(confidence[d.prediction_id] for d in at_random) / len(at_random)
    everywhere = sum(confidence.values()) / len(confidence)
    assert mean == pytest.approx(everywhere, abs=0.06)  # the queue itself would be at -1.2
    first = [confidence[d.prediction_id] for d in take(40, settings) if d.queue != RANDOM]
    assert first == sorted(first)


def test_calibration_comes_first_and_is_the_same_for_all() -> None:
    ana, bea = (take(8, QueueSettings(calibration=6), author=name) for name in ("ana", "bea"))
    assert [d.prediction_id for d in ana[:6]] == [d.prediction_id for d in bea[:6]]
    assert {d.queue for d in ana[:6]} == {CALIBRATION}


def test_a_repeat_comes_later_and_each_once() -> None:
    found = take(200, QueueSettings(repeat_one_in=10))
    repeats = [(i, d.prediction_id) for i, d in enumerate(found) if d.queue == REPEAT]
    first = {d.prediction_id: i for i, d in reversed(list(enumerate(found))) if d.queue != REPEAT}
    assert repeats
    assert all(i - first[prediction] >= 20 for i, prediction in repeats)
    assert len({prediction for _, prediction in repeats}) == len(repeats)


def test_flips_disagreement_and_slices_show_just_those() -> None:
    only = QueueSettings(queue="flips", one_in=0)
    assert {d.prediction_id for d in take(99, only, flips={"item 3", "item 7"})} == {"p3a", "p3b", "p7a", "p7b"}
    assert [d.prediction_id for d in take(9, QueueSettings("disagreement", one_in=0), disputed={"p5b"})] == ["p5b"]
    found = take(999, QueueSettings("slice", one_in=0, slice=("topic", "pins")))
    assert len(found) == 50
    for one_in in (1, 5):  # a queue that holds nothing is not filled with random draws, whenever it is asked for
        empty = QueueSettings("slice", one_in=one_in, slice=("topic", "pens"))
        assert [take(9, empty, history=take(n, QueueSettings())) for n in range(6)] == [[]] * 6
    with pytest.raises(ConfigError, match="name the slice"):
        QueueSettings("slice")


def tag(prediction: str, name: str, author: str = "ana") -> Tag:
    return Tag(new_id(), prediction, "r", name, author=author)


def test_rates_speak_only_from_random_draws() -> None:
    given = [tag(f"p{i}", "wrong" if i < 20 else OK) for i in range(40)]
    draws = [
        Draw(f"p{i}", "r", "ana", RANDOM if i % 2 else "low confidence", 0.01 if i % 2 else None) for i in range(40)
    ]
    (found,) = rates(deserved(judged(given)), draws, ["wrong"])
    assert (found.hits, found.n, found.counted) == (10, 20, 20)
    assert found.low < 0.5 < found.high
    (none,) = rates(deserved(judged(given)), [], ["wrong"])
    assert none.n == 0
    assert none.share != none.share


def test_unseen_is_not_seen_and_clean() -> None:
    draws = [Draw(p, "r", "ana", RANDOM, 0.5) for p in ("p1", "p2", "p3")]
    (found,) = rates(deserved(judged([tag("p1", "wrong"), tag("p2", OK)])), draws, ["wrong"])
    assert (found.hits, found.n) == (1, 2)  # p3 was drawn and never judged


def test_a_tag_is_deserved_where_half_of_the_judges_gave_it() -> None:
    given = [
        tag("p", "wrong", "ana"),
        tag("p", OK, "bea"),
        tag("q", "wrong", "ana"),
        tag("q", OK, "bea"),
        tag("q", OK, "eva"),
    ]
    assert deserved(judged(given)) == {"p": {"wrong", OK}, "q": {OK}}


def test_rules_have_looked_at_everything() -> None:
    (found,) = rates_of_all({"p1": {"empty"}}, ["p1", "p2", "p3", "p4"], ["empty"])
    assert (found.hits, found.n, found.share) == (1, 4, 0.25)


def test_a_slice_with_a_tag_more_often_is_found_and_noise_is_not() -> None:
    generator = random.Random(2)
    slices = {f"p{i}": {"topic": f"t{i % 6}", "tone": f"s{i % 5}"} for i in range(600)}
    tags = {
        p: ({"wrong"} if generator.random() < (0.5 if s["topic"] == "t2" else 0.15) else {OK})
        for p, s in slices.items()
    }
    found = excesses(tags, slices, ["wrong"])
    assert [(row.field, row.value) for row in found if row.p_adjusted < 0.05] == [("topic", "t2")]
    assert sum(row.hits for row in found if row.field == "topic") == sum("wrong" in t for t in tags.values())


def test_fishers_test_is_the_tail_counted_out() -> None:
    def tail(hits: int, n: int, rest_hits: int, rest_n: int) -> float:
        having = hits + rest_hits
        draws = list(itertools.combinations(range(n + rest_n), having))
        return sum(sum(i < n for i in draw) >= hits for draw in draws) / len(draws)

    for table in ((3, 4, 1, 5), (0, 4, 2, 4), (4, 4, 0, 4)):
        assert fisher_greater(*table) == pytest.approx(tail(*table))


def test_a_tag_that_shrank_is_told_from_one_that_did_not() -> None:
    before = {f"i{k}": ({"wrong", "long"} if k < 30 else {"long"} if k < 40 else {OK}) for k in range(100)}
    after = {f"i{k}": ({"wrong"} if k < 8 else {"long"} if 8 <= k < 48 else {OK}) for k in range(100)}
    found, control = change("wrong", before, after), change("long", before, after)
    assert (found.n, found.before, found.after, found.lost, found.gained) == (100, 30, 8, 22, 0)
    assert found.p < 0.001
    assert control.p > 0.5
    assert change("wrong", before, after, items=["i1", "i50", "nowhere"]).n == 2
