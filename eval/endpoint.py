"""A model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama, a hosted one), asked as a loaded one is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from curation.errors import ConfigError, DataError
from curation.progress import Progress
from curation.runs import RunPlace
from eval.endpoint_http import PATH, Address, Later, Refused, parsed, post
from eval.endpoint_reply import Nonsense, generated
from eval.exam import Opened, require_labels
from eval.generation import Generated, GenerationSettings, Item
from eval.generation.settings import DEFAULTS
from eval.measuring import Trust, check_metrics
from eval.recorded import NO_TRUST, Recorded, Sat, answers_folder, asked_key, kept_answers, record
from eval.subject import short_hash
from eval.suite import Suite

KEY_VARIABLE: Final = "CURATE_ENDPOINT_KEY"
_LONGEST_PAUSE: Final = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for (seconds, all of it), how often it is asked for, and how many at a time.

    stop_after: so many items in a row without an answer end it all; nobody waits an hour for a server that is gone.
    """

    timeout: float = 120.0
    attempts: int = 4
    pause: float = 1.0  # before the second attempt, twice as long before each further one
    concurrency: int = 4
    stop_after: int = 10


@dataclass(slots=True)
class _Accepts:
    """What the endpoint turned out not to take, learned from its first refusals."""

    logprobs: bool = True
    length: str = "max_tokens"


