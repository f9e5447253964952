"""Copying, listing, counting, spelling, and reading facts out of a short text."""

from . import words as w
from .base import Turn, a, cap, chance, join, pseudo

_SUBJECTS = [f"the {n}" for n in w.HERO_ANIMALS + w.HERO_PEOPLE] + w.GIRLS + w.BOYS
_VERBS = """finds|sees|likes|wants|paints|carries|loses|hides|brings|keeps|opens|drops|sells|buys|needs|shows|cleans|holds|draws|steals""".split("|")
_ENDS = ["today", "in the garden", "near the river", "after dinner", "every morning", "with a smile", "in the rain", "at night", "on the hill", "again", "for a friend", "in May", "before school", ""]


def sentence(rng):
    end = rng.choice(_ENDS)
    noun = rng.choice(w.OBJECTS)
    colour = rng.choice(w.COLOURS) + " " if chance(rng, 0.4) else ""
    return cap(f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} the {colour}{noun}{' ' + end if end else ''}.")


def _items(rng, low, high):
    items = rng.sample(w.COPY_WORDS, rng.randrange(low, high + 1))
    style = rng.random()
    if style < 0.25:
        items = [pseudo(rng) if chance(rng, 0.5) else item for item in items]
    elif style < 0.35:
        items = rng.sample(w.NUMBER_WORDS + w.GIRLS + w.BOYS + w.MORE_NAMES + w.CITIES, len(items))
    return list(dict.fromkeys(items)) if len(set(items)) >= low else rng.sample(w.COPY_WORDS, low)


def copy(rng):
    roll = rng.random()
    if roll < 0.45:
        text = sentence(rng) if chance(rng, 0.6) else " ".join(_items(rng, 1, 10))
        if chance(rng, 0.25):
            text = " ".join(str(rng.randrange(rng.choice([10, 100, 1000]))) for _ in range(rng.randrange(2, 8)))
        q = rng.choice(["Repeat this: {}", "Repeat after me: {}", "Say this: {}", "Copy this: {}", "Please repeat: {}", "Repeat this sentence: {}" if text[-1] == "." else "Repeat these words: {}",
                        "Write exactly this: {}", "Echo: {}", "Say exactly: {}", "Can you repeat this? {}", "Repeat: {}", "say {}", "Please say: {}", "Write this: {}", "Repeat the following: {}", "Say the following: {}", "repeat: {}", "Copy: {}", 'Say "{}"', 'Repeat "{}"', "Say {}"])
        return Turn(q.format(text), text, key="copy " + text.lower(), literal=True)
    items = _items(rng, 2, 7)
    listed = ", ".join(items)
    if roll < 0.65:
        items = items[:5]
        q = rng.choice(["Reverse this list: {}", "Say these words backwards: {}", "Put these words in reverse order: {}", "Write this list in reverse: {}", "Reverse: {}", "List these words from last to first: {}", "reverse: {}", "Reverse the order: {}", "Reverse these words: {}"])
        gap = ", " if chance(rng, 0.8) else " "
        return Turn(q.format(gap.join(items)), gap.join(items[::-1]), key="reverse " + " ".join(items), literal=True)
    if roll < 0.85:
        n = rng.randrange(len(items))
        which = "last" if n == len(items) - 1 else w.ORDINALS[n]
        q = rng.choice(["What is the {} word in this list: {}?", "Which word is {} in this list: {}?", "Tell me the {} word: {}", "What is the {} of these words: {}?"])
        return Turn(q.format(which, listed), f"The {which} word is {items[n]}.", cap(items[n]), key="pick " + which + " ".join(items), literal=True)
    if roll < 0.93:
        q = rng.choice(["How many words are in this list: {}?", "How many words are these: {}?", "Count these words: {}", "How many items are in the list {}?"])
        return Turn(q.format(listed), f"There are {len(items)} words in the list.", str(len(items)), key="count " + " ".join(items), literal=True)
    item = rng.choice(items) if chance(rng, 0.5) else rng.choice([c for c in w.COPY_WORDS if c not in items])
    q = rng.choice(['Is the word "{}" in this list: {}?', "Does this list have the word {}: {}?", "Is {} in this list: {}?"])
    yes = item in items
    return Turn(q.format(item, listed), f"{'Yes' if yes else 'No'}, {item} is {'' if yes else 'not '}in the list.", "Yes" if yes else "No", key="member " + item + " ".join(items), literal=True)


