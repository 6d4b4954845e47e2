"""Words that carry a fact: negations, number words, months and weekdays, units, in the languages we know."""

from __future__ import annotations

from typing import Final

# One string a language.
NEGATIONS: Final = (
    "not no never none nobody nothing nowhere neither nor without cannot",
    "impossible disallowed forbidden prohibited",
    "nu nici niciodată nimic nimeni fără interzis interzisă imposibil",
    "nicht nichts nie niemals niemand kein keine keinen keinem keiner keines ohne weder verboten unmöglich",
    "ne pas jamais sans aucun aucune rien",
    "non senza nessuno nessuna niente",
    "sin nunca ningún ninguno ninguna nada",
    "não sem nenhum nenhuma",
    "не нет нельзя без никогда ничего",
    "bez nigdy żaden żadna",
    "不 没 沒 无 無 未 非 别 別 勿",
)

# Articles (un, o, ein) are left out: they count nothing. Each line holds the words for 0, 1, 2 ...
NUMBERS: Final = (
    "zero null 零", "one unu eins", "two doi două zwei 二 两", "three trei drei 三", "four patru vier 四",
    "five cinci fünf 五", "six șase sase sechs 六", "seven șapte sapte sieben 七", "eight opt acht 八",
    "nine nouă neun 九", "ten zece zehn 十", "eleven unsprezece elf", "twelve doisprezece douăsprezece zwölf",
)  # fmt: skip

# Times and places in an order; in each line the first is the number or the sign the words mean.
MORE_NUMBERS: Final = (
    "1 once einmal", "2 twice zweimal", "3 thrice dreimal", "0.5 half hälfte halbe halben halber jumătate",
    "0.25 quarter viertel sfert", "1st first erste ersten erster erstes primul prima",
    "2nd zweite zweiten zweiter zweites doilea doua", "3rd third dritte dritten dritter drittes treilea treia",
    "4th fourth vierte vierten vierter viertes patrulea patra", "5th fifth fünfte fünften cincilea cincea",
)  # fmt: skip

# Words after which capitals name one of several: option A, level IV.
LABELS: Final = (
    "mode option level type chapter version class grade step phase part section group category zone variant model"
    " size plan figure table appendix answer",
    "modus stufe typ kapitel klasse schritt teil abschnitt gruppe variante modell größe antwort",
    "mod modul modulul opțiune opțiunea nivel nivelul tip tipul capitol capitolul versiunea clasa pasul faza răspuns",
)

# The first word of each line stands for all of it.
DATES: Final = (
    "january januar ianuarie jan", "february februar februarie feb", "march märz martie", "april aprilie apr",
    "june juni iunie jun", "july juli iulie jul", "august aug", "september septembrie sep sept",
    "october oktober octombrie oct okt", "november noiembrie nov", "december dezember decembrie dec dez",
    "monday montag", "tuesday dienstag marți marti", "wednesday mittwoch miercuri", "thursday donnerstag joi",
    "friday freitag vineri", "saturday samstag sonnabend sâmbătă", "sunday sonntag duminică",
    "today heute azi astăzi", "tomorrow mâine", "yesterday gestern ieri",
    "noon mittag mittags amiază amiaza", "midnight mitternacht miezul",
)  # fmt: skip

# Words that are dates only beside a digit: "may" and Romanian "mai" (more) are not months elsewhere.
DATES_BESIDE_DIGITS: Final = ("may mai", "mar", "jan")

UNITS: Final = (
    "% percent prozent procente pct", "mg", "g gram grams gramm grame", "kg kilogram kilograms kilo", "µg mcg ug",
    "lb lbs pound pounds", "oz ounce ounces", "t ton tons tonne tonnes", "ml milliliter milliliters", "cl", "dl",
    "l liter liters litre litres litri", "gal gallon gallons", "cup cups", "tbsp tablespoon tablespoons",
    "tsp teaspoon teaspoons", "nm", "mm", "cm centimeter centimeters", "m meter meters metre metres metri",
    "km kilometer kilometers kilometre kilometres", "inch inches", "ft foot feet", "mi mile miles", "mph", "kmh",
    "ms millisecond milliseconds", "s sec secs second seconds sekunde sekunden secundă secunde",
    "min mins minute minutes minuten", "h hr hrs hour hours stunde stunden oră ore", "day days tag tage zi zile",
    "week weeks woche wochen săptămână săptămâni", "month months monat monate lună luni",
    "year years jahr jahre an ani", "bit bits", "byte bytes", "kb", "mb", "gb", "tb", "kib", "mib", "gib",
    "hz", "khz", "mhz", "ghz", "v volt volts", "mv", "kv", "amp amps ampere", "ma", "mah", "w watt watts", "kw",
    "mw", "kwh", "wh", "j joule joules", "kj", "kcal cal calories", "pa", "kpa", "mpa", "bar", "psi", "k", "c", "f",
    "rpm", "db", "px",
    "million millions millionen milion milioane", "billion billions milliarden miliarde",
    "thousand tausend mii", "hundred hundert sute",
    "$ dollar dollars usd", "€ euro euros eur", "£ gbp", "¥ yuan yen rmb",
    "lei ron leu", "am", "pm",
)  # fmt: skip

# Units wherever they stand, and words between a number and its unit.
UNITS_ANYWHERE: Final = ("c celsius", "f fahrenheit", "k kelvin")
BEFORE_UNITS: Final = ("degree degrees grad",)
