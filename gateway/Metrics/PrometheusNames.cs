using Grid.Gateway.Caching;
using Grid.Gateway.Receipts;

namespace Grid.Gateway.Metrics;

/// <summary>A metric as Prometheus sees it.</summary>
/// <param name="Instrument">The .NET instrument it is made of.</param>
/// <param name="Name">Its name at /metrics; of a counter without the <c>_total</c> that comes behind it.</param>
/// <param name="Help">What it counts or measures, in a sentence.</param>
/// <param name="Labels">Its labels.</param>
/// <param name="Buckets">Upper bounds of a histogram's buckets.</param>
internal sealed record PrometheusName(string Instrument, string Name, string Help, Label[] Labels, double[]? Buckets = null);

/// <summary>A label of a metric.</summary>
/// <param name="Name">As Prometheus sees it.</param>
/// <param name="Tag">The tag of the instrument whose value it has; <see cref="Constant"/> where there is none.</param>
/// <param name="Constant">The value where the instrument has no such tag.</param>
internal sealed record Label(string Name, string Tag, string Constant = "");

/// <summary>
/// Which instruments /metrics shows, and how they are called there. What vLLM has too carries vLLM's names, labels and buckets, so that its
/// dashboards, autoscalers and endpoint pickers work; the rest begins with <c>grid:</c>. METRICS.md says the same to a reader.
/// </summary>
internal static class PrometheusNames
{
    private static readonly Label s_model = new("model_name", "model");

    /// <summary>vLLM tells its engines by number; here an engine has its device's name.</summary>
    private static readonly Label[] s_ofWorker = [s_model, new("engine", "device")];

    /// <summary>What is seen where requests come in belongs to no engine.</summary>
    private static readonly Label[] s_ofRequest = [s_model, new("engine", "", "gateway")];

