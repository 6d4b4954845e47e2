"""What reviewers may say of an output: tags with definitions, verdicts, rubrics; changed with a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from curation.config_file import load_config
from curation.errors import ConfigError, did_you_mean
from curation.store.files import disk_errors, replace_file
from curation.store.locking import WriterLock
from curation.store.tags import OK

FILE: Final = "taxonomy.yaml"
LOCK: Final = "taxonomy.lock"  # in the store's folder; held while the file is changed
_WAIT_S: Final = 30.0
VERDICT: Final = "verdict"  # the tag of an event whose value is one of VERDICTS
NOTE: Final = "note"  # the tag of an event that is a free note and nothing else
VERDICTS: Final[Mapping[str, float | None]] = {"correct": 1.0, "partly": 0.5, "wrong": 0.0, "cannot judge": None}
VERDICT_KEYS: Final = {"1": "correct", "2": "partly", "3": "wrong", "4": "cannot judge"}
# Keys with a meaning of their own in review; Streamlit keeps c, r and ? for itself. Capitals propose a change of data.
RESERVED_KEYS: Final = frozenset({*VERDICT_KEYS, *"onusqcr? DSEA"})
AGREEMENT: Final = 0.6  # of people on a tag; under it the tag changes no data
_HEAD: Final = "# What reviewers may say of an output. Change names with `curate taxonomy`, which keeps the history.\n"


@dataclass(frozen=True, slots=True)
class TagDefinition:
    definition: str
    examples: tuple[str, ...] = ()
    parent: str | None = None
    hotkey: str | None = None


@dataclass(frozen=True, slots=True)
class Rubric:
    definition: str
    levels: tuple[str, ...]  # worst first


@dataclass(frozen=True, slots=True)
class Change:
    version: int
    change: str  # add, merge, split or rename
    before: tuple[str, ...]
    after: tuple[str, ...]
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    version: int
    tags: Mapping[str, TagDefinition]
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)
    history: tuple[Change, ...] = ()
    agreement: float = AGREEMENT  # Krippendorff's alpha under which a tag changes no data

    @property
    def name(self) -> str:
        return f"v{self.version}"

    def hotkeys(self) -> dict[str, str]:
        """Key -> tag, in the taxonomy's order; a tag without a key of its own gets the first free letter or digit."""
        taken = RESERVED_KEYS | {t.hotkey for t in self.tags.values() if t.hotkey}
        found: dict[str, str] = {}
        for name, tag in self.tags.items():
            letters = [*name.lower(), *"abcdefghijklmnopqrstuvwxyz567890"]
            free = (k for k in letters if k.isascii() and k.isalnum() and k not in taken and k not in found)
            key = tag.hotkey or next(free, None)
            if key:
                found[key] = name
        return found

    def rubric_keys(self) -> dict[str, str]:
        """Key -> rubric; pressed again it gives the next level."""
        taken = RESERVED_KEYS | set(self.hotkeys())
        found: dict[str, str] = {}
        for name in self.rubrics:
            letters = [*name.lower(), *"abcdefghijklmnopqrstuvwxyz567890"]
            key = next((k for k in letters if k.isascii() and k.isalnum() and k not in taken and k not in found), None)
            if key:
                found[key] = name
        return found

    def present(self, tag: str, given_under: str) -> str:
        """What a tag of an earlier version is called now; a tag that was split keeps its name."""
        since = int(given_under.removeprefix("v") or 0) if given_under.removeprefix("v").isdigit() else 0
        for change in self.history:
            if change.version > since and change.change in ("merge", "rename") and tag in change.before:
                tag = change.after[0]
        return tag

    def check(self, tag: str, value: str = "") -> None:
        """ConfigError for a tag, verdict or level that this taxonomy does not have."""
        if tag == VERDICT:
            _known(value, VERDICTS, "verdict")
        elif tag in self.rubrics:
            _known(value, self.rubrics[tag].levels, f"level of {tag}")
        elif tag not in (OK, NOTE):
            _known(tag, [*self.tags, *self.rubrics, OK], "tag")


def load_taxonomy(root: Path) -> Taxonomy:
    """The taxonomy of a workspace, or the default one where it has none yet."""
    path = root / FILE
    return _read(path) if path.exists() else DEFAULT


