"""Answers that begin by refusing: "I'm sorry, but I can't help", "As an AI language model ..."."""
# ruff: noqa: RUF001 -- the patterns are in many scripts

from __future__ import annotations

from typing import Final

import pyarrow.compute as pc

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import Rule


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_CANNOT: Final = _any(
    "can ?not|can['’]?t|won['’]?t|will not",
    "am (?:unable|not able) to|['’]m (?:unable|not able) to",
)
# What a model says it cannot do. "I can't attend", "I cannot wait" and "I can't believe" are people's words.
_DO: Final = "(?:actually |directly |currently |personally |in good conscience |ethically )?" + _any(
    "provide|help|assist|answer|fulfil|comply|do (?:that|this)|access|create|generate|produce|write|give you|offer",
    "browse|discuss|recommend|support|engage|share|satisfy|complete|process|continue|respond|determine|predict",
    "verify|participate|perform|translate|open|view|see (?:the|any|images)|have (?:personal|opinions|feelings)",
)
_LACK: Final = "(?:do not|don['’]?t) have " + _any(
    "access|enough|the (?:ability|capability)|(?:any )?information|personal|sufficient"
)
_SORRY: Final = _any(
    "(?:i['’]?m|i am) (?:very |really |so |truly )?sorry|sorry|my apologies|i apologi[sz]e",
    "unfortunately|regrettably|as much as i[^.,]{0,40}",
)
_SELF: Final = "(?:as an ai[^,.]{0,40},? )"
_ENGLISH: Final = _any(
    f"{_SORRY}[,.!]?(?: but)?,? {_SELF}?i ?(?:{_CANNOT} {_DO}|{_LACK})",
    f"i ?{_CANNOT} (?:provide|help (?:you )?with|assist|answer (?:this|that|your)|fulfil|comply|generate|create)",
    f"i ?{_CANNOT} (?:engage|write (?:this|that|content)|satisfy your|discuss|produce)",
    r"(?:i['’]?m|i am) (?:just |only )?an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"(?:as|being) an? (?:(?:ai|large|artificial intelligence)[ -]?)+(?:(?:language|chat|model|assistant) ?)*\b",
)
_GERMAN: Final = _any(
    "es tut mir (?:sehr )?leid,? (?:aber )?(?:(?:dabei |das |das leider )?(?:kann|darf) ich|ich (?:kann|darf)|als ki)",
    "(?:leider|tut mir leid,?) (?:aber )?(?:kann|darf) ich (?:ihnen|dir|dabei|das|diese|keine|nicht)",
    r"als (?:ein |eine )?(?:ki|künstliche intelligenz)\b",
    "ich bin (?:nur |lediglich )?(?:ein|eine) (?:ki|sprachmodell)",
    "ich kann (?:ihnen|dir|diese|ihre|deine)[^.]{0,40} nicht (?:helfen|beantworten|erfüllen|weiterhelfen)",
)
_ROMANIAN: Final = _any(  # with and without its letters
    "[îi]mi pare (?:foarte )?r[ăa]u,? (?:dar|îns[ăa]|insa) (?:nu pot|nu am acces|nu sunt|ca model)",
    "ne pare r[ăa]u,? (?:dar )?nu putem",
    "(?:din p[ăa]cate|regret),? (?:dar )?nu (?:v[ăa] |te )?pot (?:s[ăa]|oferi|ajuta|r[ăa]spunde|furniza|crea|genera)",
    "nu (?:v[ăa] |te )?pot (?:ajuta|oferi|furniza|r[ăa]spunde la|genera)",
    "ca (?:un )?(?:model (?:de limbaj|lingvistic|ai)|asistent (?:ai|virtual)|inteligen[țţt][ăa] artificial[ăa])",
    "sunt (?:doar )?un model (?:de limbaj|lingvistic)",
)
_OTHERS: Final = _any(
    "je (?:suis|regrette|m['’]excuse)[^.]{0,15}(?:désolée?)?,? (?:mais )?je ne peux pas",
    "désolée?,? (?:mais )?je ne peux pas|en tant qu(?:e modèle|['’]ia|['’]intelligence artificielle)",
    r"lo siento,? (?:pero )?no puedo|como (?:un )?(?:modelo de lenguaje|ia\b|inteligencia artificial)",
    "(?:很|非常)?(?:抱歉|对不起|对不住)[，,。！]?(?:但|但是|不过)?(?:作为[^，,。]{0,20}[，,])?我(?:无法|不能|没有办法|没法|不会)",
    "(?:作为|我是|我只是)(?:一个|一名|一种)?(?:人工智能|ai|大型?语言|语言模型)",
    "申し訳(?:ありません|ございません)[^。]{0,20}(?:できません|お答え)",
    r"(?:к сожалению|извините|простите),? (?:но )?я не могу|как (?:языковая модель|искусственный интеллект|ии\b)",
)
PATTERN: Final = rf"(?i)^[\s\"'*_>]*{_any(_ENGLISH, _GERMAN, _ROMANIAN, _OTHERS)}"


def refusal(answers: Answers, rule: Rule) -> Found:
    """Reason refusal. Some refusals are taught on purpose (guard answers), so this only points at them."""
    matched = pc.match_substring_regex(answers.table["answer"], PATTERN)
    return Found("refusal", rows_where(matched.to_numpy()))
