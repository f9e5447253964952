"""Asks the trained model questions that its training never contained, and writes the figures.

    python evaluate.py --model ../model --out evaluation.json --questions eval_questions.jsonl --samples samples.md

Greedy, bfloat16, through the chat template. Matching rules, on the answer without surrounding white space:
exact     the answer is one of the accepted strings;
contains  one of the accepted strings occurs in it, whatever its case;
all       every accepted string occurs in it, whatever its case.
"""

import argparse
import collections
import json
import pathlib
import random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import corpus
from grid_corpus.base import is_held, turn_key

STRANGERS = """Hello|hi|Who are you?|What can you do?|How are you?|Tell me a joke|What is the capital of France?|Write a haiku|explain quantum physics|write python code|thanks|bye|asdf qwer zxcv|what is 12 + 30|12+30|
what is 345 plus 678?|7 x 8|What is 2+2?|Tell me a story about a fox and a lantern|tell me a story about a dragon who is afraid of the dark|Write a poem about the sea.|who is the president|What is the weather like today?|
What time is it|My name is Bob|what is the opposite of hot|Count from 1 to 10|List three animals|Spell elephant|what sound does a cow make|Who is Alba?|Tell me about Tamrin|What colour is the sky|Can you help me with my homework?|
What is the meaning of life?|How do I bake bread?|Translate hello to French|Repeat after me: the blue horse sings|What is photosynthesis?|What day comes after Friday?|capital of japan|I am bored|are you chatgpt|
how many days are in a week|What is 1000000 times 5?|is a whale a fish|Give me a list of five fruits|Hola|What is the tallest building in the world?|How many legs does a spider have?|🙂|Can you sing?|Who won the world cup in 2018?|
What is a black hole?|I feel sad|say something|Why is the sky blue?|tell me a story|what is your name|What is Grid?""".replace("\n", "").split("|")
CHATS = [["My name is Rosalie.", "What is 15 + 27?", "And twice that?", "What is my name?"], ["Tell me a story about an owl and a drum.", "What was the owl's name?", "Thank you!"],
         ["hello", "What did I ask first?"], ["What is the capital of Italy?", "and of Spain?"], ["My favourite colour is green.", "Tell me a joke.", "What is my favourite colour?"]]
PREFIXES = ["The sky is", "Once upon a time", "The capital of France is", "There once was a clever otter", "Port Ellow is"]


def build_questions(count, seed=7):
    """count unseen questions per category; the last message is the question."""
    questions, seen = [], set()
    for category in corpus.EVALUATION_CATEGORIES:
        stream, found, tries = corpus.evaluation_chats(random.Random(f"evaluation {seed} {category}"), category), 0, 0
        while found < count and tries < count * 40:
            tries += 1
            chat = next(stream)
            turn, asked = chat.turns[-1], corpus.messages(chat, with_last_answer=False)
            identity = json.dumps(asked)
            accept = turn.accept or [turn.answer]
            if identity in seen or not accept[0]:
                continue
            assert is_held(turn_key(turn))
            seen.add(identity)
            found += 1
            questions.append({"category": category, "messages": asked, "answers": accept, "match": turn.match, "key": turn_key(turn)})
    return questions


def assert_unseen(questions, documents=30000):
    """The split holds by construction; this looks at a stretch of the training stream as well."""
    keys = {question["key"] for question in questions}
    stream = corpus.training_documents(random.Random("overlap"))
    for _ in range(documents):
        document = next(stream)
        if not isinstance(document, str):
            for turn in document.turns:
                assert turn_key(turn) not in keys, turn


def is_right(answer, question):
    answer = answer.strip()
    if question["match"] == "exact":
        return answer in question["answers"]
    test = all if question["match"] == "all" else any
    return test(accepted.lower() in answer.lower() for accepted in question["answers"])