def save_taxonomy(root: Path, taxonomy: Taxonomy) -> Path:
    """Write it, all or nothing; it is on disk when this returns."""
    path = root / FILE
    text = yaml.safe_dump(_as_yaml(taxonomy), sort_keys=False, allow_unicode=True, width=110)
    with disk_errors(path, "it stays as it was"):
        replace_file(path, (_HEAD + text).encode())
    return path


def edit_taxonomy(root: Path, store: Path, change: Callable[[Taxonomy], Taxonomy]) -> Taxonomy:
    """Read, change and write it while nobody else does, so that of two edits at once none is lost.

    StoreBusyError where somebody holds it for long; a change that is refused leaves the file as it was.
    """
    with disk_errors(store, "the taxonomy stays as it was"):
        store.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(store / LOCK)
        lock.acquire(_WAIT_S)
    try:
        changed = change(load_taxonomy(root))
        save_taxonomy(root, changed)
        return changed
    finally:
        lock.release()


def add(old: Taxonomy, name: str, tag: TagDefinition, **why: str) -> Taxonomy:
    """One more tag."""
    _fresh(old, [name])
    return _changed(old, {**old.tags, name: tag}, "add", [], [name], why)


def rename(old: Taxonomy, name: str, new: str, **why: str) -> Taxonomy:
    """The same tag under another name; earlier tags are read as the new one."""
    _known(name, old.tags, "tag")
    if new in old.tags and new != name:
        raise ConfigError(f'"{new}" is a tag already; to make one of the two: merge "{name}" --into "{new}"')
    _fresh(old, [new])
    tags = {
        new if n == name else n: replace(t, parent=new if t.parent == name else t.parent) for n, t in old.tags.items()
    }
    return _changed(old, tags, "rename", [name], [new], why)


def merge(old: Taxonomy, names: Sequence[str], into: str, **why: str) -> Taxonomy:
    """One tag for several; `into` may be one of them. Earlier tags are read as the new one."""
    for name in names:
        _known(name, old.tags, "tag")
    if len({*names, into}) < 2:
        raise ConfigError("merge: name at least two tags")
    gone = {*names} - {into}
    first = old.tags[into] if into in old.tags else _joined([old.tags[n] for n in names])
    kept = {n: t for n, t in old.tags.items() if n not in gone}
    tags = {n: replace(t, parent=into if t.parent in gone else t.parent) for n, t in {**kept, into: first}.items()}
    tags[into] = replace(tags[into], parent=None if tags[into].parent in (*gone, into) else tags[into].parent)
    return _changed(old, tags, "merge", names, [into], why)


def split(old: Taxonomy, name: str, into: Sequence[str], **why: str) -> Taxonomy:
    """Several tags beneath one. What was tagged with it keeps that name until somebody looks again."""
    _known(name, old.tags, "tag")
    if len(set(into)) < 2:
        raise ConfigError("split: name at least two new tags")
    _fresh(old, into)
    above = old.tags[name]
    tags = {**old.tags, name: replace(above, hotkey=None)}
    tags |= {n: TagDefinition(f"A kind of {name}: write down which.", parent=name) for n in into}
    return _changed(old, tags, "split", [name], into, why)


def _changed(
    old: Taxonomy,
    tags: Mapping[str, TagDefinition],
    change: str,
    before: Sequence[str],
    after: Sequence[str],
    why: Mapping[str, str],
) -> Taxonomy:
    version = old.version + 1
    said = Change(version, change, tuple(before), tuple(after), why.get("by", ""), why.get("reason", ""))
    return _checked(Taxonomy(version, tags, old.rubrics, (*old.history, said), old.agreement), FILE)


def _joined(tags: Sequence[TagDefinition]) -> TagDefinition:
    examples = tuple(dict.fromkeys(e for t in tags for e in t.examples))
    return replace(tags[0], definition=" Or: ".join(t.definition for t in tags), examples=examples)


def _known(name: str, names: Iterable[str], what: str) -> None:
    if name not in names:
        raise ConfigError(f'"{name}" is not a {what}{did_you_mean(name, names)}')


def _fresh(old: Taxonomy, names: Sequence[str]) -> None:
    for name in names:
        if name in (*old.tags, *old.rubrics, OK, VERDICT, NOTE):
            raise ConfigError(f'"{name}" is taken; choose another name')


