using System.Collections.Frozen;
using System.Text.Json;

namespace Grid.Models.Configuration;

/// <summary>
/// Fields of config.json that have no influence on the results of inference: of training, of generation, of
/// transformers' own workings, of tools. A field that is neither read nor listed here might have one, and is refused.
/// </summary>
internal static class HarmlessFields
{
    private static readonly FrozenSet<string> s_names = FrozenSet.Create(StringComparer.Ordinal,
        // training
        "attention_dropout", "attn_pdrop", "embd_pdrop", "gradient_checkpointing", "hidden_dropout", "initializer_range",
        "neftune_noise_alpha", "resid_pdrop",
        // tokens; end tokens are read
        "bos_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id", "pad_token_id",
        "sep_token_id", "tokenizer_class", "unk_token_id",
        // generation defaults that old versions of transformers wrote here
        "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
        "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "length_penalty", "max_length",
        "max_new_tokens", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
        "output_scores", "prefix", "remove_invalid_values", "repetition_penalty", "suppress_tokens", "temperature",
        "top_k", "top_p", "typical_p", "use_cache",
        // transformers' own
        "chunk_size_feed_forward", "cross_attention_hidden_size", "finetuning_task", "id2label", "is_decoder",
        "keys_to_ignore_at_inference", "label2id", "name_or_path", "num_labels", "output_attentions",
        "output_hidden_states", "problem_type", "pruned_heads", "return_dict", "return_dict_in_generate",
        "task_specific_params", "tf_legacy_loss", "tie_encoder_decoder", "torchscript", "transformers_version",
        "transformers_weights", "use_bfloat16",
        // tools
        "is_llama_config", "max_sequence_length", "model_max_length", "tokenizer_model_max_length",
        "tokenizer_padding_side", "transformers.js_config", "unsloth_fixed", "unsloth_version", "vllm_version");

    /// <summary>Refuses the first field that was neither read nor is harmless. What is null or false says that something is
    /// not there, and names with an underscore in front are transformers' private ones.</summary>
    public static void RefuseOthers(JsonFields fields, string architecture)
    {
        foreach (var field in fields.Unread)
        {
            bool harmless = field.Value.ValueKind is JsonValueKind.Null or JsonValueKind.False
                || field.Name.StartsWith('_') || s_names.Contains(field.Name);
            if (!harmless)
            {
                throw fields.Error(field.Name, field.Value,
                    $"{architecture} has no such field here, and it might change results; if it does not, take it out of the file");
            }
        }
    }
}
