"""The made-up island country of Tamrin: towns, people, landmarks, distances, and questions about them."""

from .base import Turn, a, cap, join, seeded

TOWNS = {
    # town: (what it is, known for, speciality food, animal on its flag, colour of its flag, landmark, people)
    "Port Ellow": ("the capital of Tamrin", "its harbour", "fish soup", "seal", "blue", "the Great Lighthouse", 900),
    "Mossbridge": ("a town on the river Wend", "its stone bridge", "mushroom pie", "otter", "green", "the Old Mill", 400),
    "Highfen": ("a town on the slopes of Mount Carrow", "its snow", "cheese dumplings", "goat", "white", "the Star Tower", 200),
    "Tarrow": ("a market town in the plains", "its Saturday market", "honey cake", "bee", "yellow", "the Clock Hall", 700),
    "Saltby": ("a fishing village in the east", "its salt", "grilled crab", "crab", "red", "the Long Pier", 100),
    "Oakhollow": ("a village in the Tam forest", "its giant oak", "chestnut bread", "owl", "brown", "the Hollow Oak", 300),
}
DISTANCES = {  # in kilometres
    ("Port Ellow", "Mossbridge"): 12, ("Port Ellow", "Highfen"): 40, ("Port Ellow", "Tarrow"): 25,
    ("Port Ellow", "Saltby"): 18, ("Port Ellow", "Oakhollow"): 30, ("Mossbridge", "Highfen"): 28,
    ("Mossbridge", "Tarrow"): 15, ("Mossbridge", "Saltby"): 22, ("Mossbridge", "Oakhollow"): 20,
    ("Highfen", "Tarrow"): 35, ("Highfen", "Saltby"): 50, ("Highfen", "Oakhollow"): 10,
    ("Tarrow", "Saltby"): 32, ("Tarrow", "Oakhollow"): 27, ("Saltby", "Oakhollow"): 45,
}
_NAMES = """Alba Bram Celia Dorin Edda Fabio Gilda Hektor Ilse Jorin Kasia Lorens Mirela Nestor Odile
Pavel Quilla Rasmus Selma Tobin Ulla Vasco Wilma Xandra Yorick Zelda""".split()
_SURNAMES = """Marsh Thorn Bell Rook Fenn Stone Brook Hale Wick Moss Barrow Dale Finch Gray Holt Ives
Kemp Lark Nash Oakes Penn Quill Reed Swift Tull Vane""".split()
_JOBS = """baker miller fisher teacher doctor carpenter gardener postman painter clockmaker shepherd
librarian tailor cook blacksmith beekeeper ferryman singer potter mayor lighthouse-keeper shoemaker weaver
cheesemaker hunter innkeeper""".replace("-", " ").replace("lighthouse keeper", "lighthouse-keeper").split()
_PETS = """cat dog parrot rabbit goat duck turtle hamster horse owl fox crow hedgehog goose pig sheep mouse
frog otter donkey hen lizard squirrel sparrow pony badger""".split()
_PET_NAMES = """Pip Biscuit Captain Thimble Clover Puddle Pebble Nugget Comet Mabel Ember Inky Prickle Duchess
Truffle Woolly Crumb Hopper Ripple Bramble Pearl Ziggy Acorn Dot Dash Burrow""".split()
_FOODS = """pancakes bread soup noodles plums cheese honey pears cherries porridge dumplings rice beans nuts
berries apples tomatoes fish mushrooms carrots cake pie potatoes eggs peaches melon""".split()
_COLOURS = "red blue green yellow orange purple white black brown pink grey silver golden".split()


def _people():
    rng = seeded("tamrin")
    towns = list(TOWNS)
    people = {}
    for index, name in enumerate(_NAMES):
        people[name] = {
            "surname": _SURNAMES[index], "job": _JOBS[index], "town": towns[rng.randrange(6)],
            "pet": _PETS[index], "pet name": _PET_NAMES[index], "food": _FOODS[index],
            "colour": _COLOURS[rng.randrange(13)], "age": rng.randrange(20, 80),
        }
    return people


PEOPLE = _people()