@dataclass(frozen=True, slots=True)
class EndpointModel:
    """url: up to and with /v1. The key is read from an environment variable whenever it is needed and kept nowhere."""

    url: str
    model: str
    key_variable: str = KEY_VARIABLE
    patience: Patience = Patience()
    accepts: _Accepts = field(default_factory=_Accepts, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # brackets that do not close, a port that is no number
            named = False
        if not named or not self.url.isprintable() or " " in self.url:
            shown = self.url.rpartition("@")[2]  # what stands before it may be a key
            raise ConfigError(f"--endpoint {shown!r}: is no address; write http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                f"--endpoint: leave what stands before @ and behind ? or # out of the address, which is stored; a key "
                f"belongs in the environment variable {self.key_variable}"
            )

    @property
    def address(self) -> str:
        return self.url.rstrip("/").removesuffix(PATH)

    def generate(self, items: Iterable[Item], settings: GenerationSettings = DEFAULTS) -> Iterator[Generated]:
        """An answer to every item, in the order in which they come; text None and finish_reason missing where all
        attempts failed. ConfigError where no item could ever be answered: no such model, a key refused."""
        for batch in self.generate_batches(items, settings):
            yield from batch

    def generate_batches(
        self, items: Iterable[Item], settings: GenerationSettings = DEFAULTS
    ) -> Iterator[list[Generated]]:
        """The same, those together that came together."""
        yield from _Asking(self, settings).answers(items)

    def identity(self, settings: GenerationSettings) -> dict[str, Any]:
        """What decides about the answers, as far as anybody can tell from here."""
        return {"endpoint": self.address, "model": self.model, "generation": settings.as_json()}


def evaluate_endpoint(
    place: RunPlace,
    endpoint: EndpointModel,
    opened: Opened,
    suite: Suite,
    progress: Progress,
    trust: Trust = NO_TRUST,
    touched: frozenset[str] | None = None,
) -> Sat:
    """The exam's items asked, stored and measured. Answers are kept as they come; items that got none are asked again
    the next time."""
    check_metrics(suite, trust)
    require_labels(suite, opened)
    identity = endpoint.identity(suite.generation)
    settings = {"generation": suite.generation.as_json(), "endpoint": endpoint.address}
    who = Recorded(endpoint.model, identity, f"endpoint {endpoint.address}", settings=settings)
    questions = ((one.item_id, Item(asked_key(one), one.prompt)) for one in opened.read())
    progress.stage(f"answers of {endpoint.model}", opened.exam.items, "items")
    with answers_folder(place, who) as folder:
        answers = kept_answers(
            folder / "outputs" / f"answers-{short_hash(identity)}.jsonl",
            identity,
            questions,
            lambda items: endpoint.generate_batches(items, suite.generation),
            progress.advance,
        )
    progress.stage(f"measuring {endpoint.model}")
    return record(place, who, opened, suite, answers, trust, touched)


class _Asking:
    """One round of questions: a few threads that ask, one that waits for them."""

    def __init__(self, endpoint: EndpointModel, settings: GenerationSettings) -> None:
        self._endpoint, self._settings = endpoint, settings
        self._address = Address(endpoint.address, endpoint.model, endpoint.key_variable, endpoint.patience.timeout)
        self._stopped = threading.Event()
        self._todo: Queue[Item] = Queue()
        self._done: Queue[Generated | BaseException] = Queue()

    def answers(self, items: Iterable[Item]) -> Iterator[list[Generated]]:
        workers = self._endpoint.patience.concurrency
        for _ in range(workers):
            threading.Thread(target=self._work, daemon=True).start()  # a server that hangs must not keep us from ending
        source, asked, failed = iter(items), 0, 0
        try:
            while True:
                while asked < 2 * workers and (item := next(source, None)) is not None:
                    self._todo.put(item)
                    asked += 1
                if not asked:
                    return
                batch = self._taken()
                asked -= len(batch)
                for one in batch:
                    failed = failed + 1 if one.finish_reason == "missing" else 0
                yield batch
                if failed >= self._endpoint.patience.stop_after:
                    raise DataError(
                        f"{self._endpoint.address}: the last {failed} items got no answer ({batch[-1].detail}); what "
                        "was answered is kept, the same command again goes on"
                    )
        finally:
            self._stopped.set()

    def _taken(self) -> list[Generated]:
        found = [self._done.get()]
        while not self._done.empty():
            found.append(self._done.get())
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return [one for one in found if isinstance(one, Generated)]

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                item = self._todo.get(timeout=0.05)
            except Empty:
                continue
            try:
                self._done.put(self._answer(item))
            except BaseException as error:  # for whoever waits
                self._done.put(error)

    def _answer(self, item: Item) -> Generated:
        began, why = time.monotonic(), ""
        patience = self._endpoint.patience
        for attempt in range(patience.attempts):
            try:
                reply = self._reply(item)
                return generated(item.item_id, reply, time.monotonic() - began)
            except Refused as refused:
                return Generated(item.item_id, None, "missing", detail=f"refused: {refused}")
            except (Later, Nonsense) as error:
                why = f"{error}, {patience.attempts} times asked"
                pause = max(patience.pause * 2**attempt, getattr(error, "after", 0.0))
            if attempt + 1 < patience.attempts and self._stopped.wait(min(pause, _LONGEST_PAUSE)):
                break
        return Generated(item.item_id, None, "missing", detail=why, seconds=time.monotonic() - began)

    def _reply(self, item: Item) -> dict[str, Any]:
        """The endpoint's object; asked anew, at most twice, without what it says it does not take."""
        for _ in range(3):
            accepts = self._endpoint.accepts
            sent = (accepts.logprobs, accepts.length)
            try:
                return parsed(post(self._address, self._body(item)))
            except Refused as refused:
                if not self._learned(str(refused).lower(), sent):
                    raise
        raise Nonsense("refuses whatever is asked")

    def _learned(self, refusal: str, sent: tuple[bool, str]) -> bool:
        """Whether there is something to leave out of the next request; another thread may have learned it first."""
        accepts = self._endpoint.accepts
        if sent != (accepts.logprobs, accepts.length):
            return True
        if accepts.length == "max_tokens" and "max_completion_tokens" in refusal:
            accepts.length = "max_completion_tokens"
        elif accepts.logprobs and "logprob" in refusal:
            accepts.logprobs = False
        else:
            return False
        return True

    def _body(self, item: Item) -> bytes:
        settings, accepts = self._settings, self._endpoint.accepts
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [_message(one) for one in item.record["messages"]],
            accepts.length: settings.max_new_tokens,
            "temperature": settings.temperature,
            "stream": False,
        }
        if settings.temperature > 0:
            body |= {"top_p": settings.top_p, "seed": settings.seed}
        if accepts.logprobs:
            body["logprobs"] = True
        if item.record.get("tools"):
            body["tools"] = item.record["tools"]
        return orjson.dumps(body)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key in ("role", "content") or value is not None}
