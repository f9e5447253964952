using System.ClientModel;
using System.Text;
using Grid.Gateway.Tests.Fakes;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace Grid.Gateway.Tests;

/// <summary>The official OpenAI client for .NET understands the gateway's answers and errors.</summary>
public sealed class OpenAiClientTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private readonly OpenAIClient _client = new(new ApiKeyCredential("none"), new OpenAIClientOptions
    {
        Endpoint = new Uri(fixture.Gateway.Client.BaseAddress!, "/v1"),
        RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0),
    });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_chats()
    {
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 40, Temperature = 0.5f };
#pragma warning disable OPENAI001 // Seed is marked as under evaluation.
        options.Seed = 12;
#pragma warning restore OPENAI001
        ChatCompletion answer = await _client.GetChatClient("tiny").CompleteChatAsync([new UserChatMessage("Hello")], options, Token);

        Assert.Equal(FakeAnswers.TextOf(12), answer.Content.Single().Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(17, answer.Usage.OutputTokenCount);
        Assert.True(answer.Usage.InputTokenDetails.CachedTokenCount > 0);
    }

    [Fact]
    public async Task It_streams()
    {
        var text = new StringBuilder();
        var reasons = new List<ChatFinishReason?>();
        await foreach (var update in _client.GetChatClient("tiny").CompleteChatStreamingAsync([new SystemChatMessage("s"), new UserChatMessage("u")], cancellationToken: Token))
        {
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            reasons.Add(update.FinishReason);
            Assert.NotEmpty(update.CompletionId);
        }
        Assert.StartsWith("Seed ", text.ToString(), StringComparison.Ordinal);
        Assert.Single(reasons, reason => reason == ChatFinishReason.Stop);
    }

    [Fact]
    public async Task It_reads_logprobs_and_their_bits()
    {
        var options = new ChatCompletionOptions { IncludeLogProbabilities = true, TopLogProbabilityCount = 2 };
        ChatCompletion answer = await _client.GetChatClient("tiny").CompleteChatAsync([new UserChatMessage("Hello")], options, Token);

        Assert.Equal(answer.Usage.OutputTokenCount, answer.ContentTokenLogProbabilities.Count);
        var first = answer.ContentTokenLogProbabilities[0];
        Assert.Equal("S", first.Token);
        Assert.Equal(FakeAnswers.Logprob('S', answer.Usage.InputTokenCount), first.LogProbability);
        Assert.Equal(2, first.TopLogProbabilities.Count);
        Assert.Equal([83], first.Utf8Bytes!.Value.ToArray());
    }

    [Fact]
    public async Task It_lists_models_and_reads_errors()
    {
        OpenAIModelCollection models = await _client.GetOpenAIModelClient().GetModelsAsync(Token);
        Assert.Equal("tiny", Assert.Single(models).Id);

        var missing = await Assert.ThrowsAsync<ClientResultException>(
            () => _client.GetChatClient("gpt-9").CompleteChatAsync([new UserChatMessage("x")], cancellationToken: Token));
        Assert.Equal(404, missing.Status);
        Assert.Contains("model_not_found", missing.Message, StringComparison.Ordinal);
    }
}
