using System.Text.Json.Nodes;
using Grid.Cpu;
using Grid.Models;
using Grid.Numerics;
using Grid.Text;

namespace Grid.Engine.Tests;

/// <summary>The demo model through this engine, on questions its training never contained.</summary>
public sealed class DemoModelQualityTests
{
    [Fact]
    public void At_least_95_percent_of_unseen_questions_are_answered_right()
    {
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions());
        var text = TextModel.Load(ModelFolder.Open(DemoModel.Path).ReadTextFiles());
        JsonNode[] questions = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "eval_questions.jsonl")).Select(line => JsonNode.Parse(line)!)];
        string[] answers = Answer(loaded, operations, text, questions);
        string[] wrong =
        [
            .. questions.Index().Where(q => !IsRight(q.Item, answers[q.Index]))
                .Select(q => $"{q.Item["category"]}: {q.Item["messages"]!.AsArray()[^1]!["content"]} -> {answers[q.Index]}"),
        ];
        double share = 1.0 - ((double)wrong.Length / questions.Length);
        TestContext.Current.SendDiagnosticMessage($"{share:P1} of {questions.Length} right");
        Assert.True(questions.Length >= 300);
        Assert.True(share >= 0.95, $"{share:P1} right; wrong:\n{string.Join('\n', wrong)}");
    }

    private static string[] Answer(LoadedModel loaded, CpuOperations operations, TextModel text, JsonNode[] questions)
    {
        var engine = new InferenceEngine(loaded.Model, operations, new EngineOptions { KvPages = 1024 });
        var tokens = new List<int>[questions.Length];
        for (int i = 0; i < questions.Length; i++)
        {
            tokens[i] = [];
            string prompt = text.ChatTemplate!.Render(questions[i]["messages"]!.AsArray(), addGenerationPrompt: true);
            bool queued = engine.TrySubmit(new SequenceRequest
            {
                Id = new SequenceId(new Guid(i, 0, 0, new byte[8]), 0),
                PromptIds = text.Tokenizer.Encode(prompt, parseSpecialTokens: true),
                Sampling = new SamplingParameters { Temperature = 0f },
                MaxNewTokens = 300,
            });
            Assert.True(queued);
        }

        int finished = 0;
        while (finished < questions.Length)
        {
            foreach (var e in engine.Step())
            {
                if (e is TokenGenerated token)
                {
                    tokens[Number(e.Id)].Add(token.Token.TokenId);
                }

                finished += e is SequenceFinished ? 1 : 0;
            }
        }

        return [.. tokens.Select(t => text.Tokenizer.Decode(t.ToArray(), skipSpecialTokens: true).Trim())];
    }

    private static int Number(SequenceId id) => BitConverter.ToInt32(id.Value.ToByteArray(), 0);

    // The rules are those of the training folder's evaluate.py.
    private static bool IsRight(JsonNode question, string answer)
    {
        string[] accepted = [.. question["answers"]!.AsArray().Select(a => (string)a!)];
        return (string)question["match"]! switch
        {
            "exact" => accepted.Contains(answer),
            "contains" => accepted.Any(a => answer.Contains(a, StringComparison.OrdinalIgnoreCase)),
            "all" => accepted.All(a => answer.Contains(a, StringComparison.OrdinalIgnoreCase)),
            var rule => throw new InvalidDataException($"match is '{rule}', not exact, contains or all."),
        };
    }
}
