"""The vocabulary of a household call: numbers in words, names, timer labels, and words of everything else."""

import random

from .grammar import listed

UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
UNITS += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october"]
MONTHS += ["november", "december"]

LABELS = listed("""
    tea eggs pasta laundry pizza bread rice coffee oven cake soup chicken potatoes cookies dinner lunch nap homework
    washing dryer dishes noodles roast vegetables beans medicine exercise workout break meeting study reading dog
    shower bath car parking school game porridge toast fish steak lasagna muffins dough dessert garden sprinkler
    plants call baby breakfast sauce stew curry salmon yoga meditation plank guitar piano
""")

FIRST_NAMES = listed("""
    anna maria peter john mary sarah tom emma david lisa james laura paul julia michael kate daniel sophie mark ben
    alex sam max leo mia zoe ivy noah liam olivia ava lucas ella henry jack grace oliver emily william chloe george
    alice harry lily charlie ruby oscar jessica simon rachel martin helen robert susan steven karen kevin linda
    brian nancy eric amy adam claire luke nina victor diana frank rose arthur clara felix eva hugo iris ravi priya
    arjun anita sanjay meera amir leila omar fatima yusuf noor ahmed aisha hassan sara chen wei ming yuki hana kenji
    akira carlos elena diego sofia pablo lucia marco giulia luca chiara pierre marie jean louise hans greta fritz
    ingrid lars astrid sven freya olga ivan natasha dmitri anya boris rob bob joe tim jim ann sue pat kim lee dan
    nick matt will josh rick andy tony maggie betty molly holly penny jenny annie sandra monica angela thomas
    patrick dennis walter edward richard joseph ryan jason scott philip stephen margaret dorothy ruth carol donna
    sharon michelle melissa rebecca amanda stephanie nicole catherine hannah lauren abby megan
""")

_RELATIVES = """
mum mom dad grandma grandpa my-sister my-brother my-wife my-husband my-mother my-father my-son my-daughter
the-doctor the-dentist the-school the-plumber the-office the-vet the-pharmacy the-electrician my-boss my-aunt my-uncle
aunt-mary uncle-joe
"""
RELATIVES = [name.replace("-", " ") for name in listed(_RELATIVES)]

ASSISTANT_NAMES = ["her", "her", "her", "her", "annie", "jarvis", "nova", "sam", "iris", "max", "luna", "hal"]
ASSISTANT_NAMES += ["ada", "friday", "robin", "echo", "sunny", "clara", "oscar", "mira", "home", "juno"]

# Things a caller may ask about that the assistant has no tool for. They fill the refusal phrasings.
TOPICS = listed("""
    weather rain snow sun temperature forecast news music song radio movie film television show light lights lamp
    heating thermostat door window curtain blinds fan camera alarm shopping milk butter cheese bananas apples list
    email mail message calendar appointment schedule bus train taxi flight traffic route map restaurant recipe
    football game score team player president king queen country capital city river mountain ocean moon mars star
    planet elephant tiger whale bird horse spider computer internet phone screen battery robot engine car bicycle
    money bank price stock dollar euro tax job office boss teacher history war science physics chemistry biology
    math poem book author painting museum doctor fever headache cough vitamin sleep dream hotel holiday beach
    camping airport passport ticket birthday party wedding present gift flower tree garden grass soil seed love
    happiness god life death universe language french german spanish chinese word letter alphabet paper pencil
    bottle chair table sofa carpet vacuum washing machine fridge freezer dishwasher toilet shower mirror soap shirt
    shoes jacket socks trousers hat umbrella bag key wallet watch glasses ring battery cable printer sugar salt
    pepper garlic onion tomato carrot wine beer juice water chocolate icecream sandwich burger salad volcano
    earthquake dinosaur pyramid castle knight dragon wizard pirate rocket satellite telescope microscope magnet
""")

