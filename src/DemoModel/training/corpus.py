"""The demo model's training text: an endless, seeded stream of documents.

    python corpus.py --sample 20            print documents
    python corpus.py --sample 20 --held     print evaluation chats instead
    python corpus.py --statistics           print shares and sizes

Standard library only. The same seed gives the same text on every machine.
"""

import argparse
import collections
import random
import time

from grid_corpus import dialogue, facts, stories, world
from grid_corpus.base import Chat, is_held, turn_key

END_OF_TEXT = "<|endoftext|>"
KINDS = {"single": 60, "instructed": 10, "conversation": 21, "raw story": 4.5, "raw article": 4, "long": 0.5}
LONG_CHARACTERS = 9000  # more than 2,048 tokens: the trainer cuts


def _document(rng, kind):
    if kind == "single":
        return dialogue.single(rng)
    if kind == "instructed":
        return dialogue.instructed(rng)
    if kind == "conversation":
        return dialogue.conversation(rng)
    if kind == "raw story":
        return stories.raw(rng)
    if kind == "raw article":
        return (world if rng.random() < 0.5 else facts).article(rng)
    parts = []
    if rng.random() < 0.5:
        while sum(map(len, parts)) < LONG_CHARACTERS:
            parts.append(stories.raw(rng) + END_OF_TEXT)
        return "".join(parts)
    chat = Chat("conversation", [])
    while sum(len(turn.user) + len(turn.answer) for turn in chat.turns) < LONG_CHARACTERS:
        chat.turns += dialogue.conversation(rng).turns
    return chat


def is_clean(document):
    """No held question occurs in it."""
    return isinstance(document, str) or not any(is_held(turn_key(turn)) for turn in document.turns)


def training_documents(rng):
    """Endless documents for training: plain texts and chats without a held question."""
    kinds, weights = list(KINDS), list(KINDS.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        document = _document(rng, kind)
        if kind == "long" and isinstance(document, Chat):
            document.turns = [turn for turn in document.turns if not is_held(turn_key(turn))]
        if is_clean(document):
            yield document


def evaluation_chats(rng, category):
    """Endless chats whose last question is held."""
    while True:
        chat = {"instructed": dialogue.instructed, "conversation": dialogue.conversation}.get(category, lambda r: dialogue.single(r, category))(rng)
        if is_held(turn_key(chat.turns[-1])):
            yield chat


EVALUATION_CATEGORIES = list(dialogue.SINGLE) + ["instructed", "conversation"]


def messages(chat, with_last_answer=True):
    """The chat in the usual role/content form."""
    result = [{"role": "system", "content": chat.system}] if chat.system else []
    for turn in chat.turns:
        result += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer}]
    return result if with_last_answer else result[:-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--statistics", action="store_true")
    parser.add_argument("--category")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    stream = training_documents(rng)
    for index in range(args.sample):
        if args.held:
            document = next(evaluation_chats(rng, args.category or EVALUATION_CATEGORIES[index % len(EVALUATION_CATEGORIES)]))
        elif args.category:
            document = dialogue.single(rng, args.category)
        else:
            document = next(stream)
        print("-" * 80)
        if isinstance(document, str):
            print(document)
        else:
            for message in messages(document):
                print(f"[{message['role']}] {message['content']}")
    if args.statistics:
        size, count, start = collections.Counter(), collections.Counter(), time.time()
        for _ in range(20000):
            document = next(stream)
            kind = "text" if isinstance(document, str) else document.category
            size[kind] += len(document) if isinstance(document, str) else sum(len(t.user) + len(t.answer) for t in document.turns)
            count[kind] += 1
        print(f"{sum(size.values()) / (time.time() - start) / 1e6:.2f} million characters per second")
        for kind in size:
            print(f"{kind:14} {count[kind] / 200:5.1f} % of documents  {100 * size[kind] / sum(size.values()):5.1f} % of characters")


if __name__ == "__main__":
    main()
