"""German rows of the sample data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.story import MACHINES, Story, ask

KINDS: Final = {"L3": "Etikettierer", "C7": "Kartonierer", "P5": "Palettierer", "S2": "Schrumpfpacker", "W4": "Wägeautomat", "F6": "Füller"}  # fmt: skip

# Aufgabe: Schritte, Warnung
TASKS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "die Folienrolle wechseln": (("Maschine anhalten und auf die grüne Lampe warten", "Abdeckung links öffnen", "leere Hülse von der Welle ziehen", "neue Rolle aufstecken und die Bremse anziehen", "Folie über beide Rollen führen", "Abdeckung schließen und zehn Takte von Hand fahren"), "Greifen Sie nie hinter die Rollen, solange das Bedienfeld leuchtet."),
    "die Klebedüsen reinigen": (("Tank auf Bereitschaft stellen und abkühlen lassen", "Handschuhe und Schutzbrille anziehen", "Düsenkappe von Hand abschrauben", "weichen Kleber mit einem trockenen Tuch abwischen", "Bohrung mit der Messingnadel öffnen", "Kappe wieder aufsetzen und drei Probepunkte setzen"), "Heißer Kleber haftet an der Haut, halten Sie kaltes Wasser bereit."),
    "ein neues Format anlegen": (("ähnliches Format kopieren", "der Kopie einen klaren Namen geben", "Länge, Breite und Höhe eingeben", "Führungen auf die angezeigten Werte drehen", "langsam ohne Ware laufen lassen", "Format speichern und sperren"), "Ein nicht gespeichertes Format geht beim Neustart verloren."),
    "die Waage kalibrieren": (("Waage eine Viertelstunde warmlaufen lassen", "Platte reinigen und leeren", "Seite für die Kalibrierung öffnen", "Prüfgewicht in die Mitte stellen", "warten, bis die Anzeige ruhig steht", "mit dem Haken bestätigen"), "Schon Zugluft aus einer offenen Tür verfälscht das Ergebnis."),
    "die Einstellungen sichern": (("leeren Stick in das Bedienfeld stecken", "Seite System öffnen", "Alles speichern wählen", "Meldung über die Prüfung abwarten", "Stick abziehen und mit dem Datum beschriften"), "Eine Sicherung, die niemand zurückgelesen hat, ist nur eine Hoffnung."),
    "einen Benutzer hinzufügen": (("als Schichtleitung anmelden", "Seite Personen öffnen", "auf das Pluszeichen drücken", "Namen wie auf dem Ausweis eingeben", "Rolle wählen", "die Person einen eigenen Code eingeben lassen"), "Codes sind persönlich und werden nicht geteilt."),
}  # fmt: skip
PROMPTS: Final = (
    "Wie kann ich am {k} {m} {task}?", "Bitte beschreiben Sie, in welcher Reihenfolge wir {task} ({m}).",
    "Unsere neue Kollegin soll am {m} {task}. Was muss sie beachten?", "Kurze Anleitung für den Aushang: {task}.",
)  # fmt: skip

# Frage, Antwort mit Wert je Vertrag, Zusätze
POLICIES: Final[tuple[tuple[str, str, tuple[str, str, str], tuple[str, ...]], ...]] = (
    ("Wie lange gilt die Garantie im Vertrag {p}?", "Im Vertrag {p} gilt die Garantie {v} ab der Übergabe.", ("zwölf Monate", "zwei Jahre", "drei Jahre"), ("Verschleißteile wie Riemen und Sauger sind ausgenommen.", "Bewahren Sie das Übergabeprotokoll auf.")),
    ("Wann erreiche ich den Kundendienst mit {p}?", "Mit {p} ist der Kundendienst {v} für Sie da.", ("werktags von acht bis siebzehn Uhr", "werktags von sechs bis zweiundzwanzig Uhr", "rund um die Uhr"), ("Halten Sie bitte die Seriennummer bereit.", "Ein Foto der Anzeige beschleunigt die Antwort.")),
    ("Wie viele Plätze in der Schulung enthält {p}?", "{p} enthält {v} im Jahr.", ("einen freien Platz", "vier freie Plätze", "zehn freie Plätze"), ("Ein Kurs dauert zwei Tage.", "Nicht genutzte Plätze verfallen im Dezember.")),
    ("Wie oft wird die Maschine bei {p} gewartet?", "Bei {p} prüfen wir jede Maschine {v}.", ("alle zwei Jahre", "einmal im Jahr", "zweimal im Jahr"), ("Die Maschine muss leer und kalt sein.", "Sie erhalten eine Liste mit Ampelfarben für jede Station.")),
    ("Wie lange speichert Line Hub unsere Daten bei {p}?", "Line Hub bewahrt Zählwerte bei {p} {v} lang auf.", ("neunzig Tage", "ein Jahr", "fünf Jahre"), ("Vor dem Löschen können Sie alles exportieren.", "Außerhalb Ihres Betriebs sieht niemand diese Werte.")),
)  # fmt: skip

CONCEPTS: Final[dict[str, tuple[str, str, str]]] = {
    "eine Lichtschranke": ("Eine Lichtschranke sendet einen Strahl aus und merkt, wenn ihn etwas unterbricht.", "So weiß die Linie, wo sich jede Packung befindet.", "Wischen Sie sie täglich mit einem weichen Tuch ab."),
    "die Rüstzeit": ("Die Rüstzeit ist die Zeit von der letzten guten Packung des alten bis zur ersten guten Packung des neuen Produkts.", "Sie bestimmt, wie klein ein Auftrag sein darf, bevor er sich nicht mehr lohnt.", "Filmen Sie einen Wechsel und zählen Sie die Wege."),
    "ein Drehgeber": ("Ein Drehgeber wandelt die Bewegung einer Welle in Impulse um.", "Ohne ihn wüsste die Maschine nicht, wie weit ein Band gelaufen ist.", "Prüfen Sie zuerst das Kabel, denn es bricht öfter als der Geber."),
    "die Zuhaltung": ("Eine Zuhaltung hält die Tür geschlossen, bis dahinter alles steht.", "Sie schützt Hände vor nachlaufenden Teilen.", "Überbrücken Sie sie nie, auch nicht für einen Versuch."),
    "der Taupunkt": ("Der Taupunkt ist die Temperatur, bei der Wasser aus der Luft zu Tropfen wird.", "Er zeigt, ob Ventile nass werden.", "Halten Sie ihn deutlich unter der Temperatur der Halle."),
    "eine Pufferstrecke": ("Eine Pufferstrecke sammelt Packungen, während die nächste Maschine steht.", "Kurze Halte wandern dann nicht durch die ganze Linie.", "Lassen Sie sie halb leer laufen."),
    "Heißleim": ("Heißleim ist bei Wärme flüssig und hält, sobald er abkühlt.", "Ein Karton lässt sich damit nach einer Sekunde stapeln.", "Zu heiß ist so schlecht wie zu kalt, weil verbrannter Leim die Düse verstopft."),
    "das Referenzmuster": ("Ein Referenzmuster ist eine tadellose Packung, die man zum Vergleich aufhebt.", "Man wird sich schneller einig, wenn alle auf dasselbe schauen.", "Erneuern Sie es jedes Jahr, weil Farben verblassen."),
}  # fmt: skip
QUESTIONS: Final = (
    "Was bedeutet der Begriff: {c}?",
    "Erklären Sie bitte kurz für Neulinge: {c}.",
    "Warum ist das wichtig: {c}?",
)
STARTS: Final = (
    "Gehen Sie so vor:",
    "Am besten in dieser Reihenfolge:",
    "Rechnen Sie mit etwa {n} Minuten.",
    "Das dauert ungefähr {n} Minuten:",
)


def german(draw: Draw) -> Iterator[Story]:
    """All German rows: how-to, contract questions, explanations."""
    for task, (steps, warning) in TASKS.items():
        for place, (prompt, machine) in enumerate(zip(PROMPTS, draw.sample(MACHINES, len(PROMPTS)), strict=True)):
            chosen = draw.subset(steps, len(steps) - 1 - place % 2)
            start = draw.choice(STARTS).format(n=5 * draw.between(1, 8))
            listed = [f"{i}. {step[0].upper()}{step[1:]}." for i, step in enumerate(chosen, 1)]
            bullets = [f"- {step}" for step in chosen]
            body = "\n".join(bullets if place % 2 else listed)
            words = {"k": KINDS[machine.name], "m": machine.name, "task": task}
            ending = f"\n\n{warning}" if place < 2 else ""
            yield ask(prompt.format(**words), f"{start}\n\n{body}{ending}", "howto", "de")
    for question, answer, values, more in POLICIES:
        for plan, value in zip(("Basic", "Plus", "Prime"), values, strict=True):
            told = " ".join([answer.format(p=plan, v=value), *draw.sample(more, draw.between(1, 2))])
            yield ask(question.format(p=plan), told, "policy", "de")
    for concept, parts in CONCEPTS.items():
        for question, chosen in zip(QUESTIONS, ((0, 2), (0, 1), (1, 2)), strict=True):
            yield ask(question.format(c=concept), " ".join(parts[i] for i in chosen), "explanation", "de")
