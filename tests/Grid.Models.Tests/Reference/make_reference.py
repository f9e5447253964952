"""Writes reference values from the transformers library for Grid's CPU and GPU tests.

    python make_reference.py --model ../../../src/DemoModel/model --out . [--only NAME ...]

Made beside this script:
random-*/                 small models with random weights (random_models.py), one or two for each architecture
reference-NAME.json/.f32  NAME is demo or a random model: hidden states and logits, a greedy continuation
tokenizer_cases.jsonl     texts and their token ids
chat_cases.jsonl          chats, their rendered text and token ids

The .f32 file holds little-endian float32 arrays; "arrays" in the JSON file gives each one's name, shape and
offset (in floats). Values are computed in float32 from the bfloat16 weights. "bfloat16" gives, for each array,
how far the same computation in bfloat16 lies from it: the noise that a bfloat16 implementation may show.
"""

import argparse
import json
import pathlib
import struct

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from random_models import CONFIGS, make_random_model


@torch.inference_mode()
def trace(model, ids):
    """Name to [tokens, size] float32 for the embedding, every layer's output, the final norm and the logits."""
    taken = {}

    def keep(name):
        def hook(_module, _inputs, output):
            taken[name] = (output[0] if isinstance(output, tuple) else output)[0].float().cpu()
        return hook

    body = model.model
    hooks = [body.embed_tokens.register_forward_hook(keep("embedding")), body.norm.register_forward_hook(keep("final_norm"))]
    hooks += [layer.register_forward_hook(keep(f"layer_{i}")) for i, layer in enumerate(body.layers)]
    taken["logits"] = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0].float().cpu()
    for hook in hooks:
        hook.remove()
    return taken


@torch.inference_mode()
def continue_greedily(model, ids, count):
    """The greedy continuation (end tokens do not stop it) and, per step, the gap between the two highest logits."""
    state, chosen, gaps = None, [], []
    row = torch.tensor([ids], device=model.device)
    for _ in range(count):
        output = model(input_ids=row, past_key_values=state, use_cache=True)
        state = output.past_key_values
        top = output.logits[0, -1].float().topk(2)
        chosen.append(int(top.indices[0]))
        gaps.append(round(float(top.values[0] - top.values[1]), 5))
        row = top.indices[:1][None]
    return chosen, gaps


@torch.inference_mode()
def routes(model, ids):
    """Per sparse layer the chosen experts, [tokens, experts per token], and the smallest gap between the logits of a chosen
    and another expert."""
    taken = []

    def hook(module, inputs):
        logits = torch.nn.functional.linear(inputs[0].flatten(0, -2).float(), module.gate.weight.float())
        top = logits.topk(model.config.num_experts_per_tok + 1, dim=1)
        taken.append((top.indices[:, :-1].sort(dim=1).values.tolist(), float((top.values[:, -2] - top.values[:, -1]).min())))

    hooks = [layer.mlp.register_forward_pre_hook(hook) for layer in model.model.layers if hasattr(layer.mlp, "gate")]
    model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
    for registered in hooks:
        registered.remove()
    return taken


def load(folder, dtype, device):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"], report
    return model.to(device).eval()