def count(rng):
    roll = rng.randrange(4)
    if roll == 0:
        x = rng.randrange(1, 100)
        y = x + rng.randrange(2, 21)
        x, y, step = (1, rng.randrange(2, 31), 1) if chance(rng, 0.3) else (x, y, 1)
        q = rng.choice(["Count from {} to {}.", "Can you count from {} to {}?", "Please count from {} up to {}.", "List the numbers from {} to {}.", "Write the numbers from {} to {}.", "count {} to {}"]).format(x, y)
        if x == 1 and chance(rng, 0.3):
            q = rng.choice(["Count to {}.", "Can you count to {}?", "count to {}"]).format(y)
    elif roll == 1:
        x = rng.randrange(3, 100)
        y, step = max(0, x - rng.randrange(2, 21)), -1
        q = rng.choice(["Count down from {} to {}.", "Count backwards from {} to {}.", "Can you count down from {} to {}?"]).format(x, y)
    else:
        step = rng.choice([2, 3, 5, 10])
        x = step * rng.randrange(0, 11)
        y = x + step * rng.randrange(3, 11)
        q = rng.choice(["Count by {2}s from {0} to {1}.", "Count in {2}s from {0} to {1}.", "Count from {0} to {1} in steps of {2}."]).format(x, y, step)
    numbers = range(x, y + (1 if step > 0 else -1), step)
    return Turn(q, ", ".join(map(str, numbers)), key=f"count {x} {y} {step}")


_LISTS = {"animals": w.LIST_ANIMALS, "fruits": w.FRUITS, "vegetables": w.VEGETABLES, "colours": w.LIST_COLOURS, "colors": w.LIST_COLOURS, "tools": w.LIST_TOOLS,
          "birds": w.LIST_BIRDS, "clothes": w.LIST_CLOTHES, "trees": w.LIST_TREES, "musical instruments": w.LIST_INSTRUMENTS, "instruments": w.LIST_INSTRUMENTS,
          "countries": "France Germany Italy Spain Japan China India Brazil Canada Egypt Kenya Peru".split(), "cities": "Paris London Berlin Rome Madrid Tokyo Cairo Lima Oslo Vienna Athens Dublin".split(),
          "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune".split(), "flowers": "rose tulip daisy lily sunflower violet poppy orchid iris daffodil peony marigold".split(),
          "foods": "bread cheese soup rice pasta salad eggs honey beans pie cake noodles".split(), "names": "Mia Tom Anna Ben Lily Max Nora Sam Ella Leo Ruby Finn".split(),
          "numbers": "one two three four five six seven eight nine ten eleven twelve".split(), "words": "apple bird cloud door egg fire grass hat ice jar key lamp".split(),
          "insects": "bee ant fly beetle butterfly moth wasp cricket grasshopper ladybird dragonfly mosquito".split(),
          "months": "January February March April May June July August September October November December".split()}