def _checked(taxonomy: Taxonomy, where: str) -> Taxonomy:
    keys: dict[str, str] = {}
    for name, tag in taxonomy.tags.items():
        if not name or name != name.strip() or not name.isprintable():
            raise ConfigError(f"{where}: tags: {name!r} is no name for a tag; write one or a few words")
        if tag.hotkey is not None and (len(tag.hotkey) != 1 or not tag.hotkey.isprintable()):
            raise ConfigError(f"{where}: tags.{name}.hotkey: {tag.hotkey!r} is not one key; write one character")
        if name in (OK, VERDICT, NOTE) or name in taxonomy.rubrics:
            raise ConfigError(f'{where}: tags.{name}: "{name}" has a meaning of its own; choose another name')
        if tag.parent is not None and (tag.parent not in taxonomy.tags or _in_circle(taxonomy.tags, name)):
            known = did_you_mean(tag.parent, taxonomy.tags)
            raise ConfigError(f'{where}: tags.{name}.parent: "{tag.parent}" is no tag above it{known}')
        if tag.hotkey and (tag.hotkey in keys or tag.hotkey in RESERVED_KEYS):
            held = keys.get(tag.hotkey, "the review itself")
            raise ConfigError(f'{where}: tags.{name}.hotkey: "{tag.hotkey}" is used by {held}; choose another')
        if tag.hotkey:
            keys[tag.hotkey] = name
    return taxonomy


def _in_circle(tags: Mapping[str, TagDefinition], name: str) -> bool:
    seen, at = {name}, tags[name].parent
    while at is not None and at in tags:
        if at in seen:
            return True
        seen.add(at)
        at = tags[at].parent
    return False


def _read(path: Path) -> Taxonomy:
    value = load_config(path, "taxonomy.schema.json")
    tags = {name: TagDefinition(**{**t, "examples": tuple(t.get("examples", ()))}) for name, t in value["tags"].items()}
    rubrics = {n: Rubric(r["definition"], tuple(r["levels"])) for n, r in value.get("rubrics", {}).items()}
    history = tuple(
        Change(c["version"], c["change"], tuple(c["from"]), tuple(c["to"]), c.get("by", ""), c.get("reason", ""))
        for c in value.get("history", ())
    )
    agreement = float(value.get("agreement", AGREEMENT))
    return _checked(Taxonomy(value["taxonomy"], tags, rubrics, history, agreement), str(path))


def _as_yaml(taxonomy: Taxonomy) -> dict[str, Any]:
    tags: dict[str, Any] = {}
    for name, tag in taxonomy.tags.items():
        more = {"examples": list(tag.examples), "parent": tag.parent, "hotkey": tag.hotkey}
        tags[name] = {"definition": tag.definition} | {key: value for key, value in more.items() if value}
    value: dict[str, Any] = {"taxonomy": taxonomy.version, "agreement": taxonomy.agreement, "tags": tags}
    if taxonomy.rubrics:
        value["rubrics"] = {
            n: {"definition": r.definition, "levels": list(r.levels)} for n, r in taxonomy.rubrics.items()
        }
    if taxonomy.history:
        value["history"] = [
            {"version": c.version, "change": c.change, "from": list(c.before), "to": list(c.after)}
            | {key: text for key, text in (("by", c.by), ("reason", c.reason)) if text}
            for c in taxonomy.history
        ]
    return value


DEFAULT: Final = Taxonomy(
    1,
    {
        "wrong fact": TagDefinition("States something that the reference or the source contradicts.", hotkey="f"),
        "made up": TagDefinition("States something specific that neither reference nor prompt supports.", hotkey="m"),
        "incomplete": TagDefinition("What it says is right, and something that was asked for is missing.", hotkey="i"),
        "off topic": TagDefinition("Answers something else than what was asked.", hotkey="t"),
        "refusal": TagDefinition("Declines, or says that it cannot help, where it should answer.", hotkey="e"),
        "wrong language": TagDefinition("Answers in another language than the question asks for.", hotkey="l"),
        "bad form": TagDefinition("Broken layout, cut off, repeats itself, or shows template marks.", hotkey="b"),
        "tone": TagDefinition("Right in substance, wrong in manner for our users.", hotkey="a"),
    },
    {"helpfulness": Rubric("How far the user is helped.", ("not at all", "a little", "mostly", "fully"))},
)
