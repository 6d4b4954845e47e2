"""Answers that stand where an answer should be written: TODO, lorem ipsum, [insert answer here], <nooutput>."""
# ruff: noqa: RUF001 -- the patterns are in many scripts

from __future__ import annotations

import re
from typing import Final

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import Rule
from curation.stages.filters.scan import CHARS, VISIBLE

LONGEST: Final = 120  # characters; a placeholder is the whole answer, and short

_ANSWER: Final = r"(?:(?:the|your|an?|correct|model|expected)\ )?(?:answer|response|output|reply|text|content|solution)"
# Bare words that are never an answer. "None", "null", "unknown" and "test" are not here: they answer questions.
_WORDS: Final = rf"""
    to[ -]?do(?:\s*[:\-–—]?\s*(?:add|write|fill\ in|insert)\ {_ANSWER}(?:\ (?:here|later))?)?
  | t\.?b\.?[da]\.? | to\ be\ (?:determined|done|added|written|completed|filled\ in|announced)
  | fix\ ?me | x{{4,}} | place\ ?holder(?:\ (?:text|answer))? | lorem\ ipsum\b.{{0,100}} | (?:asdf|qwerty){{1,3}}
  | no\ ?(?:output|input|answer|response)(?:\ (?:required|needed|provided|available|given|yet))?
  | {_ANSWER}\ (?:goes|comes|should\ be|will\ be|to\ be\ written)\ here
  | (?:your|sample|example|dummy|insert|enter|write|add|type)\ {_ANSWER}(?:\ (?:here|text))?
  | coming\ soon | work\ in\ progress | under\ construction
  | de\ (?:completat|adăugat|scris|făcut)(?:\ (?:mai\ târziu|aici))?
  | răspunsul?\ (?:aici|vine\ aici|dumneavoastră|tău)
  | (?:introduceți|introdu|scrieți|scrie|completați|completează)\ răspunsul(?:\ aici)?
  | (?:noch\ )?(?:zu\ ergänzen|auszufüllen|offen) | (?:ihre?|deine?)\ antwort(?:\ hier)?
  | antwort\ (?:hier\ (?:einfügen|eingeben|eintragen)|folgt|kommt\ hier)
  | (?:à|a)\ (?:compléter|définir) | votre\ réponse(?:\ ici)? | (?:su|tu)\ respuesta(?:\ aquí)?
  | por\ (?:definir|completar)
  | 待补充 | 待定 | 待完成 | 此处填写答案 | 在此输入答案 | 请在此处?(?:输入|填写)(?:你的|您的)?(?:答案|回答)
  | 你的答案 | (?:答案|回答)(?:在此|写在这里)
"""
# Words that make a bracketed text a placeholder: [Insert bar chart], <your answer>, {{ answer }}, <Output audio>.
_BRACKETED: Final = r"""
    [\[<({«【（]{1,3}\s*
    (?: (?:insert|enter|add|put|write|type|fill\ in|paste|include)\b[^\[\]<>{}]{1,80}
      | (?:your|the|an?|correct|model|expected)?\s*_?(?:answer|response|output|reply|completion|solution)
        (?:[_ ](?:here|text|goes\ here|image|audio|video))?
      | no\ ?(?:output|input)\b[^\[\]<>{}]{0,80} | output\ should\ be[^\[\]<>{}]{1,80}
      | [a-z ]{2,30}\ (?:goes\ here|output)
      | (?:introduceți|introdu|inserați|inserează|scrieți|completați)\b[^\[\]<>{}]{1,80}
      | (?:răspunsul?|antwort|réponse|respuesta)(?:\ (?:aici|hier|ici|aquí))?
      | [^\[\]<>{}]{0,40}\ (?:einfügen|eingeben|eintragen|ergänzen) | (?:ihre?|deine?)\ antwort
      | (?:插入|输入|填写)[^\[\]<>{}]{0,30} | 答案
    )\s*[\]>)}»】）]{1,3}
"""
_WHOLE: Final = re.compile(
    rf"(?is)[\s\W_]*(?:{_WORDS})[\s\W_]*|\s*(?:{_BRACKETED})\s*[.!]?\s*".replace("\n", " "), re.VERBOSE
)
# What some data sets append to "no output".
_EXCUSED: Final = re.compile(
    r"(?is)\s*(?:<?no ?output>?,?\s*(?:[-–—(:].{0,80}|(?:gpt|ai|as|cannot)\b.{0,80})?"
    r"|n/?a\s*\((?:gpt|ai|language|this)?\s*model.{0,60}\)?)\s*"
)
# "N/A" may be the right label of a classification, but nobody asks for a poem and means "N/A" (in alpaca_data 3 of 3).
_NOT_AVAILABLE: Final = re.compile(r"(?i)\W*n\s?[/.]?\s?a\W*")
_ASKS_FOR_A_WORK: Final = re.compile(
    r"(?i)\s*(?:please\s+)?(?:write|design|generate|create|compose|develop|draft|build|explain|describe|summari[sz]e"
    r"|rewrite|scrie|creează|generează|explică|descrie|schreibe?n?|erstellen?|erkläre?n?|beschreibe?n?|写|生成|解释|描述)"
)


def placeholder(answers: Answers, rule: Rule) -> Found:
    """Reason placeholder; only where nothing else is in the answer."""
    short = rows_where((answers.count(CHARS) <= LONGEST) & (answers.count(VISIBLE) > 1))
    texts = list(zip(short, answers.answers(short), strict=True))
    missing = [row for row, text in texts if _NOT_AVAILABLE.fullmatch(text)]
    asked = zip(missing, answers.prompts(missing), strict=True)
    found = [row for row, prompt in asked if _ASKS_FOR_A_WORK.match(prompt)]
    found += [row for row, text in texts if is_placeholder(text)]
    return Found("placeholder", sorted(found))


def is_placeholder(text: str) -> bool:
    return bool(_WHOLE.fullmatch(text) or _EXCUSED.fullmatch(text))
