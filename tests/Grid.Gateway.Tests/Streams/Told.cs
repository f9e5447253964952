using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Tests.Streams;

/// <summary>What a client has been told by events, put together as clients do, for each of a stream's sequences.</summary>
internal sealed class Told
{
    private readonly SortedDictionary<int, Sequence> _sequences = [];
    private readonly List<string> _ends = [];

    /// <summary>Takes events of any of the three endpoints, or a whole completion; cumulative ones replace what came before.</summary>
    public Told Take(IEnumerable<ServerSentEvent> events)
    {
        foreach (var e in events)
        {
            if (e.Data == "[DONE]")
            {
                _ends.Add(e.Data);
                continue;
            }
            var json = e.Json;
            Assert.True(json["error"] is null, e.Data);
            if (json["choices"] is not JsonArray choices)
            {
                At((int?)json["index"] ?? 0).Replace(json);
                continue;
            }
            foreach (var choice in choices)
            {
                At((int)choice!["index"]!).Append(choice);
            }
            if (json["usage"] is { } usage)
            {
                _ends.Add($"{usage["prompt_tokens"]} {usage["completion_tokens"]}");
            }
        }
        return this;
    }

    public override string ToString() => $"{string.Join('\n', _sequences.Select(s => $"{s.Key}: {s.Value}"))}\n{string.Join(' ', _ends)}";

    private Sequence At(int index)
    {
        if (!_sequences.TryGetValue(index, out var sequence))
        {
            _sequences[index] = sequence = new Sequence();
        }
        return sequence;
    }

    private sealed class Sequence
    {
        private readonly StringBuilder _text = new();
        private readonly SortedDictionary<string, StringBuilder> _lists = new(StringComparer.Ordinal);
        private readonly List<string> _marks = [];

        public void Replace(JsonNode item)
        {
            _text.Clear().Append((string?)item["text"]);
            _lists.Clear();
            _marks.Clear();
            foreach (var (name, value) in item["meta_info"]!.AsObject().Append(new("output_ids", item["output_ids"])))
            {
                if (value is JsonArray list)
                {
                    AppendList(name, list);
                }
            }
            _marks.Add($"{item["meta_info"]!["id"]} {item["meta_info"]!["prompt_tokens"]} {item["meta_info"]!["sampling_seed"]} {item["meta_info"]!["finish_reason"]?.ToJsonString()}");
        }

        public void Append(JsonNode choice)
        {
            _text.Append((string?)choice["text"] ?? (string?)choice["delta"]!["content"]);
            if ((string?)choice["delta"]?["role"] is { } role)
            {
                _marks.Add(role);
            }
            if (choice["logprobs"] is JsonObject logprobs)
            {
                foreach (var (name, values) in logprobs)
                {
                    if (values is JsonArray list)
                    {
                        AppendList(name, list);
                    }
                }
            }
            if (choice["prompt_logprobs"] is { } prompt)
            {
                _marks.Add(prompt.ToJsonString());
            }
            if (choice["finish_reason"] is { } finish)
            {
                _marks.Add($"{finish} {choice["stop_reason"]?.ToJsonString()}");
            }
        }

        public override string ToString() =>
            $"'{_text}' [{string.Join(", ", _marks)}] {string.Join(' ', _lists.Select(list => $"{list.Key}: {list.Value}"))}";

        private void AppendList(string name, JsonArray values)
        {
            if (!_lists.TryGetValue(name, out var list))
            {
                _lists[name] = list = new StringBuilder();
            }
            foreach (var value in values)
            {
                list.Append(value?.ToJsonString()).Append(';');
            }
        }
    }
}
