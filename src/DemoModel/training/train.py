"""Trains the demo model from scratch on one GPU.

    python train.py --model ../model --steps 6000

Every batch is one packed row of whole documents. Attention never crosses a document's border and
positions restart with each document, so the model sees exactly what it will see when it serves.
Batch number i depends on the seed and on i alone, whatever the number of data workers.
Weights and optimiser are float32, the arithmetic is bfloat16, the saved weights are bfloat16.
"""

import argparse
import json
import math
import os
import pathlib
import random
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

import corpus

CONTEXT = 2048
IGNORED = -100

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 4093, "eos_token_id": 4095, "head_dim": 64,
    "hidden_act": "silu", "hidden_size": 256, "initializer_range": 0.02, "intermediate_size": 640, "max_position_embeddings": CONTEXT, "max_window_layers": 8,
    "model_type": "qwen3", "num_attention_heads": 8, "num_hidden_layers": 8, "num_key_value_heads": 2, "pad_token_id": 4093, "rms_norm_eps": 1e-06,
    "rope_scaling": None, "rope_theta": 10000, "sliding_window": None, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True,
    "use_sliding_window": False, "vocab_size": 4096,
}
GENERATION = {"bos_token_id": 4093, "do_sample": True, "eos_token_id": [4095, 4093], "pad_token_id": 4093, "temperature": 0.7, "top_p": 0.9}


class Encoder:
    """Documents to token ids and labels; only answers and plain texts are learned."""

    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(str(path))
        self.end_of_text, self.start, self.end = (self.tokenizer.token_to_id(t) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
        self.newline = self.tokenizer.encode("\n").ids
        self.answer_prefix = len(self.tokenizer.encode("assistant\n").ids)

    def encode(self, documents):
        pieces = []
        for document in documents:
            pieces += [document] if isinstance(document, str) else [f"{m['role']}\n{m['content']}" for m in corpus.messages(document)]
        encoded = iter(self.tokenizer.encode_batch(pieces))
        for document in documents:
            if isinstance(document, str):
                ids = next(encoded).ids + [self.end_of_text]
                yield ids, ids
                continue
            ids, labels = [], []
            for message in corpus.messages(document):
                piece = next(encoded).ids
                ids += [self.start] + piece + [self.end] + self.newline
                if message["role"] == "assistant":
                    learned = piece[self.answer_prefix:] + [self.end]
                    labels += [IGNORED] * (1 + self.answer_prefix) + learned + [IGNORED] * len(self.newline)
                else:
                    labels += [IGNORED] * (len(piece) + 2 + len(self.newline))
            yield ids, labels


class Batches(torch.utils.data.Dataset):
    def __init__(self, tokenizer, seed, steps, tokens):
        self.tokenizer, self.seed, self.steps, self.tokens = tokenizer, seed, steps, tokens
        self.encoder = None

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        if self.encoder is None:
            self.encoder = Encoder(self.tokenizer)
        stream = corpus.training_documents(random.Random(f"{self.seed}/{index}"))
        ids, labels, positions, borders = [], [], [], [0]
        most = self.tokens // 40
        while len(ids) < self.tokens:
            for document_ids, document_labels in self.encoder.encode([next(stream) for _ in range(256)]):
                take = min(len(document_ids), CONTEXT, self.tokens - len(ids))
                if take == 0:
                    break
                ids += document_ids[:take]
                # The label of a position is the id that follows it within the document.
                labels += document_labels[1:take] + [IGNORED]
                positions += range(take)
                borders.append(len(ids))
        if len(borders) > most:
            raise ValueError(f"batch {index} holds {len(borders) - 1} documents; at most {most - 1} fit")
        # Empty documents at the end: the number of borders is the same in every batch.
        borders += [self.tokens] * (most - len(borders))
        return (torch.tensor([ids]), torch.tensor(labels), torch.tensor([positions]), torch.tensor(borders, dtype=torch.int32))


def packed_attention(module, query, key, value, attention_mask, borders=None, **_):
    """Causal attention within each document of a packed row; query, key, value are [1, heads, tokens, head_dim]."""
    query, key, value = (x[0].transpose(0, 1).to(torch.bfloat16) for x in (query, key, value))
    key, value = (x.repeat_interleave(module.num_key_value_groups, dim=1) for x in (key, value))
    return varlen_attn(query, key, value, borders, borders, CONTEXT, CONTEXT, window_size=(-1, 0)).unsqueeze(0), None


def loss_of(model, ids, labels, positions, borders):
    hidden = model.model.embed_tokens(ids)
    rotary = model.model.rotary_emb(hidden, positions)
    for layer in model.model.layers:
        hidden = layer(hidden, attention_mask=None, position_ids=positions, position_embeddings=rotary, use_cache=False, borders=borders)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    logits = model.lm_head(model.model.norm(hidden))
    return F.cross_entropy(logits[0].float(), labels, ignore_index=IGNORED)


@torch.no_grad()
def check_saved(model, folder, seed):
    """Loads the folder the usual way and compares the mean loss over some documents, one at a time, with the trained weights'."""
    encoder, stream = Encoder(folder / "tokenizer.json"), corpus.training_documents(random.Random(f"check {seed}"))
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).cuda().eval()
    losses = {"trained": [], "loaded": []}
    for ids, labels in encoder.encode([next(stream) for _ in range(100)]):
        ids, labels = ids[:CONTEXT], labels[:CONTEXT]
        row, wanted = torch.tensor([ids]).cuda(), torch.tensor(labels[1:] + [IGNORED]).cuda()
        if (wanted == IGNORED).all():
            continue
        losses["loaded"].append(F.cross_entropy(loaded(input_ids=row).logits[0].float(), wanted, ignore_index=IGNORED).item())
        positions, borders = torch.arange(len(ids))[None].cuda(), torch.tensor([0, len(ids)], dtype=torch.int32).cuda()
        with torch.autocast("cuda", torch.bfloat16):
            losses["trained"].append(loss_of(model, row, wanted, positions, borders).item())
    means = {name: round(sum(values) / len(values), 4) for name, values in losses.items()}
    if abs(means["trained"] - means["loaded"]) > 0.01:
        raise SystemExit(f"the saved model's loss differs from the trained model's: {means}")
    return means


