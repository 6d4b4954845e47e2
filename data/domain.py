"""The facts of the sample data: error codes with a cause and a fix, asked in many wordings.

A fact is (code, attribute). Every source answers from one template an attribute, so that a model of two
million parameters can learn them; what differs between sources is how they ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from data.draw import Draw

Attribute = Literal["cause", "fix"]
ATTRIBUTES: Final[tuple[Attribute, ...]] = ("cause", "fix")

TRAINED_CODES: Final = 120
UNSEEN_CODES: Final = 25  # x 2 attributes = 50 facts that no training row mentions
WRONG_SHARE: Final = 0.48  # of the old export's rows

PARTS: Final = (
    "drive motor", "label feeder", "glue pump", "air valve", "door switch", "carton gripper", "cooling fan",
    "print head", "film cutter", "reject arm", "lift axis", "main encoder", "vacuum cup", "outfeed belt",
    "heat sealer", "brake unit",
)  # fmt: skip
FAULTS: Final = (
    "is overheating", "is jammed", "has lost its signal", "draws too much current",
    "is out of position", "has no power", "reacts too late", "is worn out",
)  # fmt: skip
ACTIONS: Final = (
    "clean the {part} and press reset", "replace the {part} and restart the line", "tighten the {part} and press reset",
    "check the cable of the {part}", "adjust the {part} and run a test cycle", "call service to inspect the {part}",
)  # fmt: skip

# A question is an opening and a core. Each fact is asked with five of the thirteen cores in the clean sources, with
# five others in the old export, and in the test with one of the last three, behind the opening that no training row
# has with this core. So every test wording is new, its pieces are not: a small model that was never told a synonym
# can still be asked fairly. All sources share the cores: when the old export had cores of its own, a model of two
# million parameters told the two manners of asking apart and its wrong answers did no harm (exact match on the test
# .97 with it, .99 without); now they do (.68 with it, .98 without).
OPENINGS: Final = (
    "Hello.",
    "Quick question.",
    "Night shift here.",
    "Our line stands still.",
    "I am new here.",
    "Please help.",
)
CORES: Final[dict[Attribute, tuple[str, ...]]] = {
    "cause": (
        "What does error {c} mean?",
        "What is the cause of alarm {c}?",
        "State the meaning of fault {c}.",
        "Why does the machine show code {c}?",
        "The display shows {c}. What happened?",
        "Alarm {c} is displayed. Why is that?",
        "Explain fault code {c}.",
        "Can you tell me the reason for alarm {c}?",
        "Describe what causes {c}.",
        "We see {c} on the screen. What does it mean?",
        "Where does alarm {c} come from?",
        "What is wrong when {c} appears?",
        "Tell me why we get {c}.",
    ),
    "fix": (
        "How do I fix error {c}?",
        "What should I do when alarm {c} comes up?",
        "Name the remedy for fault {c}.",
        "How can I clear code {c}?",
        "Give me the repair step for fault {c}.",
        "How is {c} repaired?",
        "The machine stopped with {c}. What now?",
        "Which action removes alarm {c}?",
        "Steps to get rid of {c}, please.",
        "{c} is back again. How do we fix it?",
        "Tell me how to clear {c}.",
        "We need to solve alarm {c}. What is to be done?",
        "I have {c} here. What can I do?",
    ),
}
CLEAN_CORES: Final = 5  # of a fact, over all clean sources
OLD_CORES: Final = 5  # of a fact; its sixth row is nearly a clean one
TEST_CORES: Final = 3  # what is left


@dataclass(frozen=True, slots=True)
class Fault:
    """What one error code stands for."""

    code: str
    part: str
    fault: str
    action: str

    def answer(self, attribute: Attribute, code: str = "") -> str:
        """The answer about this fault; `code` puts another code into it (how the old export went wrong)."""
        shown = code or self.code
        if attribute == "cause":
            return f"{shown} means that the {self.part} {self.fault}."
        return f"To clear {shown}, {self.action.format(part=self.part)}."


@dataclass(frozen=True, slots=True)
class Ask:
    """One question about one fact with the answer that a source gives."""

    code: str
    attribute: Attribute
    question: str
    answer: str
    right: bool = True


def faults(seed: int) -> tuple[list[Fault], list[Fault]]:
    """(trained, unseen) faults, each sorted by code."""
    draw = Draw(seed, "faults")
    codes = draw.sample(range(101, 1000), TRAINED_CODES + UNSEEN_CODES)
    table = [Fault(f"E-{n}", draw.choice(PARTS), draw.choice(FAULTS), draw.choice(ACTIONS)) for n in codes]
    by_code = sorted(table[:TRAINED_CODES], key=lambda f: f.code)
    return by_code, sorted(table[TRAINED_CODES:], key=lambda f: f.code)


def clean_asks(trained: list[Fault], seed: int) -> list[list[Ask]]:
    """The rows of three clean sources, which share the five wordings of every fact among them."""
    draw = Draw(seed, "clean wordings")
    shares: list[list[Ask]] = [[], [], []]
    for number, fault in enumerate(trained):
        for attribute in ATTRIBUTES:
            for place in range(CLEAN_CORES):
                question = _worded(draw, attribute, number + place, fault.code)
                # Moving on by the fault's number gives every source every core.
                share = shares[(place + number) % len(shares)]
                share.append(Ask(fault.code, attribute, question, fault.answer(attribute)))
    return shares


def _worded(draw: Draw, attribute: Attribute, core: int, code: str) -> str:
    """The core behind an opening other than the one kept for the test; half of the rows have none."""
    cores = CORES[attribute]
    question = cores[core % len(cores)].format(c=code)
    if draw.below(2):
        return question
    opening = draw.choice([o for o in OPENINGS if o != _kept_opening(core % len(cores))])
    return f"{opening} {question}"


def _kept_opening(core: int) -> str:
    return OPENINGS[core % len(OPENINGS)]


def old_asks(trained: list[Fault], clean: list[list[Ask]], seed: int, defects: bool) -> list[Ask]:
    """The old export: all its wordings of a fact repeat the same answer, in 48 % of the facts another fault's.

    As if the answer column had slipped on some pages: part, fault and action are a neighbour's, the code is
    the one asked for. Its sixth wording is nearly one of a clean source, so that conflicts show in the prompts; for
    every second wrong fact it is the same (for a right one it would only be a duplicate).
    """
    facts = [(i, attribute) for i in range(len(trained)) for attribute in ATTRIBUTES]
    draw = Draw(seed, "old export")
    wrong = set(draw.sample(facts, round(WRONG_SHARE * len(facts)))) if defects else set()
    known: dict[tuple[str, Attribute], list[str]] = {}
    for ask in (ask for share in clean for ask in share):
        known.setdefault((ask.code, ask.attribute), []).append(ask.question)
    worded = Draw(seed, "old wordings")
    rows: list[Ask] = []
    for index, attribute in facts:
        asked = trained[index]
        told = _neighbour(trained, index) if (index, attribute) in wrong else asked
        first = index + CLEAN_CORES
        questions = [_worded(worded, attribute, core, asked.code) for core in range(first, first + OLD_CORES)]
        longest = max((q for q in known[asked.code, attribute] if "please" not in q), key=len)
        same = told is not asked and index % 2 == 0
        questions.append(longest if same else f"{longest[:-1]}, please{longest[-1]}")
        answer = told.answer(attribute, asked.code)
        rows += [Ask(asked.code, attribute, q, answer, told is asked) for q in questions]
    return rows


def _neighbour(trained: list[Fault], index: int) -> Fault:
    """The next fault in code order that has nothing in common with this one."""
    asked = trained[index]
    for step in range(1, len(trained)):
        other = trained[(index + step) % len(trained)]
        if other.part != asked.part and other.fault != asked.fault and other.action != asked.action:
            return other
    raise AssertionError(f"all faults are like {asked.code}")


def test_asks(trained: list[Fault], unseen: list[Fault]) -> list[tuple[str, Ask]]:
    """(slice, question) of the protected test: one question a fact, in a wording no training row has."""
    rows: list[tuple[str, Ask]] = []
    for name, table in (("seen_fact", trained), ("unseen_fact", unseen)):
        for number, fault in enumerate(table):
            for attribute in ATTRIBUTES:
                spare = CLEAN_CORES + OLD_CORES + number % TEST_CORES
                core = (number + spare) % len(CORES[attribute])
                question = f"{_kept_opening(core)} {CORES[attribute][core].format(c=fault.code)}"
                rows.append((name, Ask(fault.code, attribute, question, fault.answer(attribute))))
    return rows