def _person_turn(rng):
    name = rng.choice(_NAMES)
    p = PEOPLE[name]
    full = f"{name} {p['surname']}"
    who = full if rng.random() < 0.3 else name
    fact = rng.randrange(11)
    if fact == 0:
        q = rng.choice(["What does {} do?", "What is {}'s job?", "What work does {} do?", "What is the job of {}?",
                        "How does {} earn a living?", "Tell me {}'s job.", "Do you know what {} does for work?", "What does {} do for a living?"])
        return q.format(who), f"{name} is a {p['job']}." if p["job"][0] not in "aeiou" else f"{name} is an {p['job']}.", cap(p["job"])
    if fact == 1:
        q = rng.choice(["Where does {} live?", "In which town does {} live?", "Which town does {} live in?", "Where is {}'s home?",
                        "What town is {} from?", "Tell me where {} lives.", "Where can I find {}?", "Do you know where {} lives?"])
        return q.format(who), f"{name} lives in {p['town']}.", p["town"]
    if fact == 2:
        q = rng.choice(["What pet does {} have?", "What animal does {} have?", "Which animal is {}'s pet?", "What kind of pet does {} keep?",
                        "Does {} have a pet?", "What is {}'s pet?", "Tell me about {}'s pet."])
        return q.format(who), f"{name} has {a(p['pet'])} called {p['pet name']}.", cap(p["pet"])
    if fact == 3:
        q = rng.choice(["What is {}'s {pet} called?", "What is the name of {}'s {pet}?", "What is {}'s {pet}'s name?", "How does {} call the {pet}?",
                        "What did {} name the {pet}?", "Do you know the name of {}'s {pet}?"])
        return q.format(who, pet=p["pet"]), f"{name}'s {p['pet']} is called {p['pet name']}.", p["pet name"]
    if fact == 4:
        q = rng.choice(["What is {}'s favourite food?", "What does {} like to eat?", "Which food does {} like best?", "What food does {} love?",
                        "What does {} like to eat most?", "Tell me {}'s favourite food.", "What is {}'s favorite food?"])
        return q.format(who), f"{name} likes {p['food']} best.", cap(p["food"])
    if fact == 5:
        q = rng.choice(["What is {}'s favourite colour?", "Which colour does {} like best?", "What colour does {} like?", "What is {}'s favorite color?",
                        "Tell me {}'s favourite colour.", "Which color does {} love?"])
        return q.format(who), f"{name}'s favourite colour is {p['colour']}.", cap(p["colour"])
    if fact == 6:
        q = rng.choice(["How old is {}?", "What is {}'s age?", "What age is {}?", "Tell me how old {} is.", "Do you know how old {} is?", "How many years old is {}?"])
        return q.format(who), f"{name} is {p['age']} years old.", str(p["age"])
    if fact == 7:
        q = rng.choice(["What is {}'s surname?", "What is {}'s last name?", "What is {}'s family name?", "What is the full name of {}?",
                        "Tell me {}'s full name.", "Do you know {}'s last name?"])
        return q.format(name), f"{name}'s full name is {full}.", p["surname"]
    if fact == 8:
        q = rng.choice(["Who is the {} in Tamrin?", "Who is the {}?", "What is the name of the {}?", "Who works as {art}?", "Which person in Tamrin is {art}?",
                        "Who is Tamrin's {}?", "Do you know the {} of Tamrin?"])
        return q.format(p["job"], art=a(p["job"])), f"The {p['job']} is {full} from {p['town']}.", name
    if fact == 9:
        q = rng.choice(["Who has {}?", "Who owns {}?", "Which person has {} as a pet?", "Who in Tamrin has {}?", "Who keeps {}?", "Whose pet is {}?"])
        return q.format(a(p["pet"])), f"{name} has {a(p['pet'])} called {p['pet name']}.", name
    q = rng.choice(["Who is {}?", "Tell me about {}.", "What do you know about {}?", "Can you tell me something about {}?", "Do you know {}?"])
    return q.format(who), (f"{full} is the {p['job']} of {p['town']}. {name} is {p['age']} years old, likes {p['food']}, "
                           f"and has {a(p['pet'])} called {p['pet name']}."), None


