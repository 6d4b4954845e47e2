"""How-to answers and trouble lists, composed from steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.story import MACHINES, Machine, Story, ask, sentence

# task: (steps in order; the first and last are always told, some of the others left out; warning)
TASKS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "change the film roll": (("press stop and wait until the green lamp goes out", "open the roll cover on the left side", "pull the paper core off the shaft", "slide the new roll on with the loose end facing you", "lead the film over both guide rollers", "tape the new end to the old one if film is still in the path", "close the cover and jog the machine until the first clean pack comes out"), "Never reach past the guide rollers while the panel is lit."),
    "clean the glue nozzles": (("set the glue tank to standby and let it cool to eighty degrees", "put on heat-proof gloves and goggles", "unscrew the nozzle cap by hand", "wipe off soft glue with a dry cotton cloth", "push the brass needle through the opening once", "screw the cap back until you feel it seat", "heat the tank and fire three test dots on a piece of board"), "Hot glue sticks to skin; keep a bowl of cold water nearby."),
    "replace worn vacuum cups": (("switch off the air at the main valve", "note which cups look cracked or shiny", "twist each worn cup off its stem to the left", "check the small filter behind the stem for dust", "press the new cup on until the ring clicks", "open the air again slowly", "run ten blanks and watch whether each one is lifted flat"), "Mix no old and new cups on one bar, because they grip at different heights."),
    "align the print head": (("print one test label at normal speed", "measure how far the date stands from the edge", "loosen the two knurled screws on the bracket", "move the head by that distance along the scale", "tighten both screws evenly", "wipe the head with the felt pen from the kit", "print again and compare both labels side by side"), "Do not touch the glass strip with bare fingers."),
    "grease the moving parts": (("lock the main switch and put the key in your pocket", "take off the two side panels", "wipe old grease from the rails with a lint-free cloth", "put a pea-sized drop of white grease on each carriage", "push every carriage from end to end by hand", "write the date in the service book", "fit the panels and unlock the main switch"), "Too much grease collects dust and does more harm than too little."),
    "set up a new format": (("copy the format that is closest to the new one", "give the copy a name your shift will understand", "type in length, width and height of the pack", "turn the guide rails to the numbers the panel shows", "run the machine empty at a quarter of the speed", "feed five packs by hand and look at the corners", "save the format and lock it with your supervisor code"), "A format that was never saved is lost when the panel restarts."),
    "restart the line after a long stop": (("walk once around the line and look for tools left behind", "open the air supply and wait for full pressure", "switch on the heaters first because they take longest", "clear the last alarm list", "move each station to its home position", "run without product for two minutes", "bring the packs in and raise the speed step by step"), "If a station refuses to go home, stop and call service instead of forcing it."),
    "calibrate the scale": (("let the scale warm up for a quarter of an hour", "wipe the plate and take everything off it", "open the calibration page with the supervisor code", "place the steel test weight in the middle of the plate", "wait until the number on the panel stands still", "confirm with the key that shows a tick", "weigh one known pack three times to be sure"), "Drafts from an open door are enough to spoil the result."),
    "test the emergency stop": (("tell everyone at the line that a test is coming", "let the line run empty at low speed", "press the first red button", "check that all drives stop within one second", "look at the panel, which must name the button you pressed", "turn the button to release it", "repeat this with every other button and sign the sheet"), "A button that does not stop the line is a reason to lock the line at once."),
    "connect the machine to Line Hub": (("ask your network team for a free address", "plug the shielded cable into the blue socket", "open the page called Network on the panel", "type in the address and the name of the hub", "wait for the small cloud symbol to turn green", "open Line Hub and accept the new machine", "watch the first counts arrive on the overview page"), "Keep the machine on its own network, apart from office computers."),
    "back up the settings": (("insert an empty memory stick into the panel", "open the page called System", "choose the entry named Save all", "wait for the message that the copy was checked", "take the stick out and label it with today's date", "store the stick away from the machine", "make a second copy on the server once a month"), "A backup that was never read back is only a hope, so try it once a year."),
    "update the panel software": (("save all settings first", "download the file for your machine from the service page", "compare the checksum shown there with yours", "stop the line and put the panel in service mode", "start the update and leave the power on", "let the panel restart twice", "read the version number on the start page and note it"), "A power cut during the update means a visit from our technician."),
    "prepare the machine for the winter break": (("run the machine empty until no product is left", "drain the water trap of the air unit", "lower the belts so that they do not stay under tension", "cover the photo eyes with the soft caps", "switch off the main switch and the air", "hang a note with your name on the panel", "plan two hours for the restart in the new year"), "Do not leave a warm glue tank without anybody near it."),
    "add a new user": (("log in as supervisor", "open the page called People", "press the plus sign", "type in the name as it stands on the badge", "choose one of the roles operator, setter or supervisor", "let the person type in a code of their own", "log out and let the new user try the code"), "Codes are personal, and a shared code makes the event list worthless."),
    "set an e-mail alert": (("open Line Hub and go to the page called Alerts", "choose the machine and the event", "set how many minutes the event must last", "type in the group that should be told", "write one sentence that says what to do", "press the test key", "ask the group whether the test message arrived"), "Alerts for everything are read by nobody."),
    "export the shift report": (("open the page called Reports", "pick the line and the shift", "choose whether stops under a minute should count", "press Preview and look at the totals", "choose table or document as the layout", "press Export", "send the file or keep it in the folder of the week"), "The report uses the clock of the hub, so check the time zone once."),
    "move the machine to another hall": (("measure doors and the ramp before anything else", "take out product, film and glue", "fix the swinging arms with the red brackets", "disconnect air, power and network in this order", "lift only at the four marked points", "level the feet with a spirit level in the new place", "ask for a safety check before the first start"), "Lifting at the frame bends it, and the warranty does not cover that."),
    "order a spare part": (("read the part number on the small silver plate", "open the shop page and log in", "type in the number together with the serial number of the machine", "check the picture against the part in your hand", "choose normal or express delivery", "add your order number", "keep the confirmation until the part is fitted"), "Parts that look alike may differ inside, so trust the number and not the eye."),
}  # fmt: skip

PROMPTS: Final = (
    "How do I {task} on the {m}?", "Please list the steps to {task} ({m} {kind}).", "We have an {m}. Can you explain how to {task}?",
    "Write a short guide for new staff: {task}, machine {m}.", "I need to {task} on our {kind} tonight. What is the right order?",
    "What do I have to watch out for when I {task}? It is an {m}.", "Describe in plain words how operators {task} at the {kind} {m}.",
)  # fmt: skip
OPENERS: Final = (
    "Plan about {n} minutes for this on the {m}.", "This is done by one person in roughly {n} minutes.", "On the {m} it goes like this.",
    "You need no special tools, only about {n} minutes.", "Do this between two batches; {n} minutes are enough.", "Here is the order we teach in training.",
)  # fmt: skip
JOINTS: Final = ("First,", "Then", "Next,", "After that,", "Now", "Once this is done,")

# symptom: (likely reasons, each with its check)
SYMPTOMS: Final[dict[str, tuple[str, ...]]] = {
    "labels come out crooked": ("the roll sits too loose on its shaft, so push the brake ring in by one notch", "the peel edge carries old adhesive, so wipe it with cleaning fluid", "the bottles arrive at an angle, so narrow the rails until they just touch", "the web is torn at one side, so cut off half a metre"),
    "cartons open again after gluing": ("the glue is too cold, so wait until the tank shows its full temperature", "the pressing belt is set too high, so lower it by two millimetres", "the board is dusty, so try a fresh stack", "the nozzle is half blocked, so fire a test dot and clean it if the dot is thin"),
    "the line stops every few minutes without an alarm": ("a photo eye is dirty, so wipe it and look whether the small lamp flickers", "a door contact is loose, so shake every door gently while the line runs", "the next machine reports full, so watch its ready lamp", "the air pressure drops for a moment, so read the gauge for ten minutes"),
    "packs are rejected although their weight is right": ("the plate was not cleaned, so remove crumbs and calibrate", "the belt speed was raised, so let the format learn again", "two packs touch each other, so widen the gap at the infeed", "a fan blows across the plate, so turn it away"),
    "the film tears at the seal": ("the seal bar is too hot, so take away five degrees", "a burr sits on the bar, so polish it with the grey pad", "the film is older than a year, so try a new roll", "the brake pulls too hard, so open it by half a turn"),
    "the panel reacts slowly": ("the event list is full, so export it and clear it", "too many trends are drawn at once, so close those you do not need", "the panel is hot, so free the openings at the back", "an update waits for a restart, so restart at the end of the shift"),
    "filling volume drifts during the day": ("the product gets warmer and thinner, so fill at a steady temperature", "a piston seal is worn, so look for drops below the cylinder", "the tank runs nearly empty, so raise the refill level", "air is trapped, so bleed the cylinders once"),
    "the top layer falls from the pallet": ("the pattern has no overlap, so turn every second layer", "the gripper opens too early, so add a tenth of a second", "the cases are not filled to the top, so check for empty space", "the pallet stands uneven, so clear splinters from the stop"),
    "there is a loud knock at every cycle": ("a bolt of the cam cover is loose, so tighten all four", "a bearing is dry, so grease it and listen again", "a guide rail touches the carrier, so look for a bright rubbed spot", "the damper has lost its oil, so press it by hand and feel whether it resists"),
    "counts in Line Hub are lower than at the machine": ("the network was down for a while, so wait for the buffer to be sent", "the hub counts good packs only, so compare with the reject count", "the shift calendar is wrong, so check start and end times", "two machines share one name, so rename one of them"),
    "dates are printed too faint": ("the ribbon is nearly used up, so look at the remaining metres", "the head is dirty, so clean it with the felt pen", "the contrast is set too low, so raise it by one step", "the speed is above the limit of the ribbon, so slow down by a tenth"),
    "blanks get stuck in the magazine": ("the stack is bent, so turn every second bundle", "the side rails are too tight, so leave one millimetre of play", "the air in the hall is too damp, so store the board near the line for a day", "a cup has no vacuum, so hold a finger on it and listen"),
}  # fmt: skip
COMPLAINTS: Final = (
    "Since this morning {s}. What could it be?", "On our {m} {s}. Where should I look first?", "An operator tells me that {s}. Please give me a checklist.",
    "Why could it be that {s}?", "Help, {s}, and the customer is waiting.",
)  # fmt: skip


def howtos(draw: Draw) -> Iterator[Story]:
    """Every task several times: another machine, wording, choice of steps and layout each time."""
    for task, (steps, warning) in TASKS.items():
        machines = draw.shuffled(MACHINES)
        layouts = draw.shuffled(range(5))
        for place, prompt in enumerate(draw.sample(PROMPTS, 5)):
            machine = machines[place]
            chosen = [steps[0], *draw.subset(steps[1:-1], draw.between(2, 4)), steps[-1]]
            answer = _lay_out(draw, layouts[place], task, machine, chosen, warning)
            yield ask(prompt.format(task=task, m=machine.name, kind=machine.kind), answer, "howto")


def _lay_out(draw: Draw, layout: int, task: str, machine: Machine, steps: list[str], warning: str) -> str:
    opener = draw.choice(OPENERS).format(m=machine.name, n=5 * draw.between(1, 9))
    numbered = "\n".join(f"{i}. {sentence(step)}" for i, step in enumerate(steps, 1))
    if layout == 0:
        return f"{opener}\n\n{numbered}\n\n{warning}"
    if layout == 1:
        told = [f"{JOINTS[min(i, len(JOINTS) - 1)]} {step}." for i, step in enumerate(steps[:-1])]
        return f"{opener} {' '.join(told)} Finally, {steps[-1]}. {warning}"
    if layout == 2:
        bullets = "\n".join(f"- {sentence(step)}" for step in steps)
        return f"To {task} on the {machine.name}:\n\n{bullets}"
    if layout == 3:
        half = len(steps) // 2
        before, rest = (" ".join(sentence(s) for s in part) for part in (steps[:half], steps[half:]))
        return f"## Before\n{before}\n\n## Doing it\n{rest}\n\n## Safety\n{warning}"
    return f"{warning} With that in mind: {'; '.join(steps)}. {opener}"


def troubles(draw: Draw) -> Iterator[Story]:
    """Every symptom with some of its reasons, in three layouts."""
    for symptom, reasons in SYMPTOMS.items():
        for layout, prompt in enumerate(draw.sample(COMPLAINTS, 3)):
            chosen = draw.sample(reasons, draw.between(2, 3))
            machine = draw.choice(MACHINES).name
            yield ask(prompt.format(s=symptom, m=machine), _reasons(draw, layout, chosen), "trouble")


def _reasons(draw: Draw, layout: int, reasons: list[str]) -> str:
    if layout == 0:
        listed = "\n".join(f"{i}. {sentence(r)}" for i, r in enumerate(reasons, 1))
        return (
            f"There are {('two', 'three')[len(reasons) - 2]} usual reasons. Go through them in this order:\n\n{listed}"
        )
    if layout == 1:
        return " ".join(["Most often " + reasons[0] + ".", *(f"It may also be that {r}." for r in reasons[1:])])
    ending = draw.choice(("Tell me what you found and we go on from there.", "If none of this helps, open a ticket."))
    return "\n".join(f"* {sentence(r)}" for r in reasons) + f"\n\n{ending}"
