"""The verified edges between near-duplicate texts, and what keeps an edge from removing a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.facts import Facts, facts_of
from curation.facts_synonyms import swapped
from curation.join import jaccard_of, jaccard_pairs, unique_sets
from curation.keys import case_variants, row_numbers, text_keys
from curation.shingles import shingle
from curation.stages.contradiction import content, meaningful

Ints = npt.NDArray[np.int64]

# What an edge may mean: 0 removes the less preferred row, the others are reported.
REASONS: Final = (
    "near_duplicate",
    "differs_in_system",
    "differs_in_fact",
    "shared_answer",
    "different_answer",
    "different_answer",
)
NEAR, SYSTEM, FACT, SHARED_ANSWER, DIFFERENT_ANSWER, OTHER_WORDS = range(6)

# Prompts (or answers) below this Jaccard of character 5-grams are two questions (or answers), whatever the whole
# texts share: the bound at which the split ties two prompts.
SIDES_ALIKE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Nodes:
    """Rows that have an edge, alike ones as one: same shingles, facts, system prompt and, where it matters, case."""

    rows: Ints  # row number of every member
    node: Ints  # node of every member
    leader: Ints  # place in `rows` of each node's most preferred member
    facts: Facts  # of every member
    group: Ints  # set of shingles of each node
    system: Ints
    fact: Ints
    letters: Ints  # nodes equal here differ in case alone
    case: Ints
    answers: Any  # of every member

    def words_apart(self, one: int, two: int) -> str | None:
        """What only one of two members answers, as "red -> blue"; None unless each has a word the other lacks."""
        gone, come = swapped(*(set(meaningful(self.answers[at].as_py())) for at in (one, two)))
        return f"{min(gone)} -> {min(come)}" if gone and come else None


@dataclass(frozen=True, slots=True)
class Edges:
    left: Ints  # node numbers
    right: Ints
    similarity: npt.NDArray[np.float32]
    meaning: npt.NDArray[np.int8]  # index into REASONS


def edges_between(rows: Any, texts: Any, config: Any, rank: Ints) -> tuple[Nodes, Edges]:
    """Nodes and edges among `texts`, one text a row; `rank` is each row's place in order of preference."""
    sets, group_of = unique_sets(shingle(texts, config.shingle, config.size))
    pairs = jaccard_pairs(sets, config.threshold)
    members = np.bincount(group_of, minlength=len(sets))
    touched = members > 1
    touched[pairs.left] = touched[pairs.right] = True
    touched[np.diff(sets.offsets) == 0] = False
    nodes = _nodes(rows, np.flatnonzero(touched[group_of]), group_of, rank)
    left, right, similarity = _expanded(nodes.group, pairs, len(sets))
    meaning = np.zeros(len(left), np.int8)
    meaning[(nodes.fact[left] != nodes.fact[right]) | _differ_in_case(nodes, left, right)] = FACT
    meaning[nodes.system[left] != nodes.system[right]] = SYSTEM
    if config.on == "both":
        _compare_sides(rows, nodes, left, right, meaning)
    if config.on != "prompt":
        _compare_answers(rows, nodes, left, right, meaning)
    return nodes, Edges(left, right, similarity, meaning)


def _nodes(rows: Any, involved: Ints, group_of: Any, rank: Ints) -> Nodes:
    some = rows.select(["system", "prompt", "answer"]).take(pa.array(involved))
    texts = joined(some)
    facts = facts_of(texts)
    letters = row_numbers(text_keys(texts))
    traits = np.stack(
        [
            group_of[involved].astype(np.int64),
            some["system"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64),
            row_numbers(facts.signatures),
            letters,
            case_variants(texts, letters),
            _wordless(some["prompt"]),
        ]
    )
    # Letters stand apart only where case does: texts of one set that differ in punctuation stay one node.
    node = row_numbers(np.where(np.arange(len(traits))[:, None] == 3, 0, traits).T.astype(np.uint64))
    order = np.argsort(-rank[involved])
    leader = np.zeros(node.max(initial=-1) + 1, np.int64)
    leader[node[order]] = order
    group, system, fact, letters, case, _ = traits[:, leader]
    return Nodes(involved, node, leader, facts, group, system, fact, letters, case, some["answer"])