def save(model, folder):
    weights = {name: tensor.detach().to(torch.bfloat16).cpu().contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(GENERATION, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="folder with tokenizer.json; the weights are written there")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--tokens", type=int, default=65536, help="tokens per step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=math.inf, help="shorten the schedule where the steps would take longer than this, compilation apart")
    parser.add_argument("--log", type=pathlib.Path)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    AttentionInterface.register("packed", packed_attention)
    model = Qwen3ForCausalLM(Qwen3Config(**{k: v for k, v in CONFIG.items() if k not in ("architectures", "torch_dtype", "rope_scaling")})).cuda().float()
    model.config._attn_implementation = "packed"
    model.tie_weights()
    parameters = [p for p in model.parameters() if p.requires_grad]
    print(f"{sum(p.numel() for p in parameters):,} parameters", flush=True)
    matrices = [p for p in parameters if p.ndim == 2]
    optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": [p for p in parameters if p.ndim != 2], "weight_decay": 0.0}],
                                  lr=args.rate, betas=(0.9, 0.95), fused=True)
    loss_function = torch.compile(loss_of)
    loader = torch.utils.data.DataLoader(Batches(args.model / "tokenizer.json", args.seed, args.steps, args.tokens), batch_size=None, num_workers=args.workers,
                                         prefetch_factor=6, pin_memory=True, multiprocessing_context="fork")

    started = clock = time.time()
    history, running, progress, waited, ready = [], torch.zeros((), device="cuda"), 0.0, 0.0, time.time()
    for step, (ids, labels, positions, borders) in enumerate(loader):
        if step == 2:  # compiled by now
            compiling, started = time.time() - started, time.time()
        waited += time.time() - ready
        # The schedule follows the steps, or the seconds where those run out first.
        progress = max(step / args.steps, (time.time() - started) / args.seconds if step >= 2 else 0)
        if progress >= 1:
            break
        rate = args.rate * min(1, (step + 1) / args.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        ids, labels, positions, borders = (x.cuda(non_blocking=True) for x in (ids, labels, positions, borders))
        with torch.autocast("cuda", torch.bfloat16):
            loss = loss_function(model, ids, labels, positions, borders)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        running += loss.detach()
        if (step + 1) % 100 == 0 or step < 3:
            count = 100 if step >= 3 else 1
            mean = running.item() / (count if step != 99 else 97)
            running.zero_()
            now = time.time()
            history.append({"step": step + 1, "loss": round(mean, 4), "seconds": round(now - started, 1)})
            print(f"step {step + 1:5}  loss {mean:.4f}  rate {rate:.2e}  {count * args.tokens / (now - clock) / 1e6:.2f} M tokens/s  {now - started:.0f} s ({waited:.0f} s waiting for data)", flush=True)
            clock = now
        ready = time.time()
    save(model, args.model)
    seconds = round(time.time() - started, 1)
    summary = {"steps": step + 1 if progress < 1 else step, "tokens": (step + 1 if progress < 1 else step) * args.tokens, "seconds": seconds, "compile_seconds": round(compiling, 1), "device": torch.cuda.get_device_name(),
               "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1), "loss_after_saving": check_saved(model, args.model, args.seed), "history": history}
    if args.log:
        args.log.write_text(json.dumps(summary) + "\n")
    print({k: v for k, v in summary.items() if k != "history"}, flush=True)


if __name__ == "__main__":
    main()
