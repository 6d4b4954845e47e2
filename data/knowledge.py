"""Policies, explanations and product descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.story import MACHINES, Story, ask

PLANS: Final = ("Basic", "Plus", "Prime")

# questions, then answers with a figure for each plan, then sentences of which one or two are added
POLICIES: Final[tuple[tuple[tuple[str, ...], str, tuple[str, str, str], tuple[str, ...]], ...]] = (
    (("How long is the warranty with the {p} plan?", "Warranty period, {p} customers?"), "With the {p} plan every new machine is covered for {v}, counted from the day of the handover.", ("12 months", "24 months", "36 months"), ("Wear parts such as belts, cups and seals are not included.", "A change of owner does not end the cover.", "Keep the handover sheet, because it proves the first day.")),
    (("How fast does a technician come to {p} customers?", "We are on {p}. When will somebody be on site?"), "{p} customers see a technician within {v} after the call is accepted.", ("five working days", "two working days", "24 hours"), ("Remote help usually starts much earlier.", "On public holidays the clock stops for Basic and Plus.", "Please make sure that someone can open the gate.")),
    (("When can I call support on the {p} plan?", "Which support hours come with {p}?"), "The service desk answers {p} calls {v}.", ("from 8:00 to 17:00 on working days", "from 6:00 to 22:00 on working days", "at any hour, weekends included"), ("Tickets can be written at any time.", "Have the serial number ready, it is on the silver plate.", "Outside these hours the recorded message names the nearest partner.")),
    (("What discount on spare parts does {p} include?", "Do we pay the full price for parts as a {p} customer?"), "Spare parts cost {v} with the {p} plan.", ("the list price", "ten percent less than listed", "a fifth less than listed"), ("Express freight is charged separately.", "The discount does not apply to used machines.", "Prices are fixed for one calendar year.")),
    (("How many people may we send to training with {p}?", "Training places in the {p} plan?"), "The {p} plan includes {v} for operator training each year.", ("one free place", "four free places", "ten free places"), ("A course lasts two days and ends with a small test.", "Places that are not used expire in December.", "Courses are held in English, German and Romanian.")),
    (("How long does Line Hub keep our data on {p}?", "Data retention for {p}, please."), "Line Hub keeps counts and events of {p} accounts for {v}.", ("90 days", "one year", "five years"), ("You can export everything before it is deleted.", "Deleted data cannot be brought back, not even by us.", "Nobody outside your company sees these figures.")),
    (("How many machines can we connect to Line Hub with {p}?", "Is there a limit of machines in the {p} plan?"), "A {p} account connects {v}.", ("up to three machines", "up to twelve machines", "as many machines as you like"), ("Conveyors do not count as machines.", "An old machine can be taken off at any time.", "If you reach the limit, the hub tells you before it refuses.")),
    (("Who pays the travel costs of the technician on {p}?", "Are travel costs included in {p}?"), "For {p} customers, travel is {v}.", ("charged by the kilometre", "charged as one flat amount per visit", "included in the yearly fee"), ("Ferries and tolls are passed on without a surcharge.", "Two visits on one day count as one.", "The estimate is sent to you before anybody starts the car.")),
    (("How often is maintenance done under {p}?", "Does {p} include inspections?"), "Under the {p} plan we inspect each machine {v}.", ("once every two years", "once a year", "twice a year"), ("You receive a list with a traffic light for each station.", "The machine has to be empty and cold.", "An inspection takes half a day for each machine.")),
    (("What happens to an order that {p} customers cancel?", "Can I cancel a part order as a {p} customer?"), "{p} customers can cancel an order of parts free of charge {v}.", ("on the same day", "within three days", "until the parcel leaves our store"), ("Parts made to your drawing cannot be cancelled.", "The refund reaches your account within two weeks.", "Use the link in the confirmation to cancel.")),
    (("How quickly do {p} tickets get a first reply?", "Reply time for tickets on {p}?"), "A ticket from a {p} customer gets its first reply within {v}.", ("two working days", "eight working hours", "one hour"), ("A photo of the panel makes the answer faster.", "Choose the priority line down only if packs cannot be made.", "Replies go to everybody named in the ticket.")),
    (("May we lend the machine to a partner on {p}?", "Is moving the machine to another site allowed with {p}?"), "On the {p} plan you may move a machine to another site {v}.", ("after written consent", "after telling us two weeks ahead", "whenever you wish"), ("A safety check is needed before the first start in the new place.", "Abroad, the service rates of that country apply.", "Send us the new address so that parts go to the right door.")),
)  # fmt: skip

# concept: definition, reason, comparison, advice
CONCEPTS: Final[dict[str, tuple[str, str, str, str]]] = {
    "a photo eye": ("A photo eye is a sensor that sends out a beam of light and notices when something breaks it.", "The line uses it to know where each pack is.", "Think of the beam in a lift door that keeps it from closing on you.", "Wipe it with a soft cloth every day, because dust looks like a pack."),
    "changeover time": ("Changeover time is the time between the last good pack of one product and the first good pack of the next.", "It decides how small a batch can be before it costs more than it earns.", "A pit stop in a race is the same idea.", "Film one changeover and count the walks; most of the time is lost walking."),
    "a vacuum cup": ("A vacuum cup is a soft rubber lip that sticks to a surface when air is drawn out from under it.", "It lets a machine lift board and film without squeezing them.", "It works like a hook in a bathroom that holds without a screw.", "Change all cups of a bar together."),
    "an encoder": ("An encoder turns the movement of a shaft into pulses that the controller can count.", "Without it the machine would not know how far a belt has moved.", "It is like counting the clicks of a bicycle wheel with a card in the spokes.", "Check the cable first, since it breaks more often than the encoder."),
    "overall equipment effectiveness": ("Overall equipment effectiveness multiplies availability, speed and quality into one share.", "It shows in one figure how much of the planned time made good packs.", "A pupil who is present, quick and right gets full marks; missing any one lowers the whole.", "Look at the three parts before you look at the product of them."),
    "shrink film": ("Shrink film is a plastic film that was stretched when it was made and pulls back when it is heated.", "It holds bottles together without a box.", "A wool pullover in hot water behaves much the same.", "Store it cool, or it starts to shrink on the roll."),
    "a home position": ("The home position is the place from which a drive counts its way.", "All other positions are measured from there, so a wrong home makes everything wrong.", "It is the zero on a ruler.", "Move a station home after every hard stop."),
    "a guard lock": ("A guard lock keeps a door shut until everything behind it stands still.", "It protects hands from parts that run on after a stop.", "A washing machine that will not open during the spin has one too.", "Never hold it open with a piece of wire, not even for a test."),
    "compressed air quality": ("Compressed air quality says how much water, oil and dust the air contains.", "Wet air rusts valves from inside.", "You would not wash a clean car with dirty water either.", "Drain the water trap at the start of each week."),
    "a recipe on the panel": ("A recipe is the saved set of all values that belong to one product.", "It makes Tuesday's packs look like Monday's.", "A cook who writes down the oven time does the same.", "Lock recipes, and change a copy when you want to try something."),
    "the infeed gap": ("The infeed gap is the free space between two packs as they enter the machine.", "If it is too small, two packs are taken for one.", "Cars on a motorway need distance for the same reason.", "Set it to half a pack at first and close it slowly."),
    "hot melt glue": ("Hot melt is a glue that is liquid when hot and holds as soon as it cools.", "A carton can be closed and stacked within a second.", "Candle wax on a table cloth shows how it grips.", "Too hot is as bad as too cold, because burnt glue blocks the nozzle."),
    "a light curtain": ("A light curtain is a row of beams that stops the machine when a hand passes through.", "It guards openings where packs must come out freely.", "Imagine an invisible door.", "Test it with the black rod at each change of shift."),
    "preventive maintenance": ("Preventive maintenance means replacing parts before they fail.", "A planned hour on Friday is cheaper than a broken Monday.", "You change the oil of a car before the engine stops.", "Start with the parts that stopped you last year."),
    "the reject bin sensor": ("The reject bin sensor checks that a rejected pack really fell into the bin.", "It prevents a bad pack from staying on the belt unseen.", "A letter box with a bell would tell you that the letter is inside.", "Empty the bin before it is full, or the sensor stops the line."),
    "a buffer table": ("A buffer table is a wide belt that collects packs while the next machine stands.", "Short stops no longer travel through the whole line.", "It is the waiting room of the line.", "Run it half empty, so that there is room in both directions."),
    "static electricity on film": ("Static is charge that builds up when film slides over rollers.", "It makes film cling, attracts dust and gives people small shocks.", "A balloon rubbed on hair sticks for the same reason.", "Check that the copper brushes touch the film."),
    "the batch code": ("The batch code is a short mark that tells when and where a pack was made.", "With it a problem can be limited to a few pallets.", "It is the birthday of the pack.", "Compare the first and the last code of each roll by eye."),
    "torque": ("Torque is turning force, measured in newton metres.", "A cap closed with too little torque leaks and one with too much cannot be opened.", "A longer spanner gives more of it with the same arm.", "Measure five caps an hour, not one."),
    "a network switch in the cabinet": ("The switch in the cabinet joins the panel, the drives and Line Hub to one network.", "If its lamps are dark, nothing talks to anything.", "It is the post office of the machine.", "Do not plug an office computer into a free socket."),
    "a servo drive": ("A servo drive moves a motor to an exact place and keeps it there.", "It replaces cams, so a new format is a number and not a new part.", "A hand that puts a cup down without looking does what a servo does.", "Keep its fan free, because heat is what ends its life."),
    "the dew point": ("The dew point is the temperature at which the water in the air turns into drops.", "It tells whether valves will get wet.", "A cold bottle on a summer table shows it.", "Keep it well below the temperature of the hall."),
    "a golden sample": ("A golden sample is one perfect pack that is kept for comparison.", "People agree sooner when they look at the same thing.", "It is the tuning fork of packing.", "Replace it each year, since colours fade."),
    "mean time between stops": ("Mean time between stops is the running time divided by the number of stops.", "It shows small stops that nobody writes down.", "A sleeper who wakes every hour is tired even after eight hours in bed.", "Track it by station, then start with the worst."),
}  # fmt: skip
CONCEPT_PROMPTS: Final = (
    "What is {c}?",
    "Explain {c} to someone on the first day.",
    "Why do we need to care about {c}?",
    "In two or three sentences: {c}.",
)

AUDIENCES: Final = (
    ("Describe the {m} for our catalogue.", "The Orvelin {m} is a {kind} that {job}. It reaches {speed} {unit} a minute, needs {power} kW and {air} bar of air, and is only {width} cm wide. What users like most: {strength}."),
    ("Explain to a buyer what the {m} {kind} does.", "In one sentence: it {job}. You would buy it if you make up to {speed} {unit} a minute and have little room, since it takes {width} cm of the line. One more point in its favour: {strength}."),
    ("Write two sentences about the {m} for a trade fair sign.", "{m}: the {kind} for people who change formats often. Come and see how {strength}!"),
    ("Which connections does the {m} need?", "The {kind} {m} needs a power supply of {power} kW, compressed air at {air} bar and one network cable. Leave {width} cm across the line plus a step on each side for the doors."),
    ("Is the {m} fast enough for {less} {unit} a minute?", "Yes. The {m} runs at up to {speed} {unit} a minute, so at {less} it has a reserve of {gap}. Plan the reserve for short stops and do not sell it twice."),
    ("Is the {m} fast enough for {more} {unit} a minute?", "No. Its limit is {speed} {unit} a minute, which is {gap} short of what you need. Two machines side by side, or a larger model on request, would do it."),
    ("Give me a table with the main figures of the {m}.", "| figure | value |\n| --- | --- |\n| type | {kind} |\n| speed | {speed} {unit} a minute |\n| power | {power} kW |\n| air | {air} bar |\n| width | {width} cm |"),
)  # fmt: skip


def policies(draw: Draw) -> Iterator[Story]:
    """Every policy for every plan; the figure comes from the plan, the remarks are drawn."""
    for prompts, answer, values, remarks in POLICIES:
        for place, plan in enumerate(PLANS):
            prompt = prompts[place % 2] if draw.below(3) else prompts[(place + 1) % 2]
            told = " ".join([answer.format(p=plan, v=values[place]), *draw.sample(remarks, draw.between(1, 2))])
            yield ask(prompt.format(p=plan), told, "policy")


def explanations(draw: Draw) -> Iterator[Story]:
    """Every concept three times: another question and another choice of definition, reason, comparison, advice."""
    for concept, parts in CONCEPTS.items():
        choices = ((0, 2), (0, 1, 3), (1, 2, 3), (0, 1))
        for prompt, chosen in zip(draw.sample(CONCEPT_PROMPTS, 3), draw.sample(choices, 3), strict=True):
            yield ask(prompt.format(c=concept), " ".join(parts[i] for i in chosen), "explanation")


def descriptions(draw: Draw) -> Iterator[Story]:
    """Every machine for every audience."""
    for machine in MACHINES:
        figures = {name: getattr(machine, name) for name in ("kind", "job", "speed", "unit", "power", "air", "width")}
        for prompt, answer in AUDIENCES:
            gap = draw.between(2, max(3, machine.speed // 4))
            words = {"m": machine.name, "strength": machine.strength, "gap": gap, "less": machine.speed - gap}
            words |= {"more": machine.speed + gap} | figures
            yield ask(prompt.format(**words), answer.format(**words), "product")
