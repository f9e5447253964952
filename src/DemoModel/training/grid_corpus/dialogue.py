"""Whole chats: system messages, several turns, and questions about the chat itself."""

from . import arithmetic, facts, offdomain, smalltalk, stories, words as w, wordplay, world
from .base import Chat, Turn, cap, chance, pseudo, turn_key, vary

SINGLE = {"world": (world.question, 20), "facts": (facts.question, 20), "arithmetic": (arithmetic.question, 34), "wordplay": (wordplay.question, 20),
          "smalltalk": (smalltalk.question, 12), "offdomain": (offdomain.question, 12), "stories": (stories.question, 16)}
ANSWERABLE = ("world", "facts", "arithmetic", "wordplay")

NEUTRAL_SYSTEM = ["You are a helpful assistant.", "You are the Grid demo model.", "You are Grid demo, a friendly assistant.", "You are a friendly chat bot.", "Be helpful and honest.", "You are a helpful, honest assistant. Answer in English.",
                  "You are a small language model.", "Answer the user's questions.", "You are an assistant in a test.", "You are a kind teacher.", "You are an AI assistant.", "Help the user.", "You are a demo assistant. Be polite."]
SHORT_SYSTEM = ["Answer in one word.", "Answer as briefly as you can.", "Give short answers.", "Answer with a single word or number.", "Be very brief.", "Reply with the bare answer only.", "Answer shortly.", "You are a helpful assistant. Answer in one word.",
                "Keep your answers as short as possible.", "Use as few words as possible.", "Only the answer, no sentences.", "Be concise. Give only the answer."]
_SHORT_IN_QUESTION = ["{} Answer in one word.", "{} Answer briefly.", "{} Just the answer, please.", "{} Short answer.", "{} Only the answer.", "In one word: {}"]
_TAILS = ["Have a nice day!", "Hooray!", "Beep boop.", "I hope this helps.", "Meow!", "Over and out.", "Peace!", "Best wishes.", "Amen.", "Cheers!"]
_PREFIXES = ["Sure!", "Of course!", "Well,", "Dear friend,", "Captain,", "Arr!", "Beep!", "Listen:", "Hello!", "Your Majesty,"]


def single(rng, category=None):
    if category is None:
        category = rng.choices(list(SINGLE), [weight for _, weight in SINGLE.values()])[0]
    turn = vary(rng, SINGLE[category][0](rng))
    chat = Chat(category, [turn])
    if chance(rng, 0.25):
        chat.system = rng.choice(NEUTRAL_SYSTEM)
    return chat


