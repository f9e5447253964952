namespace Grid.Models.Tests.Support;

/// <summary>A small random Qwen3 model folder: tensors by name, and a config.json that fits them.</summary>
public sealed class TinyCheckpoint
{
    public const int Vocabulary = 48;
    public const int Hidden = 32;
    public const int Intermediate = 64;
    public const int Layers = 2;
    public const int QueryHeads = 4;
    public const int KvHeads = 2;
    public const int HeadDim = 16;

    public const string Config = """
        {
          "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_act": "silu", "torch_dtype": "bfloat16",
          "vocab_size": 48, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
          "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
          "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "rope_scaling": null, "attention_bias": false,
          "use_sliding_window": false, "sliding_window": null, "tie_word_embeddings": true, "eos_token_id": 7,
          "bos_token_id": 1, "initializer_range": 0.02, "use_cache": true
        }
        """;

    public SortedDictionary<string, (int[] Shape, ushort[] Values)> Tensors { get; } = new(StringComparer.Ordinal);

    public TinyCheckpoint(int seed = 1)
    {
        var random = new Random(seed);
        Add(random, "model.embed_tokens.weight", Vocabulary, Hidden);
        for (int i = 0; i < Layers; i++)
        {
            string layer = $"model.layers.{i}.";
            Add(random, layer + "input_layernorm.weight", Hidden);
            Add(random, layer + "self_attn.q_proj.weight", QueryHeads * HeadDim, Hidden);
            Add(random, layer + "self_attn.k_proj.weight", KvHeads * HeadDim, Hidden);
            Add(random, layer + "self_attn.v_proj.weight", KvHeads * HeadDim, Hidden);
            Add(random, layer + "self_attn.q_norm.weight", HeadDim);
            Add(random, layer + "self_attn.k_norm.weight", HeadDim);
            Add(random, layer + "self_attn.o_proj.weight", Hidden, QueryHeads * HeadDim);
            Add(random, layer + "post_attention_layernorm.weight", Hidden);
            Add(random, layer + "mlp.gate_proj.weight", Intermediate, Hidden);
            Add(random, layer + "mlp.up_proj.weight", Intermediate, Hidden);
            Add(random, layer + "mlp.down_proj.weight", Hidden, Intermediate);
        }

        Add(random, "model.norm.weight", Hidden);
    }

    /// <summary>config.json and one model.safetensors.</summary>
    public void Write(TemporaryFolder folder, string config = Config)
    {
        var builder = new SafetensorsBuilder();
        foreach ((string name, (int[] shape, ushort[] values)) in Tensors)
        {
            builder.AddBf16(name, shape, values);
        }

        File.WriteAllText(folder.File("config.json"), config);
        File.WriteAllBytes(folder.File("model.safetensors"), builder.Build());
    }

    private void Add(Random random, string name, params int[] shape) =>
        Tensors.Add(name, (shape, SafetensorsBuilder.RandomBf16(random, shape.Aggregate(1, (a, b) => a * b))));
}
