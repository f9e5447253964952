using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Grid.Cluster.Tests.Support;

/// <summary>
/// Chats of several turns, many at once: each turn sends the whole conversation again, as clients do. All begin with
/// the same system prompt; answers have a fixed length; a client that has ended a chat begins another. The clients'
/// turns come in rounds, all of a round at once, so that figures do not depend on how fast the machine is.
/// </summary>
internal sealed class ChatLoad(HttpClient client)
{
    private const int Clients = 12;
    private const int AnswerTokens = 16;

    private static readonly int[] s_turns = [5, 2, 4];

    private static readonly string[] s_words =
        ["dog", "cat", "king", "house", "river", "garden", "morning", "story", "friend", "window", "bread", "song", "forest", "letter", "winter", "road"];

    private static readonly string s_system = "You tell short stories to children. " + Words(0, 110);

    private int _prompt;
    private int _cached;

    /// <summary>Runs the chats and gives the share of prompt tokens that came from prefix caches.</summary>
    public static async Task<double> RunAsync(HttpClient client)
    {
        var load = new ChatLoad(client);
        var chats = new JsonArray[Clients];
        for (int round = 0; round < s_turns.Sum(); round++)
        {
            await Task.WhenAll(chats.Select((_, who) =>
            {
                if (Begins(who, round))
                {
                    chats[who] = [Message("system", s_system)];
                }

                return load.TakeTurnAsync(chats[who], who, round);
            }));
        }

        return (double)load._cached / load._prompt;
    }

    /// <summary>Each client has chats of all lengths, in an order of its own.</summary>
    private static bool Begins(int who, int round)
    {
        for (int begin = 0, chat = who; begin <= round; begin += s_turns[chat++ % s_turns.Length])
        {
            if (begin == round)
            {
                return true;
            }
        }

        return false;
    }

    private async Task TakeTurnAsync(JsonArray messages, int who, int round)
    {
        messages.Add((JsonNode)Message("user", Words((who * 100) + round + 1, 45)));
        var request = new JsonObject
        {
            ["messages"] = messages.DeepClone(),
            ["max_tokens"] = AnswerTokens,
            ["ignore_eos"] = true,
            ["seed"] = who,
        };
        using var response = await client.PostAsJsonAsync("/v1/chat/completions", request);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
        messages.Add((JsonNode)Message("assistant", (string)answer["choices"]![0]!["message"]!["content"]!));
        Interlocked.Add(ref _prompt, (int)answer["usage"]!["prompt_tokens"]!);
        Interlocked.Add(ref _cached, (int)answer["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
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