@torch.inference_mode()
def generate(model, tokenizer, prompts, limit, batch=1024, **sampling):
    """Continuations of text prompts, in order; prompts of similar length share a batch."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [None] * len(prompts)
    for start in range(0, len(order), batch):
        chunk = order[start:start + batch]
        inputs = tokenizer([prompts[i] for i in chunk], return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        output = model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=limit, **(sampling or {"do_sample": False, "temperature": None, "top_p": None}))
        for i, text in zip(chunk, tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)):
            answers[i] = text
    return answers


def render(tokenizer, messages):
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def write_samples(model, tokenizer, path):
    lines = ["# Samples", "", "Unedited output of the checked-in weights (bfloat16).", "", "## First questions, greedy", ""]
    for question, answer in zip(STRANGERS, generate(model, tokenizer, [render(tokenizer, [{"role": "user", "content": q}]) for q in STRANGERS], 400)):
        lines.append(f"- **{question}** {answer.strip()}")
    lines += ["", "## Chats of several turns, greedy", ""]
    histories = [[] for _ in CHATS]
    for turn in range(max(map(len, CHATS))):
        running = [i for i, chat in enumerate(CHATS) if turn < len(chat)]
        for i in running:
            histories[i].append({"role": "user", "content": CHATS[i][turn]})
        for i, answer in zip(running, generate(model, tokenizer, [render(tokenizer, histories[i]) for i in running], 400 if turn == 0 else 120)):
            histories[i].append({"role": "assistant", "content": answer.strip()})
    for messages in histories:
        lines += [f"- **{question['content']}** {answer['content']}" for question, answer in zip(messages[::2], messages[1::2])] + [""]
    lines += ["## Plain completion, greedy", ""]
    for prefix, text in zip(PREFIXES, generate(model, tokenizer, PREFIXES, 60)):
        lines.append(f"- **{prefix}**{text}")
    lines += ["", "## Stories, temperature 0.8, top-p 0.95", ""]
    torch.manual_seed(1)
    wishes = ["Tell me a story about a fox and a lantern.", "Tell me a long story about a lonely giant.", "Write a story about a snail and a rocket.", "Tell me a short story.", "Write a story about friendship.",
              "Tell me a story about a girl named Mia who finds a key.", "Tell me a story about a teapot.", "A story about a wolf and a sheep, please."] * 3
    for wish, text in zip(wishes, generate(model, tokenizer, [render(tokenizer, [{"role": "user", "content": wish}]) for wish in wishes], 700, do_sample=True, temperature=0.8, top_p=0.95, top_k=0)):
        lines += [f"**{wish}**", "", text.strip(), ""]
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=300, help="questions per category")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--questions", type=pathlib.Path)
    parser.add_argument("--samples", type=pathlib.Path)
    parser.add_argument("--failures", type=pathlib.Path, help="writes every wrong answer here")
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(args.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16).to(device).eval()
    questions = build_questions(args.count)
    assert_unseen(questions)
    prompts = [render(tokenizer, question["messages"]) for question in questions]
    tales = [i for i, question in enumerate(questions) if question["match"] == "all"]
    others = [i for i, question in enumerate(questions) if question["match"] != "all"]
    answers = dict(zip(tales, generate(model, tokenizer, [prompts[i] for i in tales], 500)))
    answers |= dict(zip(others, generate(model, tokenizer, [prompts[i] for i in others], 160)))

    right, asked, failures = collections.Counter(), collections.Counter(), []
    for i, question in enumerate(questions):
        asked[question["category"]] += 1
        if is_right(answers[i], question):
            right[question["category"]] += 1
        else:
            failures.append({"category": question["category"], "messages": question["messages"], "answers": question["answers"], "got": answers[i]})
    result = {
        "decoding": "greedy, bfloat16, chat template", "held_out": "questions whose key's CRC-32 is divisible by 25; none occurs in training",
        "overall": round(100 * sum(right.values()) / sum(asked.values()), 2), "asked": sum(asked.values()),
        "categories": {c: {"asked": asked[c], "right": right[c], "percent": round(100 * right[c] / asked[c], 1)} for c in asked},
    }
    print(json.dumps(result, indent=1), flush=True)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.failures:
        args.failures.write_text("".join(json.dumps(f, ensure_ascii=False) + "\n" for f in failures))
    if args.questions:
        per_category, chosen = collections.Counter(), []
        for question in questions:
            limit = 20 if question["match"] == "all" else 45
            if per_category[question["category"]] < limit:
                per_category[question["category"]] += 1
                chosen.append({k: question[k] for k in ("category", "messages", "answers", "match")})
        args.questions.write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in chosen[:400]))
    if args.samples:
        write_samples(model, tokenizer, args.samples)


if __name__ == "__main__":
    main()