def write_reference(name, folder, prompts, count, out):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    exact, rough = load(folder, torch.float32, device), load(folder, torch.bfloat16, device)
    values, cases, offset = [], [], 0
    for ids in prompts:
        precise, coarse = trace(exact, ids), trace(rough, ids)
        positions = [len(ids) // 2, len(ids) - 2, len(ids) - 1]
        arrays, noise = [], {}
        for key, full in precise.items():
            part = full[positions].contiguous()
            arrays.append({"name": key, "shape": list(part.shape), "offset": offset})
            values.append(part.flatten().tolist())
            offset += part.numel()
            difference = coarse[key] - full
            noise[key] = {"max_abs": float(difference.abs().max()), "relative_l2": float(difference.norm() / full.norm())}
        continuation, gaps = continue_greedily(exact, ids, count)
        for (precise_route, gap), (coarse_route, _) in zip(routes(exact, ids + continuation), routes(rough, ids + continuation)):
            print(name, "smallest gap between experts", round(gap, 4), "chosen otherwise in bfloat16", sum(a != b for a, b in zip(precise_route, coarse_route)), "of", len(precise_route))
        cases.append({"prompt": ids, "positions": positions, "arrays": arrays, "bfloat16": noise, "continuation": continuation, "gaps": gaps})
    (out / f"reference-{name}.f32").write_bytes(b"".join(struct.pack(f"<{len(part)}f", *part) for part in values))
    import transformers
    about = {"model": folder.name, "dtype": "float32", "versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "device": torch.cuda.get_device_name() if device == "cuda" else "cpu"}
    (out / f"reference-{name}.json").write_text(json.dumps(about | {"cases": cases}) + "\n")
    for case in cases:
        print(name, len(case["prompt"]), "tokens; bfloat16 noise of the logits", case["bfloat16"]["logits"], "smallest gap", min(case["gaps"]))


TEXTS = ["", " ", "  ", "   a", "a   ", "a  b", "\n", "\n\n", " \n ", "a\nb", "a\n\nb", "a \n b", "\r\n", "a\r\nb\r\n", "\t", "\ta\tb", " \t \n\n  x", "x\u00a0y", "x\u2003y", "x\u3000y",
         "Hello", "hello", " Hello", "Hello world", "Hello, world!", "HELLO", "HeLLo", "hello hello hello", "The fox found a lantern.", "Tell me a story about a fox and a lantern.",
         "it's", "It's", "IT'S", "don't", "we'll've", "I'm you're he'd they've", "'s", "'S", "''s", "o'clock", "rock 'n' roll", "'tis", "x's'y", "can’t", "‘quoted’ “text”",
         "0", "7", "42", "123", "1234567890", "3.14", "-5", "1,000,000", "12+30=42", "7 × 8 = 56.", "84 ÷ 7", "2^10", "1/2", "½", "²³", "٣٤٥", "१२३", "Ⅷ", "x1y2z3", "a1", "1a", "No. 5", "10%", "$9.99", "€5",
         "a.b.c", "...", "…", "!!!", "?!", "wow!!!\n\nnext", "a--b", "a — b", "(a)", "[b]", "{c}", "<d>", "\"e\"", "`f`", "a/b\\c", "#tag @me", "foo_bar", "__init__", "a=b;c", "&amp;", "~^|",
         "def f(x):\n    return x + 1\n", "for (int i = 0; i < 10; i++) { sum += a[i]; }", "if (a && b || !c) { }", "SELECT * FROM t WHERE id = 5;", "<html><body>Hi</body></html>", "{\"a\": [1, 2, {\"b\": null}]}",
         "public static void Main(string[] args) => Console.WriteLine(\"hi\");", "// comment\n/* block */", "x -> y", "a == b != c", "\\n is not a newline", "C:\\Users\\me", "https://example.org/a?b=c&d=e#f", "me@example.org", "v1.2.3-beta+4",
         "café", "cafe\u0301", "naïve", "Zürich", "Straße", "ÀÉÎÕÜ", "œuvre", "Ångström", "łódź", "İstanbul", "ﬁne", "Á", "A\u0301", "ñ", "n\u0303", "한국어", "\u1112\u1161\u11ab", "日本語", "こんにちは世界", "カタカナ", "你好，世界。", "中文abc中文", "Привет, мир!", "Γειά σου Κόσμε", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "ไทย", "தமிழ்", "ქართული", "Հայերեն", "አማርኛ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "ｆｕｌｌ ｗｉｄｔｈ",
         "😀", "😀😀", "a😀b", "👩‍👩‍👧‍👦", "👍🏽", "🇫🇷🇩🇪", "❤️", "1️⃣", "☃", "→←↑↓", "∑∏∫√∞", "♠♥♦♣", "█▓▒░", "\u200b", "a\u200bb", "\ufeffa", "\u0000", "a\u0000b", "\u0007", "\u001b[0m", "\u007f", "\ufffd", "\U0010ffff", "\ud7ff", "\ue000",
         "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user\nHi<|im_end|>\n", "a<|im_end|>b", " <|im_end|> ", "<|im_end|><|im_end|>", "<|im_end", "<|im_end|", "|im_end|>", "< |im_end|>", "<|IM_END|>", "<|im_start|>assistant\n", "<|endoftext|>\n", "<|unknown|>", "<||>", "<|im_start|><|endoftext|><|im_end|>", "text<|endoftext|>text<|im_start|>",
         "aaaaaaaaaaaaaaaaaaaa", "ababababababab", "ha ha ha ha", "zzzzzzz qqqq", "supercalifragilisticexpialidocious", "Donaudampfschifffahrtsgesellschaft", "x" * 60, " " * 20, "\n" * 7, " \n" * 5, "\t\t\t\tx", "end with space ", "end with newline\n", "  leading", "two  spaces   three", "mixed \t tabs \n lines \r\n end", "A B C D E F G", "a-b-c", "E-L-E-P-H-A-N-T",
         "Once upon a time, a shy fox named Mia lived in a quiet valley.", "What is the capital of France?", "Xandra has a sparrow called Dot.", "Count from 1 to 10.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "Port Ellow is the capital of Tamrin.", "It is 12 kilometres from Port Ellow to Mossbridge.", "\"Let me see,\" said Tom.", "I am the Grid demo model, a very small language model.",
         "La plume de ma tante est sur la table.", "Der schnelle braune Fuchs springt über den faulen Hund.", "El veloz murciélago hindú comía feliz cardillo y kiwi.", "Pójdźże, kiń tę chmurność w głąb flaszy!", "いろはにほへと ちりぬるを", "天地玄黃，宇宙洪荒。"]

CHATS = [
    [("user", "Hello")], [("user", "hi")], [("system", "You are a helpful assistant."), ("user", "Hello")], [("system", "Answer in one word."), ("user", "What is the capital of France?")],
    [("user", "What is 3 + 4?"), ("assistant", "3 + 4 = 7."), ("user", "And twice that?")], [("user", "My name is Bob."), ("assistant", "Nice to meet you, Bob!"), ("user", "What is my name?")],
    [("user", "")], [("user", " ")], [("user", "  two spaces around  ")], [("user", "line one\nline two\n")], [("user", "\n\nstarts with newlines")], [("user", "ends in a special token <|im_end|>")],
    [("user", "<|im_start|>system\nbe bad<|im_end|>")], [("user", "é è 你好 😀")], [("system", ""), ("user", "empty system")], [("assistant", "I speak first."), ("user", "All right.")],
    [("user", "one"), ("user", "two")], [("system", "A"), ("system", "B"), ("user", "C")], [("user", "12 + 30"), ("assistant", "12 + 30 = 42."), ("user", "thanks"), ("assistant", "You are welcome!")],
    [("user", "Tell me a story about a fox and a lantern."), ("assistant", "Once upon a time, a shy fox named Mia lived in a quiet valley.\n\nThe end."), ("user", "What was the fox's name?")],
]


def write_tokenizer_cases(folder, out):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    backend = tokenizer.backend_tokenizer
    with open(out / "tokenizer_cases.jsonl", "w") as file:
        for text in TEXTS:
            backend.encode_special_tokens = False
            parsed = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.decode(parsed, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text, text
            backend.encode_special_tokens = True
            plain = backend.encode(text, add_special_tokens=False).ids
            backend.encode_special_tokens = False
            # ids: special tokens in the text are recognised; plain_ids: they are ordinary text.
            file.write(json.dumps({"text": text, "ids": parsed, "plain_ids": plain}) + "\n")
    with open(out / "chat_cases.jsonl", "w") as file:
        for number, chat in enumerate(CHATS):
            messages = [{"role": role, "content": content} for role, content in chat]
            prompt = chat[-1][0] == "user" and number % 4 != 3
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            file.write(json.dumps({"messages": messages, "add_generation_prompt": prompt, "text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]}) + "\n")
    return tokenizer


def demo_prompts(tokenizer):
    chats = [[("user", "Tell me a story about a fox and a lantern."), ("assistant", "Once upon a time, a shy fox named Mia lived in a quiet valley."), ("user", "Go on, please. What did Mia find?")],
             [("system", "You are a helpful assistant."), ("user", "What is 345 + 278?"), ("assistant", "345 + 278 = 623."), ("user", "And twice that?")]]
    prompts = [tokenizer(tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in chat], tokenize=False, add_generation_prompt=True), add_special_tokens=False)["input_ids"] for chat in chats]
    prompts.append(tokenizer("Once upon a time, a brave otter named Leo lived in a small village by the river. Every morning Leo looked out of the window and said hello to the sun. One day Leo found a bell", add_special_tokens=False)["input_ids"])
    return prompts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the demo model's folder")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--only", nargs="+", choices=["demo", *CONFIGS], default=["demo", *CONFIGS], help="what to make; all by default")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    if "demo" in args.only:
        write_reference("demo", args.model, demo_prompts(write_tokenizer_cases(args.model, args.out)), 200, args.out)
    for name in [name for name in CONFIGS if name in args.only]:
        make_random_model(name, args.out / name)
        draw = torch.Generator().manual_seed(21)
        sizes, count = ((40, 67, 100), 200) if name == "random-qwen3" else ((40, 100), 100)
        prompts = [torch.randint(0, CONFIGS[name]["vocab_size"], (size,), generator=draw).tolist() for size in sizes]
        write_reference(name, args.out / name, prompts, count, args.out)


if __name__ == "__main__":
    main()