def instructed(rng):
    """The system message (or the question itself) says how to answer."""
    roll = rng.random()
    maker = rng.choices([world.question, facts.question, arithmetic.question, wordplay.question], [3, 4, 4, 2])[0]
    turns = [vary(rng, maker(rng)) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    if roll < 0.06:
        # The facts are in the system message.
        turn = wordplay.reading_parts(rng)
        text, question = turn.user.split("\n")
        return Chat("instructed", [Turn(question, turn.answer, key=turn_key(turn))], rng.choice(["{}", "Use this text: {}", "You know this: {}", "Answer from this text: {}", "Facts: {}"]).format(text))
    if roll < 0.55:
        turns = [t for t in turns if t.short] or [vary(rng, arithmetic.add(rng))]
        for t in turns:
            t.answer, t.accept, t.match = t.short, [t.short], "exact"
        if roll < 0.18:
            del turns[1:]
            t = turns[0]
            form = rng.choice(_SHORT_IN_QUESTION)
            if t.literal and not form.startswith("In one"):
                form = "In one word: {}"
            t.user = form.format(t.user if t.user[-1] in ".?!" or form.startswith("In one") else t.user + "?")
            return Chat("instructed", turns)
        return Chat("instructed", turns, rng.choice(SHORT_SYSTEM))
    for t in turns:
        t.accept, t.match = [], "exact"
    if roll < 0.75:
        tail = rng.choice(_TAILS)
        for t in turns:
            t.answer = f"{t.answer} {tail}"
        return Chat("instructed", turns, rng.choice(["End every answer with: {}", 'Always end your answer with "{}"', 'Finish each answer with "{}"', "Add this to the end of every answer: {}"]).format(tail))
    if roll < 0.92:
        prefix = rng.choice(_PREFIXES)
        for t in turns:
            t.answer = f"{prefix} {t.answer}"
        return Chat("instructed", turns, rng.choice(["Begin every answer with: {}", 'Always start your answer with "{}"', 'Start each answer with "{}"', 'Begin your answers with "{}"']).format(prefix))
    name = any_name(rng)
    q = rng.choice(["Who are you?", "What is your name?", "What should I call you?", "Your name?", "who are you", "What's your name?", "Tell me your name.", "Do you have a name?"])
    return Chat("instructed", [Turn(q, f"My name is {name}.", key="called " + name)],
                rng.choice(["Your name is {}.", "You are {}, a friendly assistant.", "You are an assistant called {}.", "Your name is {}. Be helpful."]).format(name))


def any_name(rng):
    roll = rng.random()
    return rng.choice(w.GIRLS + w.BOYS) if roll < 0.4 else rng.choice(w.MORE_NAMES) if roll < 0.65 else cap(pseudo(rng))


def _any_town(rng):
    roll = rng.random()
    return rng.choice(w.CITIES) if roll < 0.55 else rng.choice(list(world.TOWNS)) if roll < 0.65 else cap(pseudo(rng))


def _statement(rng):
    """Something the user says about themselves, the answer to it, and how to ask for it later."""
    kind = rng.randrange(7)
    if kind <= 1:
        name = any_name(rng)
        say = rng.choice(["My name is {}.", "I am {}.", "I'm {}.", "Hello, my name is {}.", "Hi, I am {}.", "Hi! I'm {}.", "You can call me {}.", "my name is {}", "Hello! I am {}."]).format(name)
        ask = rng.choice(["What is my name?", "What's my name?", "Do you know my name?", "Who am I?", "Do you remember my name?", "what is my name", "Can you tell me my name?", "Say my name."])
        return Turn(say, f"Nice to meet you, {name}!", key="name " + name), Turn(ask, f"Your name is {name}.", name, key="name " + name)
    if kind == 2:
        value, of = rng.choice(w.COLOURS), "favourite colour"
    elif kind == 3:
        value, of = rng.choice(w.HERO_ANIMALS + w.MORE_KINDS[:20]), "favourite animal"
    elif kind == 4:
        value, of = rng.choice(w.FOODS + ["pizza", "pasta", "sushi", "chocolate", "curry", "ice cream", "salad", "toast", "waffles", "tacos", pseudo(rng)]), "favourite food"
    elif kind == 5:
        value, of = str(rng.randrange(1000)), "favourite number"
    else:
        town = _any_town(rng)
        say = rng.choice(["I live in {}.", "I am from {}.", "My home is {}.", "I come from {}."]).format(town)
        ask = rng.choice(["Where do I live?", "Where am I from?", "Which town do I live in?", "Do you remember where I live?"])
        return Turn(say, f"{town} sounds like a nice place!", key="from " + town), Turn(ask, f"You told me that you live in {town}.", town, key="from " + town)
    spelled = of if chance(rng, 0.7) else of.replace("favourite", "favorite").replace("colour", "color")
    article = "the " if of == "favourite animal" else ""
    say = rng.choice(["My {} is {}.", "My {} is {}, by the way.", "You should know that my {} is {}."]).format(spelled, article + value)
    ask = rng.choice(["What is my {}?", "What's my {}?", "Do you remember my {}?", "Do you know my {}?", "Tell me my {}."]).format(spelled)
    return Turn(say, f"I will remember that your {of} is {article}{value}.", key=f"{of} {value}"), Turn(ask, f"Your {of} is {article}{value}.", cap(value), key=f"{of} {value}")


def _about_chat(rng, turns):
    """A question about the earlier turns."""
    first, last = turns[0], turns[-1]
    options = [
        (["What did I ask first?", "What was my first question?", "What did I say first?", "What was the first thing I asked?", "what did i ask first"], f'You said: "{first.user}"'),
        (["What did I just ask?", "What was my last question?", "What did I say before this?", "What was my previous question?"], f'You said: "{last.user}"'),
        (["Repeat your last answer.", "What did you just say?", "Say that again.", "Please repeat that.", "Can you repeat that?", "Repeat that, please."], last.answer),
        (["What was your first answer?", "Repeat your first answer."], first.answer),
    ]
    forms, answer = rng.choice([o for o in options if len(o[1]) < 160] or options[:1])
    if len(answer) > 300:
        return None
    return Turn(rng.choice(forms), answer, key="chat " + first.user + last.user)


def conversation(rng):
    """Two to six turns on mixed topics, often with a question about an earlier one."""
    roll = rng.random()
    if roll < 0.03:
        say, ask = _statement(rng)
        turns = [say]
        if chance(rng, 0.4):
            turns = [Turn(f"{say.user.rstrip('.!')}. {ask.user}", ask.answer, key=ask.key)]
    elif roll < 0.06:
        turns = facts.follow_up(rng)
    elif roll < 0.25:
        turns = arithmetic.chain(rng)
    elif roll < 0.37:
        turns = stories.with_follow_up(rng)
    elif roll < 0.68:
        statements = {}
        for _ in range(rng.choice([1, 1, 2, 3])):
            say, ask = _statement(rng)
            statements[say.answer.split(" is ")[0] if " is " in say.answer else say.answer.split(" ")[0] + say.key.split(" ")[0]] = (say, ask)
        if sum(1 for s, _ in statements.values() if s.key.startswith("name ")) > 1:
            statements = dict(list(statements.items())[:1])
        if sum(1 for s, _ in statements.values() if s.key.startswith("from ")) > 1:
            statements = dict(list(statements.items())[:1])
        pairs = list(statements.values())
        turns = [say for say, _ in pairs]
        for _ in range(rng.randrange(0, 3)):
            turns.append(_any_turn(rng))
        turns.append(rng.choice(pairs)[1])
    else:
        turns = [_any_turn(rng) for _ in range(rng.randrange(2, 6))]
        if chance(rng, 0.25):
            turns.insert(0, vary(rng, smalltalk.question(rng)))
    if chance(rng, 0.35) and len(turns) < 6:
        more = _about_chat(rng, turns)
        if more:
            turns.append(more)
    if chance(rng, 0.15):
        turns.append(_any_turn(rng))
    if chance(rng, 0.1):
        turns.append(Turn(rng.choice(["Thanks!", "Thank you.", "Bye!", "Goodbye."]), "", key=""))
        turns[-1].answer = "You are welcome!" if turns[-1].user.startswith("Thank") else "Goodbye! Have a nice day."
    return Chat("conversation", turns, rng.choice(NEUTRAL_SYSTEM) if chance(rng, 0.2) else None)


def _any_turn(rng):
    maker = rng.choices([world.question, facts.question, arithmetic.question, wordplay.question, smalltalk.question, offdomain.question, stories.question], [5, 5, 5, 4, 3, 2, 0.6])[0]
    return vary(rng, maker(rng))
