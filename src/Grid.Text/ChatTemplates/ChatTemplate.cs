using System.Text.Json.Nodes;
using Grid.Text.ChatTemplates;

namespace Grid.Text;

/// <summary>A chat template (the Jinja subset that model folders use), compiled once, rendered per request. It is run
/// in a sandbox: it sees what it is given, changes nothing, has no clock, and its work and output are bounded. Safe
/// for concurrent use.</summary>
public sealed class ChatTemplate
{
    private readonly List<Statement> _body;
    private readonly JsonObject _defaults;

    private ChatTemplate(List<Statement> body, JsonObject defaults)
    {
        _body = body;
        _defaults = defaults;
    }

    /// <summary>Compiles a template. Throws <see cref="ChatTemplateException"/> with line and reason.</summary>
    /// <param name="source">The template.</param>
    /// <param name="defaults">Variables of every rendering (bos_token, eos_token, ...), which a rendering's own
    /// variables of the same name replace.</param>
    public static ChatTemplate Parse(string source, JsonObject? defaults = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        try
        {
            return new ChatTemplate(TemplateParser.Parse(source), (JsonObject?)defaults?.DeepClone() ?? []);
        }
        catch (InsufficientExecutionStackException error)
        {
            throw new ChatTemplateException(0, "is nested too deeply", error);
        }
    }

    /// <summary>Renders messages (objects with role, content, ... as the API takes them). Extra variables (tools,
    /// enable_thinking, bos_token, ...) come by name; tools and documents are none where not given, as in transformers.
    /// A variable strftime_now is the time (ISO 8601, "2026-01-05T14:03:09") that the function of that name writes;
    /// without it the function is not defined, because what is rendered must not depend on the clock. Throws <see cref="ChatTemplateException"/>, also where the
    /// template itself raises an error about the messages.</summary>
    public string Render(JsonArray messages, bool addGenerationPrompt, JsonObject? variables = null) =>
        Render(messages, addGenerationPrompt, variables, RenderLimits.Default);

    internal string Render(JsonArray messages, bool addGenerationPrompt, JsonObject? variables, RenderLimits limits)
    {
        ArgumentNullException.ThrowIfNull(messages);
        RenderState? state = null;
        try
        {
            var globals = ReadValues(messages, variables);
            globals.Set("add_generation_prompt", addGenerationPrompt);
            state = new RenderState(new Scope(globals), limits);
            Statement.ExecuteAll(_body, state);
            return state.Output.ToString();
        }
        catch (TemplateFault fault)
        {
            throw new ChatTemplateException(state?.Line ?? 0, fault.Message, fault);
        }
        catch (InvalidOperationException error) when (error.InnerException is TemplateFault or InsufficientExecutionStackException)
        {
            // .NET's sort wraps what a comparison throws.
            throw new ChatTemplateException(state?.Line ?? 0, error.InnerException is TemplateFault fault ? fault.Message : "values are nested too deeply", error);
        }
        catch (InsufficientExecutionStackException error)
        {
            throw new ChatTemplateException(state?.Line ?? 0, "values or expressions are nested too deeply", error);
        }
    }

    private Scope ReadValues(JsonArray messages, JsonObject? variables)
    {
        var globals = new Scope(null);
        Globals.AddTo(globals);
        globals.Set("tools", null);
        globals.Set("documents", null);
        try
        {
            foreach ((string name, var value) in _defaults.Concat(variables ?? []))
            {
                object? given = TemplateJson.FromNode(value);
                globals.Set(name, name == TemplateClock.Name ? TemplateClock.At(given) : given);
            }

            globals.Set("messages", TemplateJson.FromNode(messages));
            return globals;
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException)
        {
            // JSON nodes read their text late: lone surrogates and doubled names come to light only here.
            throw new TemplateFault($"a message or variable is not valid JSON text: {error.Message}");
        }
    }
}