    // vLLM's buckets: a quantile over nodes of both kinds needs the same ones.
    private static readonly double[] s_firstToken =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    private static readonly double[] s_betweenTokens =
        [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    private static readonly double[] s_request =
        [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    private static readonly double[] s_tokens =
        [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];

    private static readonly double[] s_choices = [1, 2, 5, 10, 20];

    private static readonly double[] s_step =
        [0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10];

    private static readonly double[] s_http = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 60, 300];

    /// <summary>All of them, in the order of METRICS.md.</summary>
    public static IReadOnlyList<PrometheusName> All { get; } =
    [
        new("grid.worker.running", "vllm:num_requests_running", "Sequences that steps compute.", s_ofWorker),
        new("grid.worker.waiting", "vllm:num_requests_waiting", "Sequences that wait: on a device, or at the gateway for one with room.", s_ofWorker),
        new("grid.sequence.waiting", "vllm:num_requests_waiting", "Sequences that wait: on a device, or at the gateway for one with room.", s_ofRequest),
        new("grid.sequence.running", "grid:running_sequences", "Sequences that run for this gateway.", []),
        new("grid.workers", "grid:workers", "Workers in each state, as this gateway sees them.", [s_model, new("state", "state")]),
        new("grid.sequence.failovers", "grid:failovers", "Attempts that lost their worker; their sequences go on at another one.", [s_model]),
        new("grid.sequence.hedges", "grid:hedges", "Sequences started on a second worker for the first one's silence.", [s_model]),
        new("grid.sequence.disagreements", "grid:disagreements", "Places where workers gave different bits.", [s_model]),
        new("grid.sequence.resumptions", "grid:resumptions", "Sequences that went on here after their stream had ended elsewhere.", [s_model]),
        new("grid.worker.kv_cache.usage", "vllm:kv_cache_usage_perc", "Share of the KV cache that sequences use; 1 is all of it.", s_ofWorker),
        new("grid.worker.kv_cache.usage", "vllm:gpu_cache_usage_perc", "The same, under its older name.", s_ofWorker),
        new("grid.worker.prompt_tokens", "vllm:prompt_tokens", "Prompt tokens of the sequences begun.", s_ofWorker),
        new("grid.worker.generated_tokens", "vllm:generation_tokens", "Output tokens, with those computed again after a fault.", s_ofWorker),
        new("grid.worker.prefix_cache.queries", "vllm:prefix_cache_queries", "Prompt tokens looked for in the prefix cache.", s_ofWorker),
        new("grid.worker.prefix_cache.hits", "vllm:prefix_cache_hits", "Prompt tokens that the prefix cache gave.", s_ofWorker),
        new("grid.worker.preemptions", "vllm:num_preemptions", "Sequences that had to give their pages back.", s_ofWorker),
        new("grid.worker.steps", "grid:steps", "Forward passes.", s_ofWorker),
        new("grid.worker.device.busy", "grid:device_busy_seconds", "Time that the device spent on steps, by its own clock (GPUs).", s_ofWorker),
        new("grid.worker.device.idle", "grid:device_idle_seconds", "Time between steps that followed each other in which the device had nothing to do (GPUs).", s_ofWorker),
        new("grid.worker.step.duration", "grid:step_seconds", "Time of a step, from its plan to its tokens.", s_ofWorker, s_step),
        new(RequestMetrics.Duration, "vllm:e2e_request_latency_seconds", "From a request's arrival to its last token.", s_ofRequest, s_request),
        new(RequestMetrics.TimeToFirstToken, "vllm:time_to_first_token_seconds", "From a request's arrival to its first token.", s_ofRequest, s_firstToken),
        new(RequestMetrics.InterTokenLatency, "vllm:inter_token_latency_seconds", "Between two tokens of a sequence.", s_ofRequest, s_betweenTokens),
        new(RequestMetrics.InterTokenLatency, "vllm:time_per_output_token_seconds", "The same, under its older name.", s_ofRequest, s_betweenTokens),
        new(RequestMetrics.QueueTime, "vllm:request_queue_time_seconds", "From a request's arrival until a worker takes it.", s_ofRequest, s_request),
        new(RequestMetrics.PrefillTime, "vllm:request_prefill_time_seconds", "From there to its first token.", s_ofRequest, s_request),
        new(RequestMetrics.DecodeTime, "vllm:request_decode_time_seconds", "From a request's first token to its last.", s_ofRequest, s_request),
        new(RequestMetrics.PromptTokens, "vllm:request_prompt_tokens", "Prompt tokens of a request.", s_ofRequest, s_tokens),
        new(RequestMetrics.GeneratedTokens, "vllm:request_generation_tokens", "Output tokens of a request.", s_ofRequest, s_tokens),
        new(RequestMetrics.MaxTokens, "vllm:request_params_max_tokens", "The most output tokens that a request asked for.", s_ofRequest, s_tokens),
        new(RequestMetrics.MaxTokens, "vllm:request_max_num_generation_tokens", "The same, under its older name.", s_ofRequest, s_tokens),
        new(RequestMetrics.Choices, "vllm:request_params_n", "Samples of each prompt that a request asked for.", s_ofRequest, s_choices),
        new(RequestMetrics.Finished, "vllm:request_success", "Sequences that ended, by why.", [.. s_ofRequest, new("finished_reason", "reason")]),
        new(AnswerCacheMetrics.Hits, "grid:answer_cache_hits", "Sequences whose answer was remembered.", [s_model]),
        new(AnswerCacheMetrics.Misses, "grid:answer_cache_misses", "Sequences that were looked for in the answer cache and computed.", [s_model]),
        new(AnswerCacheMetrics.Coalesced, "grid:answer_cache_coalesced", "Sequences that read an equal one that ran already.", [s_model]),
        new(AnswerCacheMetrics.Bytes, "grid:answer_cache_bytes", "Bytes of the remembered answers.", []),
        new(AnswerCacheMetrics.Audited, "grid:answer_cache_audited", "Remembered answers that were computed again and compared.", [s_model]),
        new(AnswerCacheMetrics.Differing, "grid:answer_cache_differing", "Remembered answers that differed from what was computed.", [s_model]),
        new(ReceiptMetrics.Duration, "grid:recomputation_seconds", "Verifications and replays of receipts, from their request to their outcome.",
            [s_model, new("kind", "kind"), new("outcome", "outcome")], s_request),
        new("http.server.request.duration", "http_server_request_duration_seconds", "HTTP requests, from their arrival to the end of their answer.",
            [new("http_request_method", "http.request.method"), new("http_route", "http.route"), new("http_response_status_code", "http.response.status_code")], s_http),
    ];
}
