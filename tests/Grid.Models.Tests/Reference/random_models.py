"""Small checkpoints with random weights, one for every architecture and for what its configuration can vary.

Matrices have variance one over their inputs and norms lie around one, so that every part of a layer matters; the
files are the same on every machine. Names and shapes are those of the checkpoints on the hub.
"""

import json

import torch
from safetensors.torch import save_file

COMMON = {"attention_dropout": 0.0, "bos_token_id": 397, "eos_token_id": 399, "hidden_act": "silu", "hidden_size": 64, "initializer_range": 0.02, "intermediate_size": 96, "max_position_embeddings": 512,
          "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 2, "rms_norm_eps": 1e-05, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": 400}

# Of the frequencies some stay, some are interpolated and the rest divided, for positions that the tests reach.
LLAMA3_SCALING = {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 64, "rope_type": "llama3"}

MOE = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "attention_bias": False, "decoder_sparse_step": 1, "head_dim": 32, "mlp_only_layers": [], "moe_intermediate_size": 32, "norm_topk_prob": True,
       "num_experts": 8, "num_experts_per_tok": 2, "output_router_logits": False, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": None, "use_sliding_window": False}

CONFIGS = {
    "random-qwen3": {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 597, "eos_token_id": 599, "head_dim": 32, "hidden_act": "silu",
        "hidden_size": 128, "initializer_range": 0.02, "intermediate_size": 192, "max_position_embeddings": 4096, "max_window_layers": 3, "model_type": "qwen3",
        "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False, "vocab_size": 600,
    },
    # Spelling of transformers 4; the head size is not hidden_size / num_attention_heads.
    "random-llama": COMMON | {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False, "head_dim": 32, "pretraining_tp": 1, "rope_scaling": LLAMA3_SCALING, "rope_theta": 10000.0},
    # Spelling of transformers 5; no head size, as many key/value heads as query heads without saying so.
    "random-llama-tied": {key: value for key, value in COMMON.items() if key not in ("num_key_value_heads", "torch_dtype")} | {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False, "dtype": "bfloat16", "pretraining_tp": 1, "tie_word_embeddings": True,
        "rope_parameters": LLAMA3_SCALING | {"factor": 4.0, "low_freq_factor": 2.0, "rope_theta": 20000.0}},
    "random-qwen2": COMMON | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "max_window_layers": 1, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 16, "use_sliding_window": False},
    "random-mistral": COMMON | {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "head_dim": 32, "num_key_value_heads": 1, "rope_theta": 1000000.0, "sliding_window": None},
    "random-qwen3-moe": COMMON | MOE | {"num_hidden_layers": 2},
    # A dense layer between two sparse ones, and weights of the chosen experts as the router gives them.
    "random-qwen3-moe-mixed": COMMON | MOE | {"mlp_only_layers": [1], "norm_topk_prob": False},
}