def listing(rng):
    kind = rng.choice(list(_LISTS))
    n = rng.randrange(2, min(11, len(_LISTS[kind]) + 1))
    number = rng.choice([str(n), w.NUMBER_WORDS[n]])
    q = rng.choice(["List {} {}.", "Name {} {}.", "Tell me {} {}.", "Give me {} {}.", "Can you list {} {}?", "Can you name {} {}?", "Write down {} {}.", "I need {} {}.", "Please list {} {}.",
                    "Give me a list of {} {}.", "What are {} {}?", "list {} {}"])
    if chance(rng, 0.15):
        lines = "\n".join(f"{i + 1}. {cap(item)}" for i, item in enumerate(_LISTS[kind][:n]))
        q = rng.choice(["Write a numbered list of {} {}.", "Make a numbered list of {} {}.", "Give me a numbered list of {} {}."])
        return Turn(q.format(number, kind), lines)
    if chance(rng, 0.15):
        q = rng.choice(["Name {}.", "Tell me {}.", "Can you name {}?", "Give me the name of {}."])
        kind = rng.choice([k for k in _LISTS if k not in ("clothes", "months", "countries", "cities")])
        return Turn(q.format(a(kind[:-1])), f"{cap(_LISTS[kind][0])}.")
    return Turn(q.format(number, kind), cap(join(_LISTS[kind][:n])) + ".")


def spell(rng):
    word = rng.choice(w.SPELL_WORDS)
    quoted = rng.choice([word, f'"{word}"'])
    roll = rng.randrange(9)
    if roll == 8:
        letter = rng.choice(word) if chance(rng, 0.8) else rng.choice("abcdefghijklmnopqrstuvwxyz")
        q = rng.choice(["How many times does the letter {1} occur in {0}?", "How many {1}'s are in {0}?", "How many {1}s are in {0}?", "How many times is {1} in {0}?", "How many {1}'s in {0}?", "Count the letter {1} in {0}."])
        times = word.count(letter)
        return Turn(q.format(quoted, rng.choice([letter, letter.upper()])), f"{word}: {'-'.join(word.upper())}. The letter {letter.upper()} occurs {times} time{'' if times == 1 else 's'}.", str(times))
    if roll < 3:
        q = rng.choice(["Spell {}.", "How do you spell {}?", "Spell the word {}.", "Can you spell {}?", "Please spell {}.", "How is {} spelled?", "What letters are in {}?"])
        return Turn(q.format(quoted), f"{word}: {'-'.join(word.upper())}", "-".join(word.upper()))
    if roll == 3:
        q = rng.choice(["How many letters does {} have?", "How many letters are in {}?", "How long is the word {}?", "Count the letters in {}.", "How many letters are there in the word {}?"])
        return Turn(q.format(quoted), f"{word}: {'-'.join(word.upper())}. That is {len(word)} letters.", str(len(word)))
    if roll < 6:
        which, letter = rng.choice([("first", word[0]), ("last", word[-1])])
        q = rng.choice(["What is the {} letter of {}?", "Which letter comes {} in {}?", "What is the {} letter in the word {}?", "Tell me the {} letter of {}."])
        return Turn(q.format(which, quoted), f"The {which} letter of {word} is {letter.upper()}.", letter.upper())
    if roll == 6:
        letter = rng.choice("abcdefghijklmnoprstw")
        found = [x for x in w.SPELL_WORDS if x[0] == letter]
        q = rng.choice(["Name a word that starts with {}.", "Tell me a word that begins with {}.", "Which word starts with {}?", "Give me a word that starts with the letter {}."])
        return Turn(q.format(rng.choice([letter.upper(), letter])), f"{cap(found[0])}.")
    i = rng.randrange(1, 25)
    step = rng.choice([1, -1])
    q = rng.choice(["Which letter comes {} {}?", "What letter is {} {}?", "What letter comes {} {} in the alphabet?", "Which letter is right {} {}?"])
    word = "after" if step > 0 else "before"
    return Turn(q.format(word, chr(65 + i)), f"{chr(65 + i + step)} comes {word} {chr(65 + i)}.", chr(65 + i + step))


_ROOMS = ["kitchen", "garden", "garage", "attic", "cellar", "bedroom", "hall", "barn", "office", "bathroom", "school", "library", "shop", "park"]


def reading_parts(rng):
    """A text and a question about it, on two lines."""
    return reading(rng, "{}\n{}")


