using System.Globalization;
using System.Reflection;
using System.Text;
using Grid.Engine;
using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Workers;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;

namespace Grid.Grains.Tests;

public sealed class MessageContractTests
{
    private static readonly Type[] s_byName = [typeof(GenerationParameters), typeof(SamplingParameters), typeof(LogitBias), typeof(Refusal)];
    private static readonly string s_file = Path.Combine(AppContext.BaseDirectory, "Contracts", "messages.txt");

    /// <summary>Nodes of two versions may talk to each other: a name or number that changes must be seen. A change that
    /// is meant is made by replacing the file with the text the failure prints.</summary>
    [Fact]
    public void Messages_have_the_names_and_numbers_that_are_checked_in()
    {
        string actual = Describe();
        string expected = File.ReadAllText(s_file).ReplaceLineEndings("\n");
        Assert.True(expected == actual, $"Contracts/messages.txt differs. It would have to read:\n{actual}");
    }

    [Fact]
    public void Every_message_is_immutable_and_has_an_alias()
    {
        var messages = Messages().Where(type => !typeof(Exception).IsAssignableFrom(type));
        Assert.All(messages, type =>
        {
            Assert.NotNull(type.GetCustomAttribute<ImmutableAttribute>());
            Assert.NotNull(type.GetCustomAttribute<AliasAttribute>());
        });
    }

    [Fact]
    public void A_step_batch_survives_the_wire_bit_for_bit()
    {
        var batch = new StepBatch
        {
            Number = 7,
            Load = new WorkerLoad { Running = 3, Steps = 9, State = WorkerState.Draining },
            Sequences =
            [
                new SequenceStep { Attempt = new AttemptId(Guid.NewGuid(), 2), Started = true, CachedTokens = 64, OutputTokenCount = 1, OutputFirstIndex = 5, Finish = StepFinish.Stop, StopTokenId = 0 },
                new SequenceStep { Attempt = new AttemptId(Guid.NewGuid(), 0), FirstToken = 1, PromptTokenCount = 1, PromptFirstIndex = 4, Error = "x" },
            ],
            Tokens = [new StepToken(5, float.NaN, 1), new StepToken(6, -1.1754944e-38f, 0)],
            Alternatives = [new StepAlternative(9, -0f)],
        };
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        var copy = serializer.Deserialize<StepBatch>(serializer.SerializeToArray(batch))!;
        Assert.Equal(batch.Sequences, copy.Sequences);
        Assert.Equal(batch.Load, copy.Load);
        Assert.Equal(batch.Number, copy.Number);
        Assert.Equal(batch.Tokens.Select(Bits), copy.Tokens.Select(Bits));
        Assert.Equal(BitConverter.SingleToInt32Bits(batch.Alternatives[0].Logprob), BitConverter.SingleToInt32Bits(copy.Alternatives[0].Logprob));

        static (int, int, int) Bits(StepToken token) =>
            (token.TokenId, BitConverter.SingleToInt32Bits(token.Logprob), token.AlternativeCount);
    }

    /// <summary>Set one by one by reflection, so that a field that is added is looked after without being named here.</summary>
    [Fact]
    public void Every_field_of_a_request_survives_the_wire_and_reaches_the_engine()
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        var spec = Filled.Create<SequenceSpec>();
        var asked = serializer.Deserialize<SequenceSpec>(serializer.SerializeToArray(spec))!;
        Filled.AssertEqual(spec, asked);

        var submission = Filled.Create<SubmitRequest>() with { Generation = asked.Generation };
        var submitted = serializer.Deserialize<SubmitRequest>(serializer.SerializeToArray(submission))!;
        Filled.AssertEqual(submission, submitted);

        var request = submitted.ToEngine();
        Filled.AssertEqual(Filled.Create<SequenceRequest>() with { Id = submission.Attempt.ToEngine(), BypassesQueueLimit = true }, request);
    }

    [Fact]
    public void A_refusal_survives_the_wire()
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        var refusal = Filled.Create<Refusal>();
        Filled.AssertEqual(refusal, serializer.Deserialize<Refusal>(serializer.SerializeToArray(refusal))!);
        var none = serializer.Deserialize<GenerationParameters>(serializer.SerializeToArray(new GenerationParameters
        {
            Sampling = new SamplingParameters { Temperature = float.NaN, MinP = -0f },
        }))!;
        Assert.True(float.IsNaN(none.Sampling.Temperature)); // The engine refuses it, with its name.
        Assert.True(float.IsNegative(none.Sampling.MinP));
    }

    private static IEnumerable<Type> Messages() => typeof(StepBatch).Assembly.GetTypes()
        .Where(type => type.GetCustomAttribute<GenerateSerializerAttribute>() is not null)
        .Where(type => type.Namespace!.StartsWith("Grid.", StringComparison.Ordinal)) // Not the generated invokers.
        .OrderBy(type => type.FullName, StringComparer.Ordinal);

    private static string Describe()
    {
        var text = new StringBuilder();
        foreach (var type in Messages())
        {
            text.Append(CultureInfo.InvariantCulture, $"{type.GetCustomAttribute<AliasAttribute>()?.Alias} = {type.FullName}\n");
            foreach (var (id, member) in type.GetProperties().Select(member => (member.GetCustomAttribute<IdAttribute>()?.Id, member))
                .Where(pair => pair.Id is not null).OrderBy(pair => pair.Id))
            {
                text.Append(CultureInfo.InvariantCulture, $"  {id} {member.Name}: {NameOf(member.PropertyType)}\n");
            }
        }

        // As JSON, by name (RequestCodec).
        foreach (var type in s_byName)
        {
            text.Append(CultureInfo.InvariantCulture, $"{type.FullName}\n");
            foreach (var member in type.GetProperties().OrderBy(member => member.Name, StringComparer.Ordinal))
            {
                text.Append(CultureInfo.InvariantCulture, $"  {member.Name}: {NameOf(member.PropertyType)}\n");
            }
        }

        foreach (var type in typeof(StepBatch).Assembly.GetTypes().Append(typeof(RefusalKind)).Where(type => type.IsEnum).OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"{type.FullName}: {string.Join(", ", Enum.GetValues(type).Cast<object>().Select(value => $"{value} = {(int)value}"))}\n");
        }

        foreach (var type in typeof(StepBatch).Assembly.GetTypes().Where(type => type.IsInterface && typeof(IGrain).IsAssignableFrom(type)).OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"{type.GetCustomAttribute<AliasAttribute>()?.Alias} = {type.FullName}\n");
            foreach (var method in type.GetMethods())
            {
                text.Append(CultureInfo.InvariantCulture, $"  {method.GetCustomAttribute<AliasAttribute>()?.Alias} = {method.Name}({string.Join(", ", method.GetParameters().Select(parameter => NameOf(parameter.ParameterType)))}): {NameOf(method.ReturnType)}\n");
            }
        }

        return text.ToString();
    }

    private static string NameOf(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>"
        : type.Name;
}