class RandomWeights:
    """Draws the weights of one model, in an order that is part of the files."""

    def __init__(self, config, seed):
        self.config = config
        self.generator = torch.Generator().manual_seed(seed)
        self.hidden = config["hidden_size"]
        self.experts = config.get("num_experts", 0)

    def draw(self, *shape):
        return torch.randn(*shape, generator=self.generator)

    def matrix(self, rows, columns, gain=1.0):
        return (self.draw(rows, columns) * gain / columns**0.5).to(torch.bfloat16)

    def vector(self, size, mean=1.0, spread=0.2):
        return (mean + spread * self.draw(size)).to(torch.bfloat16)

    def embedding(self):
        table = self.matrix(self.config["vocab_size"], self.hidden, self.hidden**0.5)
        if self.experts:
            # The first elements say which experts a token prefers, two of them clearly: near ties would be decided by
            # rounding, and then nothing could be compared.
            chosen = self.config["num_experts_per_tok"]
            liking = self.draw(self.config["vocab_size"], self.experts).sort(dim=1, descending=True).values
            liking[:, :chosen] += 0.8
            order = torch.rand(liking.shape, generator=self.generator).argsort(dim=1)
            table[:, :self.experts] = liking.gather(1, order).to(torch.bfloat16)
        return table

    def to_residual(self, columns):
        """What adds to the residual stream leaves the experts' elements almost alone."""
        weight = self.matrix(self.hidden, columns)
        weight[:self.experts] *= 0.02
        return weight

    def mlp(self, name, inner):
        return {name + "gate_proj.weight": self.matrix(inner, self.hidden), name + "up_proj.weight": self.matrix(inner, self.hidden), name + "down_proj.weight": self.to_residual(inner)}

    def sparse(self, name):
        router = 0.004 * self.draw(self.experts, self.hidden)
        router[:, :self.experts] += 1.5 * torch.eye(self.experts)[torch.randperm(self.experts, generator=self.generator)]
        weights = {name + "gate.weight": router.to(torch.bfloat16)}
        for expert in range(self.experts):
            weights |= self.mlp(f"{name}experts.{expert}.", self.config["moe_intermediate_size"])
        return weights

    def layer(self, number):
        c = self.config
        size = c.get("head_dim") or self.hidden // c["num_attention_heads"]
        queries, keys = c["num_attention_heads"] * size, c.get("num_key_value_heads", c["num_attention_heads"]) * size
        name, attention = f"model.layers.{number}.", f"model.layers.{number}.self_attn."
        weights = {name + "input_layernorm.weight": self.vector(self.hidden), name + "post_attention_layernorm.weight": self.vector(self.hidden)}
        weights |= {attention + "q_proj.weight": self.matrix(queries, self.hidden), attention + "k_proj.weight": self.matrix(keys, self.hidden), attention + "v_proj.weight": self.matrix(keys, self.hidden)}
        weights[attention + "o_proj.weight"] = self.to_residual(queries)
        if c["model_type"].startswith("qwen3"):
            weights |= {attention + "q_norm.weight": self.vector(size, 1.5), attention + "k_norm.weight": self.vector(size, 1.5)}
        if c["model_type"] == "qwen2":
            weights |= {f"{attention}{part}_proj.bias": self.vector(rows, 0.0, 0.7) for part, rows in (("q", queries), ("k", keys), ("v", keys))}
        if self.experts and number not in c["mlp_only_layers"]:
            return weights | self.sparse(name + "mlp.")
        return weights | self.mlp(name + "mlp.", c["intermediate_size"])

    def all(self):
        """The weights of the embedding with the first layer, and all others."""
        tied = self.config["tie_word_embeddings"]
        first = {"model.embed_tokens.weight": self.embedding()}
        # A tied head would mostly repeat its input; a final norm of both signs keeps the two apart.
        second = {"model.norm.weight": self.vector(self.hidden, 0.0, 0.3) if tied else self.vector(self.hidden)}
        if not tied:
            second["lm_head.weight"] = self.matrix(self.config["vocab_size"], self.hidden, 2.0)
        for number in range(self.config["num_hidden_layers"]):
            (first if number == 0 else second).update(self.layer(number))
        return first, second


def make_random_model(name, folder):
    """Writes a model folder: config.json, generation_config.json and the weights (random-qwen3's in two shards)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIGS[name]
    first, second = RandomWeights(config, 20 + list(CONFIGS).index(name)).all()
    if name == "random-qwen3":
        shards = {"model-00001-of-00002.safetensors": first, "model-00002-of-00002.safetensors": second}
        size = sum(2 * tensor.numel() for weights in shards.values() for tensor in weights.values())
        index = {"metadata": {"total_size": size}, "weight_map": {name: file for file, weights in shards.items() for name in sorted(weights)}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    else:
        shards = {"model.safetensors": first | second}
    for file, weights in shards.items():
        save_file(weights, str(folder / file), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokens = {key: config[key] for key in ("bos_token_id", "eos_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(tokens, indent=2) + "\n")
