"""A model behind an endpoint: asked patiently, its failures missing and never wrong, its key kept nowhere."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.errors import ConfigError, DataError
from curation.progress import Silent
from curation.runs import RunPlace, list_runs, read_run
from eval.endpoint import EndpointModel, Patience, evaluate_endpoint
from eval.generation import Generated, GenerationSettings, Item
from eval.items import Item as ExamItem
from eval.recorded import exam_of
from eval.suite import MetricChoice, Primary, Suite
from tests.chat_server import Reply, Server, chat_server, said

QUICK = Patience(timeout=0.5, attempts=3, pause=0.01, concurrency=2)
SHORT = GenerationSettings(max_new_tokens=16)
HTML = b"<html><body>Bad gateway</body></html>"


def questions(*texts: str) -> list[Item]:
    return [Item(text, {"messages": [{"role": "user", "content": text}]}) for text in texts]


def answers(server: Server, *texts: str, patience: Patience = QUICK, **settings: Any) -> dict[str, Generated]:
    model = EndpointModel(server.url, "small", patience=patience)
    asked = GenerationSettings(**{"max_new_tokens": 16, **settings})
    return {one.item_id: one for one in model.generate(questions(*texts), asked)}


def test_answers_come_with_their_numbers() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
    with chat_server(lambda question, before, request: said(question.upper(), logprobs=logprobs)) as server:
        found = answers(server, "a", "b", "c", "d", "e")
    assert {name: one.text for name, one in found.items()} == {name: name.upper() for name in "abcde"}
    one = found["a"]
    assert (one.finish_reason, one.tokens, one.prompt_tokens) == ("stop", 3, 5)
    assert (one.logprob_mean, one.logprob_min, one.logprob_first) == (-1.0, -1.5, -0.5)
    assert server.requests[0]["path"] == "/v1/chat/completions"
    assert {key: server.requests[0][key] for key in ("model", "max_tokens", "temperature", "stream", "logprobs")} == {
        "model": "small",
        "max_tokens": 16,
        "temperature": 0.0,
        "stream": False,
        "logprobs": True,
    }
    assert "seed" not in server.requests[0]


WEAK = {
    "server error": Reply(500, HTML),
    "overloaded": Reply(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0"}),
    "html": Reply(200, HTML),
    "cut json": Reply(200, b'{"choices": [{"message": {"cont'),
    "shorter than it says": Reply(200, said("cut here").body, claim=4000),
    "no choice": Reply(200, b'{"choices": []}'),
    "no message": Reply(200, b'{"choices": [{"text": "x"}]}'),
    "no text": said(None),
    "a number": said(7),  # type: ignore[arg-type]
    "a list": Reply(200, b"[]"),
    "an error in 200": Reply(200, b'{"error": "model is loading"}'),
    "an end that is none": said(None, finish_reason=["stop"]),
    "a pause that is no number": Reply(503, headers={"Retry-After": "\xb2"}),
    "an error cut in a chunk": Reply(500, b"40\r\nabc", {"Transfer-Encoding": "chunked"}),
    "hangs": Reply(200, b"{}", hang=5),
    "drips": Reply(200, json.dumps({"choices": []}).encode() * 20, drip=0.1),
    "closes": Reply(cut=True),
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_failure_is_tried_again(kind: str) -> None:
    with chat_server(lambda question, before, request: WEAK[kind] if before < 1 else said("fine")) as server:
        found = answers(server, "q")
    assert found["q"].text == "fine"
    assert server.asked["q"] == 2


@pytest.mark.parametrize("kind", WEAK)
def test_what_never_comes_is_missing_and_others_are_not_held_up(kind: str) -> None:
    with chat_server(lambda question, before, request: WEAK[kind] if question == "bad" else said("fine")) as server:
        found = answers(server, "bad", "good", "better")
    assert found["bad"].text is None
    assert found["bad"].finish_reason == "missing"
    assert "3 times asked" in found["bad"].detail
    assert server.asked["bad"] == 3
    assert {found[name].text for name in ("good", "better")} == {"fine"}


def test_an_empty_answer_is_an_answer() -> None:
    with chat_server(lambda *_: said("")) as server:
        assert answers(server, "q")["q"].text == ""


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (said("partly", finish_reason="content_filter"), "filtered by the endpoint"),
        (said(None, finish_reason="length"), "reached its limit before any text; raise max_new_tokens"),
        (Reply(400, b'{"error": {"message": "context length is 512"}}'), "refused: status 400 (context length is 512)"),
        (Reply(400, b'{"error": null, "detail": "too long"}'), "refused: status 400 ({'detail': 'too long'})"),
    ],
)
def test_what_no_second_try_would_change_is_asked_once(reply: Reply, why: str) -> None:
    with chat_server(lambda *_: reply) as server:
        found = answers(server, "q")
    assert (found["q"].text, found["q"].finish_reason, found["q"].detail) == (None, "missing", why)
    assert server.asked["q"] == 1


def test_a_log_probability_that_is_no_number_is_left_out_whole() -> None:
    body = (
        b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"logprob": -1}, {"logprob": null}]}}]}'
    )
    with chat_server(lambda *_: Reply(body=body)) as server:
        assert answers(server, "q")["q"].logprob_mean is None


@pytest.mark.parametrize("logprob", [0.7, True, "-1"])
def test_what_is_no_logarithm_of_a_probability_is_left_out_whole(logprob: object) -> None:
    with chat_server(lambda *_: said("x", logprobs={"content": [{"logprob": -1.0}, {"logprob": logprob}]})) as server:
        assert answers(server, "q")["q"].logprob_mean is None


def test_counts_that_nothing_has_are_no_counts() -> None:
    body = {
        "choices": [{"message": {"content": "x"}}],
        "usage": {"completion_tokens": 2**64 - 1, "prompt_tokens": True},
    }
    with chat_server(lambda *_: Reply(body=json.dumps(body).encode())) as server:
        found = answers(server, "q")["q"]
    assert (found.text, found.tokens, found.prompt_tokens) == ("x", 0, 0)


def test_a_key_from_a_file_with_a_line_end_is_sent_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_ENDPOINT_KEY", "secret-3\r\n")
    with chat_server(lambda *_: said("x")) as server:
        answers(server, "q")
    assert server.headers[0]["Authorization"] == "Bearer secret-3"


@pytest.mark.parametrize("key", ["secret\r4", "secret\u20264", "secret\n4"])
def test_a_key_that_is_none_is_refused_and_not_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_ENDPOINT_KEY", key)
    with chat_server(lambda *_: said("x")) as server, pytest.raises(ConfigError) as raised:
        answers(server, "q")
    assert str(raised.value) == "CURATE_ENDPOINT_KEY: holds characters that no key has; set it anew"


def test_options_that_an_endpoint_does_not_take_are_left_out() -> None:
    def picky(question: str, before: int, request: dict[str, Any]) -> Reply:
        if "logprobs" in request:
            return Reply(400, b'{"error": {"message": "logprobs are not supported"}}')
        if "max_tokens" in request:
            return Reply(400, b'{"error": {"message": "use max_completion_tokens instead"}}')
        return said("fine")

    with chat_server(picky) as server:
        found = answers(server, *map(str, range(8)))
    assert {one.text for one in found.values()} == {"fine"}
    assert server.requests[-1]["max_completion_tokens"] == 16
    assert len(server.requests) <= 8 + 4  # each refusal at most once for each of two threads


@pytest.mark.parametrize(
    ("status", "key", "message"),
    [
        (401, "", "the key in CURATE_ENDPOINT_KEY is not set"),
        (403, "secret-1", "the key in CURATE_ENDPOINT_KEY was refused"),
        (404, "", 'is the model called "small"?'),
        (302, "", "status 302"),
    ],
)
def test_what_no_item_gets_past_ends_it_at_once(
    status: int, key: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_ENDPOINT_KEY", key)
    elsewhere = {"Location": "http://127.0.0.1:9/v1"}
    with chat_server(lambda *_: Reply(status, b"", elsewhere)) as server, pytest.raises(ConfigError) as raised:
        answers(server, *map(str, range(50)))
    assert message in str(raised.value)
    assert "secret-1" not in str(raised.value)
    assert len(server.requests) < 10


def test_a_server_that_is_gone_is_not_asked_for_ever() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        model = EndpointModel(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "m", patience=QUICK)
        with pytest.raises(DataError, match=r"the last 10 items got no answer \(connection refused, 3 times asked\)"):
            list(model.generate(questions(*map(str, range(500))), SHORT))


def test_few_are_asked_at_a_time() -> None:
    now, most = 0, 0
    lock = threading.Lock()

    def counted(question: str, before: int, request: dict[str, Any]) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.02)
        with lock:
            now -= 1
        return said("x")

    with chat_server(counted) as server:
        answers(server, *map(str, range(12)))
    assert most == 2


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "ftp://host/v1", "http://", "http://me:pass@host/v1", "http://host/v1?key=pass"),
        *("http://[::1/v1", "http://host:port/v1", "http://host:99999/v1", "http://my host/v1", "http://host\n/v1"),
        "http://me:pass@host:port/v1",
    ],
)
def test_an_address_that_is_none_or_tells_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        EndpointModel(url, "m")
    assert "pass" not in str(raised.value)


def exam(count: int) -> list[ExamItem]:
    return [
        ExamItem(
            f"{i:032x}:1",
            f"{i:032x}",
            1,
            i,
            "validation",
            [{"role": "user", "content": f"q{i}"}],
            {"role": "assistant", "content": f"the answer {i}"},
            None,
            {},
        )
        for i in range(count)
    ]


def suite(*metrics: str) -> Suite:
    return Suite(metrics=tuple(map(MetricChoice, metrics)), primary=Primary(metrics[0]), generation=SHORT)


def evaluated(tmp_path: Path, server: Server, items: Sequence[ExamItem]) -> Any:
    place = RunPlace(tmp_path / "experiments", tmp_path / "journal.sqlite")
    model = EndpointModel(server.url, "small", patience=QUICK)
    return evaluate_endpoint(
        place, model, exam_of(lambda: iter(items), "validation"), suite("exact_match", "perplexity"), Silent()
    )


def test_an_exam_is_stored_without_the_key_and_failures_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_ENDPOINT_KEY", "secret-2")

    def script(question: str, before: int, request: dict[str, Any]) -> Reply:
        number = int(question[1:])
        return Reply(500) if number == 3 else said(f"the answer {number}" if number else "wrong")

    with chat_server(script) as server:
        sat = evaluated(tmp_path, server, exam(6))
        assert server.headers[0]["Authorization"] == "Bearer secret-2"
        told = {row["item_id"][31]: row for row in sat.folder.predictions().to_pylist()}
        assert told["3"]["output"] is None
        assert told["3"]["finish_reason"] == "missing"
        assert "status 500" in told["3"]["detail"]
        (value,) = [row for row in sat.folder.metrics().to_pylist() if row["metric"] == "exact_match"]
        assert (value["value"], value["n"]) == (4 / 5, 5)
        assert set(sat.left_out) == {"perplexity"}
        assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"secret-2" in p.read_bytes()]
        run = read_run(sat.folder.of)
        assert (run.kind, run.base, run.provenance) == ("predictions", "small", "curate")

        asked = dict(server.asked)
        again = evaluated(tmp_path, server, exam(6))
        assert again.known
        assert again.folder == sat.folder
        assert {q: n for q, n in server.asked.items() if n != asked[q]} == {"q3": 6}  # the missing one alone
        assert len(list_runs(tmp_path / "experiments")) == 1


def test_an_exam_without_a_single_answer_leaves_nothing_half_done(tmp_path: Path) -> None:
    with chat_server(lambda *_: Reply(500)) as server, pytest.raises(DataError) as raised:
        evaluated(tmp_path, server, exam(3))
    assert "none of 3 items was answered: status 500, 3 times asked" in str(raised.value)
    assert not list((tmp_path / "experiments").iterdir())


def test_an_endpoint_that_stays_silent_leaves_no_experiment_and_one_that_breaks_off_its_answers(tmp_path: Path) -> None:
    with chat_server(lambda *_: Reply(500)) as server, pytest.raises(DataError, match="got no answer"):
        evaluated(tmp_path, server, exam(30))
    assert not list((tmp_path / "experiments").iterdir())
    with (
        chat_server(lambda question, *_: said("x") if question == "q0" else Reply(500)) as server,
        pytest.raises(DataError, match="what was answered is kept"),
    ):
        evaluated(tmp_path, server, exam(30))
    assert list(tmp_path.rglob("answers-*.jsonl"))