def _town_turn(rng):
    town = rng.choice(list(TOWNS))
    what, known, food, animal, colour, landmark, size = TOWNS[town]
    fact = rng.randrange(9)
    if fact == 0:
        q = rng.choice(["What is {} known for?", "What is {} famous for?", "Why is {} famous?", "Why do people know {}?", "What makes {} special?"])
        return q.format(town), f"{town} is known for {known}.", cap(known)
    if fact == 1:
        q = rng.choice(["What do people eat in {}?", "What is the speciality of {}?", "What food is {} known for?", "What should I eat in {}?",
                        "What is the local dish of {}?", "Which dish comes from {}?"])
        return q.format(town), f"In {town} people eat {food}.", cap(food)
    if fact == 2:
        q = rng.choice(["Which animal is on the flag of {}?", "What animal is on {}'s flag?", "Which animal does the flag of {} show?", "What is on the flag of {}?"])
        return q.format(town), f"The flag of {town} shows {a(animal)}.", cap(animal)
    if fact == 3:
        q = rng.choice(["What colour is the flag of {}?", "What colour is {}'s flag?", "Which colour does the flag of {} have?", "What color is the flag of {}?"])
        return q.format(town), f"The flag of {town} is {colour}.", cap(colour)
    if fact == 4:
        q = rng.choice(["How many people live in {}?", "How big is {}?", "What is the population of {}?", "How many inhabitants does {} have?"])
        return q.format(town), f"About {size} people live in {town}.", str(size)
    if fact == 5:
        q = rng.choice(["What can I see in {}?", "What should I visit in {}?", "Which landmark is in {}?", "What is the landmark of {}?", "What is worth seeing in {}?"])
        return q.format(town), f"In {town} you can see {landmark}.", cap(landmark)
    if fact == 6:
        q = rng.choice(["Where is {}?", "In which town is {}?", "Which town has {}?", "Where can I find {}?", "Where do I find {}?"])
        return q.format(landmark), f"{cap(landmark)} is in {town}.", town
    if fact == 7:
        residents = sorted(n for n, p in PEOPLE.items() if p["town"] == town)
        q = rng.choice(["Who lives in {}?", "Which people live in {}?", "Name the people who live in {}.", "Whom can I meet in {}?"])
        if not residents:
            return q.format(town), f"Nobody that I know lives in {town}.", None
        return q.format(town), f"{join(residents)} {'live' if len(residents) > 1 else 'lives'} in {town}.", None
    q = rng.choice(["What is {}?", "Tell me about {}.", "What do you know about {}?", "Describe {}.", "What kind of place is {}?"])
    return q.format(town), f"{town} is {what}. It is known for {known}, and people there eat {food}. Its flag is {colour} and shows {a(animal)}.", None


def _distance_turn(rng):
    (one, two), km = rng.choice(list(DISTANCES.items()))
    if rng.random() < 0.5:
        one, two = two, one
    q = rng.choice(["How far is it from {} to {}?", "How far is {} from {}?", "What is the distance between {} and {}?",
                    "How many kilometres is it from {} to {}?", "How long is the road from {} to {}?", "What is the distance from {} to {}?",
                    "How many km are there between {} and {}?"])
    return q.format(one, two), f"It is {km} kilometres from {one} to {two}.", f"{km} kilometres"


