"""Romanian rows of the sample data; ș and ț are the letters with a comma below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.story import MACHINES, Story, ask

KINDS: Final = {"L3": "mașina de etichetat", "C7": "mașina de cartonat", "P5": "paletizorul", "S2": "mașina de înfoliat", "W4": "cântarul de control", "F6": "mașina de umplut"}  # fmt: skip

TASKS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "schimba rola de folie": (("opriți mașina și așteptați lampa verde", "deschideți capacul din stânga", "scoateți tubul gol de pe ax", "montați rola nouă și strângeți frâna", "treceți folia peste ambele role de ghidare", "închideți capacul și porniți încet"), "Nu băgați mâna după role cât timp panoul este aprins."),
    "curăța duzele de adeziv": (("puneți rezervorul în așteptare și lăsați-l să se răcească", "luați mănuși și ochelari de protecție", "desfaceți capacul duzei cu mâna", "ștergeți adezivul moale cu o cârpă uscată", "treceți acul de alamă prin orificiu", "puneți capacul la loc și faceți trei puncte de probă"), "Adezivul fierbinte se lipește de piele, așa că țineți apă rece aproape."),
    "adăuga un format nou": (("copiați formatul cel mai apropiat", "dați-i copiei un nume clar", "introduceți lungimea, lățimea și înălțimea", "rotiți ghidajele la valorile afișate", "lăsați mașina să meargă încet, fără produs", "salvați formatul și blocați-l"), "Un format nesalvat se pierde la repornire."),
    "calibra cântarul": (("lăsați cântarul să se încălzească un sfert de oră", "curățați și goliți platforma", "deschideți pagina de calibrare", "așezați greutatea de probă în mijloc", "așteptați până când cifra stă pe loc", "confirmați cu bifa"), "Până și curentul de la o ușă deschisă strică rezultatul."),
    "salva setările": (("introduceți un stick gol în panou", "deschideți pagina Sistem", "alegeți Salvează tot", "așteptați mesajul de verificare", "scoateți stickul și scrieți data pe el"), "O copie pe care nimeni nu a citit-o înapoi este doar o speranță."),
    "testa oprirea de urgență": (("anunțați pe toată lumea de lângă linie", "lăsați linia să meargă goală, cu viteză mică", "apăsați primul buton roșu", "verificați dacă totul se oprește într-o secundă", "rotiți butonul ca să îl eliberați", "repetați cu fiecare buton și semnați fișa"), "Dacă un buton nu oprește linia, blocați linia imediat."),
}  # fmt: skip
PROMPTS: Final = (
    "Cum pot {task} la {k} {m}?", "Vă rog să descrieți pașii pentru a {task} ({m}).",
    "O colegă nouă trebuie să învețe cum se poate {task} la {m}. La ce să fie atentă?", "Instrucțiuni scurte pentru avizier: cum se poate {task}.",
)  # fmt: skip

POLICIES: Final[tuple[tuple[str, str, tuple[str, str, str], tuple[str, ...]], ...]] = (
    ("Cât durează garanția în planul {p}?", "În planul {p} garanția este de {v}, începând cu ziua predării.", ("douăsprezece luni", "doi ani", "trei ani"), ("Piesele de uzură, cum sunt curelele și ventuzele, nu sunt incluse.", "Păstrați procesul-verbal de predare.")),
    ("Când pot suna la asistență cu planul {p}?", "Cu planul {p} asistența răspunde {v}.", ("în zilele lucrătoare, de la opt la șaptesprezece", "în zilele lucrătoare, de la șase la douăzeci și două", "la orice oră, inclusiv în weekend"), ("Vă rog să aveți la îndemână seria mașinii.", "O fotografie a panoului grăbește răspunsul.")),
    ("Câte locuri la instruire include {p}?", "Planul {p} include {v} pe an.", ("un loc gratuit", "patru locuri gratuite", "zece locuri gratuite"), ("Un curs durează două zile.", "Locurile nefolosite expiră în decembrie.")),
    ("Cât de des se face revizia în planul {p}?", "În planul {p} verificăm fiecare mașină {v}.", ("o dată la doi ani", "o dată pe an", "de două ori pe an"), ("Mașina trebuie să fie goală și rece.", "Primiți o listă cu câte o culoare pentru fiecare stație.")),
    ("Cât timp păstrează Line Hub datele noastre cu {p}?", "Line Hub păstrează datele conturilor {p} timp de {v}.", ("nouăzeci de zile", "un an", "cinci ani"), ("Înainte de ștergere puteți exporta totul.", "Nimeni din afara firmei nu vede aceste cifre.")),
    ("Cine plătește drumul tehnicianului în planul {p}?", "Pentru clienții {p}, deplasarea este {v}.", ("plătită pe kilometru", "plătită ca sumă fixă pe vizită", "inclusă în tariful anual"), ("Două vizite în aceeași zi se socotesc una singură.", "Primiți devizul înainte de plecarea tehnicianului.")),
)  # fmt: skip

CONCEPTS: Final[dict[str, tuple[str, str, str]]] = {
    "fotocelula": ("Fotocelula trimite un fascicul de lumină și observă când ceva îl întrerupe.", "Așa știe linia unde se află fiecare pachet.", "Ștergeți-o zilnic cu o cârpă moale."),
    "timpul de schimbare": ("Timpul de schimbare trece de la ultimul pachet bun al produsului vechi până la primul pachet bun al celui nou.", "El hotărăște cât de mică poate fi o comandă ca să mai aducă bani.", "Filmați o schimbare și numărați drumurile făcute."),
    "encoderul": ("Encoderul transformă mișcarea unui ax în impulsuri.", "Fără el mașina nu ar ști cât a înaintat banda.", "Verificați întâi cablul, fiindcă se rupe mai des decât encoderul."),
    "blocarea ușii": ("Blocarea ține ușa închisă până când totul se oprește în spatele ei.", "Ea ferește mâinile de piesele care se mai mișcă.", "Nu o ocoliți niciodată, nici măcar pentru o probă."),
    "punctul de rouă": ("Punctul de rouă este temperatura la care apa din aer se face picături.", "El arată dacă supapele se vor uda.", "Țineți-l mult sub temperatura halei."),
    "masa tampon": ("Masa tampon adună pachetele cât timp mașina următoare stă.", "Opririle scurte nu mai trec prin toată linia.", "Lăsați-o pe jumătate goală."),
    "adezivul termic": ("Adezivul termic este lichid la cald și ține imediat ce se răcește.", "Cutia poate fi stivuită după o secundă.", "Prea fierbinte este la fel de rău ca prea rece, pentru că adezivul ars înfundă duza."),
    "codul lotului": ("Codul lotului spune când și unde a fost făcut un pachet.", "Cu el o problemă se limitează la câțiva paleți.", "Comparați cu ochiul primul și ultimul cod de pe fiecare rolă."),
    "electricitatea statică": ("Electricitatea statică apare când folia alunecă peste role.", "Din cauza ei folia se lipește, iar praful se adună.", "Verificați dacă periile de cupru ating folia."),
}  # fmt: skip
QUESTIONS: Final = (
    "Ce înseamnă {c}?",
    "Explicați pe scurt, pentru cineva aflat în prima zi: {c}.",
    "De ce contează {c} pentru noi?",
)
STARTS: Final = (
    "Procedați astfel:",
    "Cel mai bine în ordinea aceasta:",
    "Durează cam {n} minute:",
    "Aveți nevoie de circa {n} minute, fără scule speciale.",
)


def romanian(draw: Draw) -> Iterator[Story]:
    """All Romanian rows: how-to, contract questions, explanations."""
    for task, (steps, warning) in TASKS.items():
        for place, (prompt, machine) in enumerate(zip(PROMPTS, draw.sample(MACHINES, len(PROMPTS)), strict=True)):
            chosen = draw.subset(steps, len(steps) - 1 - place % 2)
            start = draw.choice(STARTS).format(n=draw.between(2, 19))
            listed = [f"{i}. {step[0].upper()}{step[1:]}." for i, step in enumerate(chosen, 1)]
            bullets = [f"- {step}" for step in chosen]
            body = "\n".join(bullets if place % 2 else listed)
            words = {"k": KINDS[machine.name], "m": machine.name, "task": task}
            ending = f"\n\n{warning}" if place < 2 else ""
            yield ask(prompt.format(**words), f"{start}\n\n{body}{ending}", "howto", "ro")
    for question, answer, values, more in POLICIES:
        for plan, value in zip(("Basic", "Plus", "Prime"), values, strict=True):
            told = " ".join([answer.format(p=plan, v=value), *draw.sample(more, draw.between(1, 2))])
            yield ask(question.format(p=plan), told, "policy", "ro")
    for concept, parts in CONCEPTS.items():
        for question, chosen in zip(QUESTIONS, ((0, 2), (0, 1), (1, 2)), strict=True):
            yield ask(question.format(c=concept), " ".join(parts[i] for i in chosen), "explanation", "ro")
