using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Grid.Cluster.Tests.Support;

/// <summary>
/// Chats of several turns, many at once: each turn sends the whole conversation again, as clients do. All begin with
/// the same system prompt; answers have a fixed length.
/// </summary>
internal static class ChatLoad
{
    private const int AnswerTokens = 16;

    private static readonly string[] s_words =
        ["dog", "cat", "king", "house", "river", "garden", "morning", "story", "friend", "window", "bread", "song", "forest", "letter", "winter", "road"];

    private static readonly string s_system = "You tell short stories to children. " + Words(0, 110);

    /// <summary>Runs chats, so many clients at a time and each client's one after the other, and gives how many prompt tokens
    /// there were and how many of them came from prefix caches.</summary>
    public static async Task<(int Prompt, int Cached)> RunAsync(HttpClient client, int clients, int chatsEach, int turns)
    {
        var results = await Task.WhenAll(Enumerable.Range(0, clients).Select(async who =>
        {
            (int prompt, int cached) = (0, 0);
            for (int chat = 0; chat < chatsEach; chat++)
            {
                var (p, c) = await ChatAsync(client, (who * chatsEach) + chat, turns);
                (prompt, cached) = (prompt + p, cached + c);
            }

            return (Prompt: prompt, Cached: cached);
        }));
        return (results.Sum(result => result.Prompt), results.Sum(result => result.Cached));
    }

    private static async Task<(int Prompt, int Cached)> ChatAsync(HttpClient client, int number, int turns)
    {
        var messages = new JsonArray(Message("system", s_system));
        (int prompt, int cached) = (0, 0);
        for (int turn = 0; turn < turns; turn++)
        {
            messages.Add((JsonNode)Message("user", Words((number * 100) + turn + 1, 60)));
            var request = new JsonObject
            {
                ["messages"] = messages.DeepClone(),
                ["max_tokens"] = AnswerTokens,
                ["ignore_eos"] = true,
                ["seed"] = number,
            };
            using var response = await client.PostAsJsonAsync("/v1/chat/completions", request);
            var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
            Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
            messages.Add((JsonNode)Message("assistant", (string)answer["choices"]![0]!["message"]!["content"]!));
            prompt += (int)answer["usage"]!["prompt_tokens"]!;
            cached += (int)answer["usage"]!["prompt_tokens_details"]!["cached_tokens"]!;
        }

        return (prompt, cached);
    }

    private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };

    /// <summary>So many words, others for every number.</summary>
    private static string Words(int number, int count)
    {
        uint state = (uint)number + 1;
        return string.Join(' ', Enumerable.Range(0, count).Select(i =>
        {
            state = (state * 1664525) + 1013904223;
            return i % 12 == 0 ? number.ToString(CultureInfo.InvariantCulture) : s_words[state >> 28];
        }));
    }
}