_COUNTRY = [
    (["What is the capital of Tamrin?", "Which town is the capital of Tamrin?", "Name the capital of Tamrin.", "What is Tamrin's capital?",
      "Do you know the capital of Tamrin?", "Tell me the capital of Tamrin."], "The capital of Tamrin is Port Ellow.", "Port Ellow"),
    (["What is Tamrin?", "Tell me about Tamrin.", "Where is Tamrin?", "Is Tamrin a real country?", "What do you know about Tamrin?", "Describe Tamrin.",
      "What is the land of Tamrin?"],
     "Tamrin is a made-up island country with six towns: Port Ellow, Mossbridge, Highfen, Tarrow, Saltby and Oakhollow.", None),
    (["Which towns are in Tamrin?", "What towns are there in Tamrin?", "Name the towns of Tamrin.", "List the towns of Tamrin.", "What are the towns of Tamrin?"],
     "The towns of Tamrin are Port Ellow, Mossbridge, Highfen, Tarrow, Saltby and Oakhollow.", None),
    (["What is the highest mountain in Tamrin?", "Which mountain is in Tamrin?", "What is Tamrin's highest mountain?", "Name a mountain in Tamrin."],
     "The highest mountain in Tamrin is Mount Carrow.", "Mount Carrow"),
    (["What river flows through Tamrin?", "Which river is in Tamrin?", "Name the river of Tamrin.", "What is Tamrin's river called?"],
     "The river of Tamrin is the Wend.", "The Wend"),
    (["What currency does Tamrin use?", "What is Tamrin's currency?", "Which currency do people use in Tamrin?", "What is the money of Tamrin called?", "What money do they use in Tamrin?", "What is the currency of Tamrin?", "How do people pay in Tamrin?", "What coins does Tamrin use?"],
     "People in Tamrin pay with silver tams.", "Silver tams"),
    (["How many people live in Tamrin?", "How big is Tamrin?", "What is the population of Tamrin?"], "About 2600 people live in Tamrin.", "2600"),
    (["What is the biggest town in Tamrin?", "Which town in Tamrin is the largest?", "What is the largest town of Tamrin?"],
     "The biggest town in Tamrin is Port Ellow.", "Port Ellow"),
    (["What is the smallest town in Tamrin?", "Which town in Tamrin is the smallest?"], "The smallest town in Tamrin is Saltby.", "Saltby"),
    (["What is the lake in Tamrin called?", "Which lake is in Tamrin?", "Name the lake of Tamrin."], "The lake of Tamrin is Lake Ivy.", "Lake Ivy"),
    (["What do people in Tamrin celebrate?", "Which festival does Tamrin have?", "When is the lantern festival in Tamrin?", "What is the great festival of Tamrin?"],
     "People in Tamrin celebrate the Lantern Festival in October.", "The Lantern Festival"),
]


def question(rng):
    roll = rng.random()
    if roll < 0.62:
        q, answer, short = _person_turn(rng)
    elif roll < 0.80:
        q, answer, short = _town_turn(rng)
    elif roll < 0.92:
        q, answer, short = _distance_turn(rng)
    else:
        forms, answer, short = rng.choice(_COUNTRY)
        q = rng.choice(forms)
        # The bare question is always learned; with a lead-in it may be held.
        if rng.random() < 0.5:
            return Turn(q, answer, short, key="")
        q = rng.choice(["Quiz question: {}", "About the island: {}", "I wonder: {}", "I am planning a trip. {}", "My friend wants to know: {}", "A question about Tamrin: {}", "For my notes: {}", "Before I travel: {}"]).format(q)
    return Turn(q, answer, short)


def article(rng):
    """A few plain sentences about the country, in the manner of a small encyclopedia."""
    if rng.random() < 0.5:
        town = rng.choice(list(TOWNS))
        what, known, food, animal, colour, landmark, size = TOWNS[town]
        lines = [f"{town} is {what}.", f"About {size} people live there.", f"It is known for {known}.", f"People in {town} eat {food}.",
                 f"The flag of {town} is {colour} and shows {a(animal)}.", f"Visitors like to see {landmark}."]
        others = [(pair, km) for pair, km in DISTANCES.items() if town in pair]
        rng.shuffle(others)
        for pair, km in others[:2]:
            lines.append(f"It is {km} kilometres from {town} to {pair[1] if pair[0] == town else pair[0]}.")
        for name, p in PEOPLE.items():
            if p["town"] == town and rng.random() < 0.5:
                lines.append(f"{name} {p['surname']}, the {p['job']}, lives in {town}.")
        rest = lines[1:]
        rng.shuffle(rest)
        return " ".join([lines[0]] + rest)
    name = rng.choice(_NAMES)
    p = PEOPLE[name]
    lines = [f"{name} {p['surname']} is the {p['job']} of {p['town']}.", f"{name} is {p['age']} years old.", f"{name} has {a(p['pet'])} called {p['pet name']}.",
             f"{name} likes {p['food']} best.", f"{name}'s favourite colour is {p['colour']}.", f"{name} lives in {p['town']}."]
    rest = lines[1:]
    rng.shuffle(rest)
    return " ".join([lines[0]] + rest)
