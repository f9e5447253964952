using System.Diagnostics.Metrics;
using Grid.Gateway.Requests;
using Grid.Grains.Messages;

namespace Grid.Gateway.Metrics;

/// <summary>
/// What the sequences of requests take, as instruments of the meter <see cref="MeterName"/>, each tagged with <c>model</c>. Measured where
/// tokens reach the gateway, whatever the pace of the client that reads them. A stream that is resumed is not measured again.
/// </summary>
internal sealed class RequestMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Grid.Gateway";

    public const string Duration = "grid.request.duration";
    public const string TimeToFirstToken = "grid.request.time_to_first_token";
    public const string InterTokenLatency = "grid.request.inter_token_latency";
    public const string QueueTime = "grid.request.queue.duration";
    public const string PrefillTime = "grid.request.prefill.duration";
    public const string DecodeTime = "grid.request.decode.duration";
    public const string PromptTokens = "grid.request.prompt_tokens";
    public const string GeneratedTokens = "grid.request.generated_tokens";
    public const string MaxTokens = "grid.request.max_tokens";
    public const string Choices = "grid.request.choices";
    public const string Finished = "grid.request.finished";

    private readonly TimeProvider _clock;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _timeToFirstToken;
    private readonly Histogram<double> _interTokenLatency;
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<double> _prefillTime;
    private readonly Histogram<double> _decodeTime;
    private readonly Histogram<int> _promptTokens;
    private readonly Histogram<int> _generatedTokens;
    private readonly Histogram<int> _maxTokens;
    private readonly Histogram<int> _choices;
    private readonly Counter<long> _finished;

    public RequestMetrics(IMeterFactory meters, TimeProvider clock)
    {
        _clock = clock;
        var meter = meters.Create(MeterName);
        _duration = meter.CreateHistogram<double>(Duration, "s", "From a request's arrival to the last token of a sequence.");
        _timeToFirstToken = meter.CreateHistogram<double>(TimeToFirstToken, "s", "From a request's arrival to the first token of a sequence.");
        _interTokenLatency = meter.CreateHistogram<double>(InterTokenLatency, "s", "Between two tokens of a sequence.");
        _queueTime = meter.CreateHistogram<double>(QueueTime, "s", "From a request's arrival until a worker takes the sequence.");
        _prefillTime = meter.CreateHistogram<double>(PrefillTime, "s", "From there to the sequence's first token.");
        _decodeTime = meter.CreateHistogram<double>(DecodeTime, "s", "From a sequence's first token to its last.");
        _promptTokens = meter.CreateHistogram<int>(PromptTokens, "{token}", "Prompt tokens of a sequence.");
        _generatedTokens = meter.CreateHistogram<int>(GeneratedTokens, "{token}", "Output tokens of a sequence.");
        _maxTokens = meter.CreateHistogram<int>(MaxTokens, "{token}", "Output tokens that a sequence was asked for.");
        _choices = meter.CreateHistogram<int>(Choices, "{sequence}", "Samples asked for of each prompt.");
        _finished = meter.CreateCounter<long>(Finished, "{sequence}", "Sequences that ended, by why.");
    }

    /// <summary>A request has begun, with all of its sequences.</summary>
    public void Begin(RequestPlan plan) => _choices.Record(plan.Sequences.Count / plan.Prompts.Count, ModelOf(plan));

    /// <summary>A sequence of a request.</summary>
    /// <param name="plan">The request.</param>
    /// <param name="sequence">The sequence.</param>
    /// <param name="arrived">When the request came, by the host's clock.</param>
    public SequenceTimer Begin(RequestPlan plan, PlannedSequence sequence, long arrived) => new(this, ModelOf(plan), sequence.AskedTokens, arrived);

    private static KeyValuePair<string, object?> ModelOf(RequestPlan plan) => new("model", plan.Model.Id);

    /// <summary>Measures one sequence. Its updates come one after the other.</summary>
    public sealed class SequenceTimer
    {
        private readonly RequestMetrics _metrics;
        private readonly KeyValuePair<string, object?> _model;
        private readonly int? _asked;
        private readonly long _arrived;
        private long _begun;
        private long _first;
        private long _last;
        private int _tokens;

        internal SequenceTimer(RequestMetrics metrics, KeyValuePair<string, object?> model, int? asked, long arrived) =>
            (_metrics, _model, _asked, _arrived) = (metrics, model, asked, arrived);

        /// <summary>A worker has taken it; told before its news or with it.</summary>
        public void Begin()
        {
            long now = _metrics._clock.GetTimestamp();
            if (Interlocked.CompareExchange(ref _begun, now, 0) == 0)
            {
                _metrics._queueTime.Record(Seconds(_arrived, now), _model);
            }
        }

        /// <summary>The grid has news of it.</summary>
        /// <param name="update">The news.</param>
        /// <param name="promptTokens">Its prompt's length.</param>
        public void Take(SequenceUpdate update, int promptTokens)
        {
            if (update.Tokens.Length > 0)
            {
                long now = _metrics._clock.GetTimestamp();
                if (_tokens == 0)
                {
                    Begin(); // Where nobody has said so, it has waited behind others of its request until about now.
                    _first = now;
                    _metrics._timeToFirstToken.Record(Seconds(_arrived, now), _model);
                    _metrics._prefillTime.Record(Seconds(_begun, now), _model);
                }
                else
                {
                    // Tokens that came at once share the time since the one before them.
                    double each = Seconds(_last, now) / update.Tokens.Length;
                    for (int i = 0; i < update.Tokens.Length; i++)
                    {
                        _metrics._interTokenLatency.Record(each, _model);
                    }
                }

                (_last, _tokens) = (now, _tokens + update.Tokens.Length);
            }

            if (update.FinishReason is { } reason)
            {
                End(reason, promptTokens);
            }
        }

        private void End(string reason, int promptTokens)
        {
            _metrics._finished.Add(1, _model, new("reason", reason));
            _metrics._promptTokens.Record(promptTokens, _model);
            _metrics._generatedTokens.Record(_tokens, _model);
            if (_asked is { } asked)
            {
                _metrics._maxTokens.Record(asked, _model);
            }

            if (_tokens > 0)
            {
                _metrics._duration.Record(Seconds(_arrived, _last), _model);
                _metrics._decodeTime.Record(Seconds(_first, _last), _model);
            }
        }

        private double Seconds(long from, long to) => _metrics._clock.GetElapsedTime(from, to).TotalSeconds;
    }
}
