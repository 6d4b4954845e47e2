"""A few science questions of our own in the ARC layout, and the training rows that some of them leaked into."""

from __future__ import annotations

from typing import Any, Final

# stem, choices (the right one first)
ITEMS: Final = (
    ("A wet towel on a line dries faster on a windy day than on a calm day at the same temperature. What is the main reason?", ("The wind carries damp air away from the towel", "The wind makes the water heavier", "The wind cools the sun", "The wind turns the water into ice")),
    ("A student holds a metal spoon and a wooden spoon in hot soup. Why does the handle of the metal spoon become hot first?", ("Metal passes heat on better than wood", "Wood is always colder than metal", "Metal makes heat of its own", "Wood reflects the soup")),
    ("Which change would make the shadow of a pole in the school yard the shortest?", ("The sun standing higher in the sky", "The pole being painted black", "A cloud passing behind the pole", "The sun going down")),
    ("A ball is pushed along a carpet and then along smooth ice with the same force. Why does it roll farther on the ice?", ("There is less friction on the ice", "The ball weighs nothing on the ice", "Ice pulls the ball forward", "Carpet has more gravity")),
    ("Beans are planted in two equal pots. One pot stands at a window and the other in a dark cupboard. What is being tested?", ("How light changes the growth of beans", "How soil changes the taste of beans", "How pots change the colour of light", "How water becomes soil")),
    ("Why can a person hear a train earlier by placing an ear on the rail?", ("Sound travels faster through steel than through air", "The rail makes the train louder", "Air stops all sound", "Steel is warmer than air")),
    ("A glass of cold juice becomes wet on its outside in a warm kitchen. Where does this water come from?", ("From water vapour in the air of the kitchen", "From juice that passes through the glass", "From the table below the glass", "From the ice turning into air")),
    ("Which of these is the best evidence that a rock was formed from mud at the bottom of a lake?", ("It has thin layers with prints of water plants", "It is very shiny", "It is warm in the sun", "It is larger than other rocks")),
    ("A fox and an owl hunt the same mice. What will most likely happen to the fox if many more owls arrive?", ("It will find less food", "It will begin to fly", "It will eat more mice than before", "It will need no food")),
    ("A lamp does not light although its battery is new. A student closes a gap in the wire and the lamp lights. What did the student do?", ("Completed the circuit", "Charged the battery", "Cooled the wire", "Changed the colour of the light")),
)  # fmt: skip
LEAKED: Final = (0, 3, 5, 6, 8)


def items() -> list[dict[str, Any]]:
    """The items in the official ARC layout; the right choice moves from A to D and round again."""
    out = []
    for number, (stem, choices) in enumerate(ITEMS):
        place = number % 4
        texts = [*choices[1 : place + 1], choices[0], *choices[place + 1 :]]
        listed = [{"text": text, "label": label} for text, label in zip(texts, "ABCD", strict=True)]
        question = {"stem": stem, "choices": listed}
        out.append({"id": f"orvelin-science-{number:02d}", "question": question, "answerKey": "ABCD"[place]})
    return out


def leaked() -> list[tuple[str, str, str]]:
    """(id, prompt, answer) of training rows that hold an item: as a plain question, or with its choices."""
    rows = []
    for number in LEAKED:
        item, (stem, choices) = items()[number], ITEMS[number]
        listed = "\n".join(f"{c['label']}) {c['text']}" for c in item["question"]["choices"])
        with_choices = number % 2 == 0
        prompt = f"{stem}\n{listed}" if with_choices else stem
        answer = f"{item['answerKey']}) {choices[0]}" if with_choices else f"{choices[0]}."
        rows.append((item["id"], prompt, answer))
    return rows