def _wordless(prompts: Any) -> Ints:
    """A number for each prompt made of punctuation alone, equal for equal ones, and 0 for prompts with words.

    Shingles of words see nothing in "////" or "????", so two such prompts with one canned answer would pass for one.
    """
    wordless = pc.invert(pc.match_substring_regex(prompts, r"[\pL\pN]"))
    if not pc.any(wordless).as_py():
        return np.zeros(len(prompts), np.int64)
    numbered = pc.if_else(wordless, prompts, "").combine_chunks().dictionary_encode().indices.to_numpy()
    return np.where(wordless.to_numpy(zero_copy_only=False), numbered.astype(np.int64) + 1, 0)


def joined(rows: Any) -> Any:
    """Prompt and answer of each row as one text."""
    return pc.binary_join_element_wise(rows["prompt"], rows["answer"], pa.scalar("\n", pa.large_string()))


def _expanded(group: Ints, pairs: Any, groups: int) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """Pairs of sets as pairs of their nodes, and the pairs of nodes within one set."""
    order = np.argsort(group, kind="stable")
    count = np.bincount(group, minlength=groups)
    start = np.cumsum(count) - count
    crowded = np.flatnonzero(count > 1)
    one = np.concatenate([pairs.left.astype(np.int64), crowded])
    two = np.concatenate([pairs.right.astype(np.int64), crowded])
    similarity = np.concatenate([pairs.similarity, np.ones(len(crowded), np.float32)])
    times = count[one] * count[two]
    edge = np.repeat(np.arange(len(one)), times)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(times) - times, times)
    left = order[start[one[edge]] + within // count[two[edge]]]
    right = order[start[two[edge]] + within % count[two[edge]]]
    real = (one[edge] != two[edge]) | (left < right)
    return left[real], right[real], similarity[edge[real]]


def _differ_in_case(nodes: Nodes, left: Ints, right: Ints) -> Any:
    return (nodes.letters[left] == nodes.letters[right]) & (nodes.case[left] != nodes.case[right])


def _compare_sides(rows: Any, nodes: Nodes, left: Ints, right: Ints, meaning: npt.NDArray[np.int8]) -> None:
    """Mark edges between rows that share a long answer to two questions, or a long context with two answers."""
    leaders = nodes.rows[nodes.leader]
    open_ = np.flatnonzero(meaning == NEAR)
    prompts = _alike(rows["prompt"], leaders[left[open_]], leaders[right[open_]])
    meaning[open_[prompts < SIDES_ALIKE]] = SHARED_ANSWER
    open_ = open_[(prompts >= SIDES_ALIKE) & (prompts < 1)]
    answers = _alike(rows["answer"], leaders[left[open_]], leaders[right[open_]])
    meaning[open_[answers < SIDES_ALIKE]] = DIFFERENT_ANSWER


def _compare_answers(rows: Any, nodes: Nodes, left: Ints, right: Ints, meaning: npt.NDArray[np.int8]) -> None:
    """Mark edges between two answers to one question each of which has a word with a meaning that the other lacks.

    That one answer is red and the other blue is for the user to settle, however alike the rest. Sets of hashes rule out
    most edges before words are looked at.
    """
    open_ = np.flatnonzero(meaning == NEAR)
    some, place = np.unique(np.r_[left[open_], right[open_]], return_inverse=True)
    one, two = np.split(place, 2)
    members = nodes.leader[some]
    prompts = rows["prompt"].take(pa.array(nodes.rows[members]))
    _, asked = unique_sets(content(shingle(prompts, "auto", 1)))
    equal = asked[one] == asked[two]
    open_, one, two = open_[equal], one[equal], two[equal]
    said = content(shingle(nodes.answers.take(pa.array(members)), "auto", 1))
    size, alike = np.diff(said.offsets), jaccard_of(said, one, two)
    shared = np.rint(alike * (size[one] + size[two]) / (1 + alike))
    for edge, a, b in zip(*(x[shared < np.minimum(size[one], size[two])] for x in (open_, one, two)), strict=True):
        if nodes.words_apart(int(members[a]), int(members[b])):
            meaning[edge] = OTHER_WORDS


def _alike(texts: Any, left: Ints, right: Ints) -> npt.NDArray[np.float64]:
    """Jaccard of character 5-grams of each pair of texts."""
    some, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    return jaccard_of(shingle(texts.take(pa.array(some)), "char", 5), *np.split(place, 2))
