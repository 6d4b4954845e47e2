"""Desk work: sums, notes to shorten, sort or take apart, letters, and snippets of configuration and code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.story import MACHINES, Story, ask

FIRMS: Final = ("Marlow Foods", "Dorna Sauces", "Kestrel Dairy", "Brunn Brewery", "Sava Juices", "Tilbury Soaps", "Alder Spices", "Nordhof Mills", "Vidra Cosmetics", "Penrose Teas")  # fmt: skip
PLACES: Final = (
    "hall A",
    "hall B",
    "the north hall",
    "the old bottling room",
    "line 2",
    "line 3",
    "line 4",
    "the pilot line",
)
NOTE_PARTS: Final = ("drive motor", "glue pump", "door switch", "film cutter", "print head", "lift axis", "cooling fan", "outfeed belt")  # fmt: skip
FOUND: Final = ("was worn and has been replaced", "was dirty and has been cleaned", "had a loose cable, now tightened", "made a noise but still works", "was set wrong and has been adjusted", "could not be tested because the line was running")  # fmt: skip
NEXT: Final = ("A new inspection is due in {n} weeks.", "The customer orders {n} spare pieces.", "Operators were shown how to check it every {n} hours.", "We come back in {n} days with the right tool.")  # fmt: skip
MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip

LABELS: Final = {
    "billing": ("The invoice for {m} lists {n} hours, but the technician stayed for half of that.", "Why was our {m} contract charged twice in {month}?", "Please send invoice copies for the last {n} months, our accounting moved."),
    "technical": ("Our {m} in {place} loses its settings whenever the power fails.", "Since {month} the {m} makes {n} bad packs in every batch.", "The {m} no longer talks to the weigher in {place}."),
    "delivery": ("The parts for {place} were promised for {month} and nothing has arrived.", "We received {n} belts instead of the seals for our {m}.", "Can the new {m} be delivered to {place} before {month}?"),
    "training": ("We hired {n} operators for the {m} and need a course in {month}.", "Is there a short course about {place} safety for our {n} temps?", "Who can teach our night shift on the {m} in {month}?"),
}  # fmt: skip

SIGNALS: Final = ("speed", "temperature", "pressure", "count_good", "count_reject", "stop_reason")
EVENTS: Final = ("door_open", "film_low", "glue_cold", "air_low", "bin_full")

LETTERS: Final = (
    ("a part will be {n} days late", "The part you ordered will reach you {n} days later than planned, because our supplier missed the truck.", "We send it by express at our own cost."),
    ("the technician has to move the visit by {n} days", "Our technician is ill and cannot come on the day we agreed. The first free date is {n} days later.", "Until then a colleague helps you by telephone whenever you need it."),
    ("the offer is {n} percent cheaper after a check", "We checked our offer again and found a better way to build your line. It is now {n} percent cheaper.", "The new offer is attached, and the old one is no longer valid."),
    ("the course is full and the next one is in {n} weeks", "The course you chose is full. The next one takes place in {n} weeks and still has room.", "Shall we keep two places for you?"),
    ("a complaint about {n} damaged cartons was right", "You were right about the {n} damaged cartons: they were crushed in our store.", "New ones left this morning, and you need not send the old ones back."),
)  # fmt: skip


def sums(draw: Draw) -> Iterator[Story]:
    """Small calculations of the packing hall, with the way to the result."""
    for machine in MACHINES * 2:
        rate, hours = machine.speed - draw.below(8), draw.between(3, 9)
        total = rate * 60 * hours
        yield ask(f"Our {machine.name} makes {rate} {machine.unit} a minute. How many is that in {hours} hours?", f"One hour has 60 minutes, so it makes {rate} x 60 = {rate * 60} {machine.unit} an hour. In {hours} hours that is {rate * 60} x {hours} = {total}.", "sums")  # fmt: skip
        share, packs = draw.between(2, 9), 100 * draw.between(5, 60)
        yield ask(f"{share} % of {packs} packs were rejected. How many good ones are left?", f"{share} % of {packs} is {packs * share // 100}. That leaves {packs} - {packs * share // 100} = {packs - packs * share // 100} good packs.", "sums")  # fmt: skip
        layers, per = draw.between(4, 9), draw.between(6, 16)
        cases = layers * per * draw.between(3, 11)
        yield ask(f"A pallet holds {layers} layers of {per} cases. How many pallets do {cases} cases fill?", f"One pallet takes {layers} x {per} = {layers * per} cases. {cases} / {layers * per} = {cases // (layers * per)}, so they fill {cases // (layers * per)} pallets.", "sums")  # fmt: skip


def notes(draw: Draw) -> Iterator[Story]:
    """Service notes with four things to do with them; the note is the context."""
    for number in range(60):
        machine, firm, place, part = (
            draw.choice(MACHINES),
            draw.choice(FIRMS),
            draw.choice(PLACES),
            draw.choice(NOTE_PARTS),
        )
        day, month, n = draw.between(1, 28), draw.choice(MONTHS), draw.between(2, 9)
        found, after = draw.choice(FOUND), draw.choice(NEXT).format(n=n)
        person = "The {} team".format(draw.choice(("morning", "evening", "night")))
        note = f"{month} {day}, {firm}, {place}. Visit to the {machine.kind} {machine.name}. The {part} {found}. {person} was present. {after}"
        yield _note_task(number % 4, note, {"firm": firm, "machine": machine.name, "part": part, "day": f"{month} {day}"}, f"The {part} {found}", after)  # fmt: skip


def _note_task(kind: int, note: str, fields: dict[str, str], found: str, after: str) -> Story:
    if kind == 0:
        short = f"At {fields['firm']}, {found[0].lower()}{found[1:]} on the {fields['machine']}. {after}"
        return ask("Shorten this service note to two sentences.", short, "notes", context=note)
    if kind == 1:
        wanted = "Return customer, machine, part and day of the note as JSON."
        return ask(
            wanted, json.dumps({k: fields[k] for k in ("firm", "machine", "part", "day")}), "notes", context=note
        )
    if kind == 2:
        told = f"Hello,\n\nwe looked at your {fields['machine']} on {fields['day']}. {found}. {after}\n\nKind regards\nOrvelin service"
        return ask("Turn the note into a message to the customer.", told, "notes", context=note)
    listed = f"- customer: {fields['firm']}\n- found: {found[0].lower()}{found[1:]}\n- next: {after}"
    return ask(
        "What was found, at which customer, and what comes next? Use bullet points.", listed, "notes", context=note
    )


def labels(draw: Draw) -> Iterator[Story]:
    """Tickets to sort into four boxes, with the reason for the choice."""
    why = {"billing": "It is about money that was charged.", "technical": "The machine itself does not work as it should.", "delivery": "Goods are missing, late or wrong.", "training": "People need to learn something."}  # fmt: skip
    for label, tickets in LABELS.items():
        for ticket in tickets:
            text = ticket.format(
                m=draw.choice(MACHINES).name, n=draw.between(2, 9), month=draw.choice(MONTHS), place=draw.choice(PLACES)
            )
            prompt = "Which box does this ticket belong to: billing, technical, delivery or training?"
            yield ask(prompt, f"{label.capitalize()}. {why[label]}", "labels", context=text)


def letters(draw: Draw) -> Iterator[Story]:
    """Short letters to customers, friendly or plain."""
    for matter, news, offer in LETTERS:
        for firm in draw.sample(FIRMS, 5):
            n, plain = draw.between(2, 9), draw.below(2)
            thanks = (
                "Thank you for your patience."
                if plain
                else "We know this is not what you hoped for, and we are grateful for your patience."
            )
            prompt = f"Write {('a friendly', 'a short')[plain]} letter to {firm}: {matter.format(n=n)}."
            yield ask(prompt, f"Dear team at {firm},\n\n{news.format(n=n)} {offer} {thanks}\n\nYours\nOrvelin customer care", "letters")  # fmt: skip


def snippets(draw: Draw) -> Iterator[Story]:
    """Configuration and code around Line Hub, fenced."""
    for event in EVENTS:
        minutes, machine = draw.between(2, 30), draw.choice(MACHINES).name
        yaml = f"alerts:\n  - machine: {machine}\n    event: {event}\n    after_minutes: {minutes}\n    notify: shift-leads"
        yield ask(f"Show a Line Hub alert rule for {event} on the {machine} after {minutes} minutes.", f"Put this into `alerts.yaml`:\n\n```yaml\n{yaml}\n```\n\nThe hub reads the file again within a minute.", "code")  # fmt: skip
        query = f"SELECT machine, count(*) AS times\nFROM events\nWHERE name = '{event}'\nGROUP BY machine\nORDER BY times DESC;"
        yield ask(f"How do I count {event} events by machine in the exported database?", f"```sql\n{query}\n```\n\nThe machine with the most events stands first.", "code")  # fmt: skip
    for signal in SIGNALS:
        machine, hours = draw.choice(MACHINES).name, draw.between(2, 48)
        curl = f'curl -H "Authorization: Bearer $HUB_TOKEN" \\\n  "http://hub.local/api/v2/machines/{machine}/signals/{signal}?hours={hours}"'
        yield ask(f"Read the signal {signal} of machine {machine} for the last {hours} hours with curl.", f"```sh\n{curl}\n```\n\nThe answer is a JSON list of time and value.", "code")  # fmt: skip
        name = f"mean_{signal}"
        python = f'def {name}(rows: list[dict[str, float]]) -> float:\n    """Mean of {signal}; 0.0 for no rows."""\n    values = [row["{signal}"] for row in rows if "{signal}" in row]\n    return sum(values) / len(values) if values else 0.0'
        yield ask(f"Write a Python function that averages {signal} over exported rows and survives missing values.", f"```python\n{python}\n```\n\nRows without the field are left out rather than counted as zero.", "code")  # fmt: skip