def reading(rng, form=None):
    """A short text with invented facts and a question that only the text can answer."""
    roll = rng.randrange(5)
    n = rng.randrange(2, 5)
    names = rng.sample(w.GIRLS + w.BOYS, n)
    if roll == 0:
        things, rooms = rng.sample(w.SMALL, n), rng.sample(_ROOMS, n)
        text = " ".join(f"The {t} is in the {r}." for t, r in zip(things, rooms))
        i = rng.randrange(n)
        if chance(rng, 0.6):
            return _read(form, rng, text, f"Where is the {things[i]}?", f"The {things[i]} is in the {rooms[i]}.", cap(rooms[i]))
        return _read(form, rng, text, f"What is in the {rooms[i]}?", f"The {things[i]} is in the {rooms[i]}.", cap(things[i]))
    if roll == 1:
        things = rng.sample(w.SMALL, n)
        verb, base = rng.choice([("has", "have"), ("wants", "want"), ("bought", "buy"), ("found", "find"), ("lost", "lose")])
        text = " ".join(f"{p} {verb} {a(t)}." for p, t in zip(names, things))
        i = rng.randrange(n)
        if chance(rng, 0.5):
            return _read(form, rng, text, f"Who {verb} the {things[i]}?" if verb != "has" else f"Who has {a(things[i])}?", f"{names[i]} {verb} the {things[i]}.", names[i])
        return _read(form, rng, text, f"What {'does' if verb in ('has', 'wants') else 'did'} {names[i]} {base}?", f"{names[i]} {verb} {a(things[i])}.", cap(things[i]))
    if roll == 2:
        colours, things = rng.sample(w.COLOURS, n), rng.sample(w.SMALL, n)
        text = " ".join(f"The {t} is {c}." for t, c in zip(things, colours))
        i = rng.randrange(n)
        if chance(rng, 0.6):
            return _read(form, rng, text, f"What colour is the {things[i]}?", f"The {things[i]} is {colours[i]}.", cap(colours[i]))
        return _read(form, rng, text, f"Which thing is {colours[i]}?", f"The {things[i]} is {colours[i]}.", cap(things[i]))
    if roll == 3:
        x, y, z = rng.sample(w.GIRLS + w.BOYS, 3)
        more, most, least = rng.choice([("taller", "tallest", "shortest"), ("older", "oldest", "youngest"), ("faster", "fastest", "slowest"), ("stronger", "strongest", "weakest")])
        parts = [f"{x} is {more} than {y}.", f"{y} is {more} than {z}."]
        if chance(rng, 0.4):
            parts.reverse()
        if chance(rng, 0.5):
            return _read(form, rng, " ".join(parts), f"Who is the {most}?", f"{x} is the {most}.", x)
        return _read(form, rng, " ".join(parts), f"Who is the {least}?", f"{z} is the {least}.", z)
    days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
    when = rng.sample(days, n)
    what = rng.sample(["swimming", "dancing", "fishing", "shopping", "skating", "sailing", "hiking", "cycling", "singing", "running"], n)
    text = " ".join(f"On {d} {p} goes {x}." for d, p, x in zip(when, names, what))
    i = rng.randrange(n)
    which = rng.randrange(3)
    if which == 0:
        return _read(form, rng, text, f"When does {names[i]} go {what[i]}?", f"{names[i]} goes {what[i]} on {when[i]}.", when[i])
    if which == 1:
        return _read(form, rng, text, f"Who goes {what[i]}?", f"{names[i]} goes {what[i]} on {when[i]}.", names[i])
    return _read(form, rng, text, f"What does {names[i]} do on {when[i]}?", f"{names[i]} goes {what[i]} on {when[i]}.", cap(what[i]))


def _read(form, rng, text, question, answer, short):
    q = (form or rng.choice(["{} {}", "{} {}", "Read this: {} {}", "Here is a text: {} {}", "{}\n{}", "Text: {}\nQuestion: {}"])).format(text, question)
    return Turn(q, answer, short, literal=True)


_MAKERS = [(copy, 36), (count, 12), (listing, 13), (spell, 24), (reading, 30)]


def question(rng):
    return rng.choices([m for m, _ in _MAKERS], [weight for _, weight in _MAKERS])[0](rng)