# Spelt with more than ASCII: they occur in contacts, so in results, never in what the recogniser writes.
ACCENTED = listed("Jürgen Müller José Zoë François Søren Björn André Renée Łukasz Chloë Ümit Ángel Noël Gísli")
FILLER = listed("""
    the a of and to in it is was he she they we that with for on his her at by from not but had were all
""")
PLAIN = listed("""
    man woman child people house room thing hand eye head face water fire old new small long right left white black
    red blue green first last next good bad great little big high low open close give take make come go see look
    know think say want need work play run walk eat drink buy sell read write sing learn build break cut put turn
    some any many few other same again always never often here there where why how who which because after before
    under over between through against without about around into out up down off yes no maybe very too also only
    just even still already yet today tomorrow yesterday week month year night morning evening world life part place
    case group problem fact friend family street city road shop market field wall floor roof stone wood
""")
VERBS = listed("""
    open close read write send buy sell clean wash cook bake fix paint build draw drive fly swim climb catch throw
    carry move bring pick drop push pull break repair wear eat drink taste smell watch hear touch feel love hate like
    believe forget learn teach study solve change mix boil fry peel cut fold lock unlock print scan copy save charge
    connect update install download upload record film photograph plant water feed walk train visit meet invite help
    pay borrow lend rent book reserve share post answer ask order deliver pack unpack lift hide seek lose win hunt
""")

_COMMON = listed("""
    okay goodbye midnight noon first second third half quarter hello sorry please thank welcome would could should your
    name timer number contact sentence answer running cancel schmaltz schlepp schwung idle mild width tidy birth earth
""")
_ONSETS = listed("""
    b c d f g h j k l m n p r s t v w z br cl dr fr gr kr pr sh st th tr ch qu x y sch wh sk sp sw tw gl bl pl
""")
_VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ee", "ia", "ou", "y", "ei", "oo"]
_CODAS = listed("""
    n l r s m t k x th nd la na vi ko ra ck ng rt ld ss tz ff bert hild mund ski son ez wick
""")
_CODAS += [""] * 5


def number_words(value: int) -> str:
    """Say 0..9999 the way a recogniser writes it: 125 is 'one hundred twenty five'."""
    if value < 20:
        return UNITS[value]
    if value < 100:
        return (TENS[value // 10] + " " + (UNITS[value % 10] if value % 10 else "")).strip()
    if value < 1000:
        rest = value % 100
        return UNITS[value // 100] + " hundred" + (" " + number_words(rest) if rest else "")
    rest = value % 1000
    return number_words(value // 1000) + " thousand" + (" " + number_words(rest) if rest else "")


def _fragment(rng: random.Random) -> str:
    word = rng.choice(rng.choice([_COMMON, PLAIN, VERBS, TENS[2:], UNITS, MONTHS, WEEKDAYS]))
    start = rng.choice([0, 0, rng.randint(0, len(word) - 1)])
    return word[start : start + rng.randint(2, 5)]


def invented_word(rng: random.Random) -> str:
    """Return a pronounceable word that is in no list, so that copying is learnt and not names."""
    draw = rng.random()
    if draw < 0.3:  # bits of common words: each piece of the vocabulary must have been copied
        return "".join(_fragment(rng) for _ in range(rng.choice([2, 2, 3])))
    if draw < 0.6:  # the head of one word on the tail of another
        head, tail = (rng.choice(rng.choice([FIRST_NAMES, LABELS, TOPICS, PLAIN, VERBS])) for _ in range(2))
        return head[: rng.randint(1, len(head))] + tail[rng.randint(0, len(tail) - 1) :]
    count = rng.choice([1, 2, 2, 2, 3])
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count))


def assistant(rng: random.Random) -> str:
    """Return a lower-case name an owner may give the assistant: often the usual one, sometimes any."""
    if rng.random() < 0.35:
        return "her"
    return rng.choice([rng.choice(ASSISTANT_NAMES), rng.choice(FIRST_NAMES), invented_word(rng)])


_TITLES = listed(
    "doctor doctor professor mister missus miss aunt aunt uncle uncle grandma grandpa nurse cousin captain"
)
_LAST_NAMES = listed("""
    brown smith miller baker green white black young king stone wood hill field rivers cook fisher taylor carter hunter
    mason wright hall price long day may west north church bell fox bird rose wolf frost winter summers gold silver
""")


def person(rng: random.Random) -> str:
    """Return a lower-case name: common or invented, sometimes two words, sometimes with a title."""
    draw = rng.random()
    if draw < 0.1:
        last = rng.choice([rng.choice(_LAST_NAMES), rng.choice(FIRST_NAMES), invented_word(rng)])
        return f"{rng.choice(_TITLES)} {last}"
    name = rng.choice(FIRST_NAMES) if rng.random() < 0.5 else invented_word(rng)
    if draw < 0.24:
        name += " " + rng.choice([rng.choice(_LAST_NAMES), rng.choice(FIRST_NAMES), invented_word(rng)])
    return name
