"""What every part of the generator shares: turns, the held-out split, small helpers.

The split is by construction. Every question carries a key (by default its own text, without case
and punctuation). A key whose CRC-32 is divisible by HELD_ONE_IN is *held*: training never sees a
document that contains it, evaluation asks nothing else.
"""

import random
import re
import zlib
from dataclasses import dataclass, field

HELD_ONE_IN = 25


@dataclass
class Turn:
    """One question and its answer.

    short: the bare answer, given when the system message asks for short answers.
    key: what the split hashes; None means the normalised question; "" is never held.
    accept: strings that count as right; by default the answer itself.
    match: "exact" (trimmed answer equals one of accept) or "contains" (one of accept, whatever its case, occurs).
    literal: the wording matters (copying), so it must not be varied.
    """

    user: str
    answer: str
    short: str | None = None
    key: str | None = None
    accept: list = field(default_factory=list)
    match: str = "exact"
    literal: bool = False


@dataclass
class Chat:
    category: str
    turns: list
    system: str | None = None


def normalise(text):
    return re.sub(r"[^0-9a-z+*/-]+", " ", text.lower()).strip()


def is_held(key):
    return key != "" and zlib.crc32(key.encode()) % HELD_ONE_IN == 0


def turn_key(turn):
    return normalise(turn.user) if turn.key is None else turn.key


_ONSETS = "b bl br c ch cl d dr f fl g gl gr h j k kl l m n p pl pr qu r s sh sk sl sm sn sp st str t th tr v w y z".split()
_VOWELS = "a a e e i i o o u u ai ee oo ou ia y".split()
_CODAS = "b ck d ff g l ll m n nd ng nk nt p r rd rk rt s ss st t x z".split() + [""] * 14


def pseudo(rng, syllables=None):
    """An invented word. It teaches copying words that the model has never seen."""
    return "".join(rng.choice(_ONSETS + [""] * 3) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables or rng.choice([1, 2, 2, 2, 3])))


def vary(rng, turn):
    """Types the question the way people do: lower case, no full stop, now and then a slip of the finger."""
    turn.key = turn_key(turn)
    if turn.literal or chance(rng, 0.62):
        return turn
    text = turn.user
    roll = rng.random()
    if roll < 0.3:
        text = text.rstrip(".?!")
    elif roll < 0.55:
        text = text.lower()
    elif roll < 0.75:
        text = text.lower().rstrip(".?!")
    elif roll < 0.92:
        text = rng.choice(["Please: {}", "Hey, {}", "Hello! {}", "Question: {}", "{} Please.", "Tell me: {}", "I have a question. {}", "{} Thanks!", "Ok. {}", "Next question: {}", "{} please", "Hi! {}", "So, {}", "{}!", "{} :)", "{}??"]).format(text)
    elif turn.match != "all":
        words = text.split(" ")
        long = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha() and word.islower()]
        if long:
            i = rng.choice(long)
            cut = rng.randrange(1, len(words[i]) - 1)
            word = words[i]
            words[i] = rng.choice([word[:cut] + word[cut + 1:], word[:cut] + word[cut + 1] + word[cut] + word[cut + 2:], word[:cut] + word[cut] + word[cut:]])
            text = " ".join(words)
    turn.user = text or turn.user
    return turn


def a(noun):
    """The noun with its indefinite article."""
    first = noun.split()[0]
    vowel = first[0].lower() in "aeiou" and first not in ("unicorn", "ukulele", "uniform")
    return ("an " if vowel or first in ("hour", "honest") else "a ") + noun


def cap(text):
    return text[:1].upper() + text[1:]


def join(words, last="and"):
    words = list(words)
    if len(words) < 2:
        return "".join(words)
    if len(words) == 2:
        return f"{words[0]} {last} {words[1]}"
    return ", ".join(words[:-1]) + f" {last} " + words[-1]


def chance(rng, probability):
    return rng.random() < probability


def seeded(*parts):
    """A generator whose stream depends on the parts alone (never on hash randomisation)."""
    return random.Random(zlib.crc32(repr(parts).encode()))
