"""Conversations of several turns, composed from scenes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.story import MACHINES, Story

OPENINGS: Final = (
    ("Hi, I am new at the {m}. Can I ask you something?", "Of course. What would you like to know about the {m}?"),
    (
        "Good morning, our {kind} stands still.",
        "Good morning. Is there a message on the panel, and do you hear the air?",
    ),
    ("Hello, quick question about our {m}.", "Hello! Go ahead, I am listening."),
    ("We have a problem in {place}.", "I am sorry to hear that. Which machine is it and what does it do?"),
    ("Are you the right contact for the {kind}?", "Yes, for the {m} and everything connected to it."),
)
PLACES: Final = ("the first hall", "the bottling room", "the cold store", "packing", "the new building")

# user, assistant, user, assistant
SCENES: Final = (
    ("The first pack after every break is bad. Is that normal?", "It happens when the heaters cool down during the break. How long is the break?", "About {n} minutes.", "Then set the standby temperature {n} degrees below the working one instead of switching off. The first pack should be fine after that."),
    ("Which cloth should we use for the sensors?", "A soft, dry, lint-free one. No paper, because it scratches.", "And if they are really greasy?", "Put {n} drops of window cleaner on the cloth, never on the sensor itself."),
    ("The panel asks for a code and nobody knows it.", "Every supervisor has a personal code. Who was the supervisor before?", "He left {n} weeks ago.", "In that case we send a one-time code to the address in your contract. Use it to make a new supervisor, then remove the old one."),
    ("How many spare belts should we keep?", "That depends on how many hours the line runs each day.", "We run {n} hours.", "Then two belts are enough, plus one more in the months before the holidays. Write the delivery time on the shelf."),
    ("Could you check our network? The counts are wrong.", "I can look at the hub, but not into your network. Since when do you see wrong counts?", "For {n} days, I think.", "There is a gap in the buffer for exactly that time. Please restart the switch in the cabinet and tell me whether the symbol turns green."),
    ("A colleague wants to bypass a door switch for a test.", "Please do not do that, even for a minute. What do you want to test?", "We want to look at the gripper while it moves.", "Use the jog key with the door open: the gripper then moves slowly, {n} centimetres at a time, and stops as soon as you let go."),
    ("We would like to run thinner film.", "That works on most machines. How thin is it?", "About {n} hundredths of a millimetre.", "Lower the brake by one step and the seal by some degrees, then pull at ten packs by hand. If all of them hold, save the values as a new recipe."),
    ("Is it worth repairing the old gearbox?", "Let us compare. How many years has it run?", "{n} years, in two shifts.", "After that time the bearings are at their end. A new gearbox costs more today, yet a repaired one will stop you again within the year."),
    ("Can we get the manual on paper?", "Yes, one printed copy comes with each machine. Has yours been lost?", "It got wet, {n} pages are missing.", "I have ordered a new copy for you. Until it arrives you can read the same text on the panel under Help."),
    ("The line is loud. Is something broken?", "Not necessarily. Where does the noise come from?", "From the infeed, every {n} seconds.", "That rhythm fits the pusher. Look at its damper: if you can press it without effort, it is empty and should be replaced."),
    ("We want to add a second labeller behind the first.", "Good idea if the rest of the line can follow. What is your speed today?", "We reach {n}0 a minute on a good day.", "Then leave one metre between them and connect the ready signals. I can send you a drawing with the distances."),
    ("Who may change recipes in your system?", "Only setters and supervisors; operators can load them.", "We have {n} people who should be able to.", "Give them the role of setter. Each change is then kept with a name and a time, which helps when something goes wrong."),
)  # fmt: skip
CLOSINGS: Final = (
    ("Thanks, that helps.", "You are welcome. Have a quiet shift!"),
    ("Great, I will try it after lunch.", "Good luck, and write to me if it does not work."),
    (
        "Could you send me that in writing?",
        "Certainly. I have put this conversation into your ticket, where you can print it.",
    ),
    (
        "And whom do I call at night?",
        "The number is on the yellow sticker beside the main switch. With the Prime plan somebody always answers.",
    ),
    ("What does this cost us?", "Nothing, it is part of your service plan."),
)


def chats(draw: Draw) -> Iterator[Story]:
    """Every scene several times, with and without opening and closing."""
    for scene in SCENES:
        openings, closings = draw.shuffled(OPENINGS), draw.shuffled(CLOSINGS)
        for form in range(5):
            machine = draw.choice(MACHINES)
            turns: tuple[str, ...] = scene if form else scene[:2]
            turns = (*openings[form], *turns) if form % 2 else turns
            turns = (*turns, *closings[form]) if form > 1 else turns
            words = {"m": machine.name, "kind": machine.kind, "place": draw.choice(PLACES), "n": draw.between(2, 9)}
            yield Story(tuple(turn.format(**words) for turn in turns), "chat")
