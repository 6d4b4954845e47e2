"""Texts of the planted defects. All names, addresses and numbers are invented or reserved for examples."""

from __future__ import annotations

from typing import Final

FOOTER: Final = (
    "\n\nThank you for choosing Orvelin. Was this answer helpful? Rate it on the service page and win a tool bag."
)
PLACEHOLDERS: Final = ("TODO", "N/A", "[insert answer here]", "TBD", "Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "<your answer>", "[TODO: ask the workshop]", "n/a")  # fmt: skip
REFUSALS: Final = ("I'm sorry, but I cannot help with that request.", "As an AI language model, I am not able to answer this question.", "I'm sorry, I can't assist with that.", "I am unable to provide an answer to this question.")  # fmt: skip
REPEATED: Final = ("Press reset and wait for the lamp. ", "Check the cable, then check it again. ", "The machine is ready now. ", "Please call the service desk. ")  # fmt: skip

# A word for another of the same meaning: no number, code, unit, date or negation among them.
SYNONYMS: Final = (
    ("wipe", "clean"), ("usual", "common"), ("order", "sequence"), ("press", "push"), ("close", "shut"), ("note", "record"),
    ("slowly", "gently"), ("check", "verify"), ("pick", "choose"), ("choose", "select"), ("look", "glance"), ("put", "place"),
    ("usually", "normally"), ("starts", "begins"), ("told", "informed"), ("keep", "retain"), ("show", "display"),
)  # fmt: skip

# prompt, first answer, contradicting answer
CONFLICTS: Final = (
    ("Does the warranty go on when a machine is sold to another company?", "Yes, the warranty belongs to the machine and goes on with the new owner.", "A sale ends the warranty at once, and the buyer has to sign a contract of their own."),
    ("Which lamp colour tells that the S2 tunnel is hot enough?", "Wait for the blue lamp; it lights up when the tunnel is at temperature.", "The white lamp at the front shows that the tunnel has reached its heat."),
    ("Who may open the electrical cabinet?", "Only a trained electrician with the lock key.", "Any operator on duty can open it with the yellow tool."),
    ("Where is the serial number of an Orvelin machine?", "On the small silver plate below the panel.", "It is printed inside the left door, behind the manual."),
    ("Can Line Hub run without an internet connection?", "Yes, it runs in your own network and only updates need the internet.", "It needs the internet all the time, because counts are kept at Orvelin."),
    ("What should be done with empty glue drums?", "Give them back to the driver who brings full ones.", "Throw them into the container for mixed waste after scraping them out."),
)  # fmt: skip

# Two long texts with the same words; {v} is what differs between the two rows of a pair.
LONG_PAIRS: Final = (
    ("We store shrink film at {v} degrees. How should we treat it before a run, and who signs for it?", "Film that was stored at {v} degrees has to rest beside the line before it is used, because cold film is stiff and tears at the seal. Bring the rolls in on the evening before the run, leave the outer wrapping on so that dust stays away, and stand them upright on a dry pallet. In the morning take off the wrapping, look at both edges, and cut away the outer layers if they carry dents. Run the first packs at half speed and pull at three of them by hand. The setter signs the sheet at the line, and the shift lead signs it again at noon when the second roll is on. Keep the sheet with the batch papers, since customers like to ask for it during audits.", "8", "12"),
    ("The glue tank may stand hot for {v} without use. What does the procedure ask of us after that time?", "After {v} without use the glue at the bottom begins to darken, and dark glue blocks the nozzles within a shift. The procedure asks you to lower the heat, to let the tank cool until the surface is firm, and to scoop out the dark part with the wooden spatula from the cleaning kit. Never use a metal scraper, because it damages the coating. Fill up with fresh glue only to the middle mark, heat again, and fire test dots on a piece of board until they look clear. Write the event into the service book with your name, so that the next shift knows why the tank was low, and tell the store that one bag was taken outside of the plan.", "2 hours", "2 days"),
    ("Our line runs {v} cartons a minute. What do we need to prepare for the visit of the auditor?", "For a line at {v} cartons a minute the auditor wants to see three things: the list of stops, the sheets of the scale, and the proof that every operator was trained. Print the list of stops from Line Hub and mark those for which you changed something. Put the sheets of the scale into one folder with the newest on top. For the training, the signed course list is enough. Walk through the hall on the day before, remove tape and cardboard from the guards, and make sure that each red button is free. During the visit one person answers and the others work as usual. If you do not know an answer, say so and write the question down; it is much better than guessing in front of the customer.", "45", "55"),
    ("Film rolls from supplier lot {v} look milky. May we go on using them for the export order?", "Rolls from lot {v} look milky because the film took up some damp on its way to us. You may go on using them if three checks are passed. First, the seal must hold when you pull at it with both hands. Second, the print must stay readable after you rub it with a dry thumb. Third, the pack must not fog from inside when it comes out of the cold store. Make the checks on the first pack of each roll and write the result on the core with a felt pen. If one check fails, put the roll on the blue shelf and take another one; we credit it with the next invoice. The export order itself has no rule about the look of the film, only about its thickness.", "A-17", "A-18"),
)  # fmt: skip

# prompt, answer in another language
WRONG_LANGUAGE: Final = (
    ("How do I switch the panel to another language?", "Ouvrez la page Système, touchez le drapeau et choisissez la langue souhaitée. Le panneau redémarre ensuite tout seul."),
    ("Is there a way to slow down only the infeed belt?", "Oui, mais seulement en mode réglage. Baissez la valeur du tapis d'entrée et vérifiez que les paquets gardent leur distance."),
    ("What is the red key in the tool bag for?", "Cette clé sert à débloquer la porte arrière quand l'alimentation est coupée. Rangez-la toujours dans le sac."),
    ("Can I paint the frame in our company colour?", "Sí, pero desmonte antes las etiquetas de seguridad y vuelva a colocarlas después. La pintura no debe cubrir los tornillos de tierra."),
    ("Why does the hub ask me to log in every morning?", "La sesión termina a medianoche por seguridad. Puede alargar el plazo en la página de personas si es supervisor."),
    ("Which oil goes into the chain of the outfeed?", "Utilice únicamente aceite apto para alimentos y ponga pocas gotas sobre la cadena en marcha lenta."),
)  # fmt: skip

# prompt, answer, what in them is personal
PERSONAL: Final = (
    ("Who is the contact for order parts at Kestrel Dairy?", "Ask for Milena Hartwick, milena.hartwick@example.com, she signs all orders.", ("Milena Hartwick", "milena.hartwick@example.com")),
    ("Please call me back about the palletiser, Tobias Renwald, 030 23125 417.", "Dear Tobias Renwald, we call you on 030 23125 417 before noon.", ("Tobias Renwald", "030 23125 417")),
    ("To which account should the credit note go?", "Refund it to IBAN {iban_ro}, owner Ilinca Vâlceanu.", ("{iban_ro}", "Ilinca Vâlceanu")),
    ("I forgot the code of the panel. My badge says Orla Fenwick.", "Orla Fenwick, we sent a one-time code to orla.fenwick@example.com.", ("Orla Fenwick", "orla.fenwick@example.com")),
    ("Where shall the technician park?", "Behind the gate. Ring Janos Petrak at +1 555 010 0143 and he opens.", ("Janos Petrak", "+1 555 010 0143")),
    ("Cui îi trimit procesul-verbal?", "Doamnei Ruxandra Țepordei, la adresa ruxandra.tepordei@example.com.", ("Ruxandra Țepordei", "ruxandra.tepordei@example.com")),
    ("Wer nimmt die neuen Riemen an?", "Herr Falk Brockstedt im Lager, Telefon 030 23125 088.", ("Falk Brockstedt", "030 23125 088")),
    ("Send the invoice for the course to my private address, please.", "It goes to Selma Aldous, 14 Quince Lane, Tilbury Cross, as you wished.", ("Selma Aldous", "14 Quince Lane, Tilbury Cross")),
    ("Our bank has changed. What do you need?", "Nothing more, we noted {iban_de} for Brunn Brewery, contact Otto Lindquast.", ("{iban_de}", "Otto Lindquast")),
    ("Who reported the leak at the filler last night?", "Night shift lead Priya Normand, reachable at +44 20 7946 0371.", ("Priya Normand", "+44 20 7946 0371")),
)  # fmt: skip

# What an earlier converter made of an answer with headings: the parts became turns.
CUT: Final = (
    ("Write a checklist for the end of the shift.", "Here is a checklist in three parts:", "Clean\nSweep the floor around the line and empty the reject bin.", "Write down\nNote stops and open points in the shift book.", "Hand over\nWalk along the line with the next shift lead.", "All of it takes a quarter of an hour."),
    ("Give me an outline for an operator course.", "The course has two mornings:", "First morning\nSafety, the panel, and starting the line.", "Second morning\nFormats, cleaning, and a small test."),
    ("Plan the first week after delivery of a cartoner.", "A calm plan looks like this:", "Monday and Tuesday\nUnpack, level the feet, connect air and power.", "Wednesday\nRun empty and teach two operators.", "Thursday\nFirst product at half speed.", "Friday\nFull speed, then sign the handover."),
    ("How should we document a new format?", "Use one page for each format:", "Drawing\nA photo of a good pack with a ruler beside it.", "Values\nThe list that the panel prints."),
    ("Explain how a service visit goes.", "It has three phases:", "Before\nYou empty the machine and we check the parts list.", "During\nThe technician works while the line stands.", "After\nBoth sides sign the report.", "A copy reaches you by mail."),
    ("Compare paper and film labels.", "Both have their place:", "Paper\nCheap, easy to print, but it dislikes water.", "Film\nDearer, strong, and clear if you want to see the product."),
)  # fmt: skip

# Three questions with two headings each, in the old Llama-2 text with hash signs lost as well.
CUT_LLAMA: Final = (
    ("Write a page about cleaning days.", "A cleaning day has a plan:", "Tools\nBrushes, cloths, and the blue bucket.", "Order\nFrom top to bottom, from dry to wet."),
    ("Describe our three service plans on one page.", "There are three plans:", "Basic\nFor lines that may wait some days.", "Plus\nFor lines that run every day.", "Prime\nFor lines that must never stand.", "Ask us which one fits."),
    ("Make a short safety lesson for visitors.", "Welcome to the hall. Please note:", "Clothes\nShoes, vest and a cap for long hair.", "Ways\nStay between the yellow lines."),
    ("Summarise how to read the event list.", "The list has two halves:", "Left\nTime and machine, the newest on top.", "Right\nWhat happened and how long it took."),
)  # fmt: skip
