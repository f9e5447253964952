using System.Net;
using Microsoft.Extensions.Logging;

namespace Grid.Clustering;

/// <summary>Logs who called without the cluster's secret: each address once, for a stranger may call as often as it likes.</summary>
internal sealed partial class Strangers(ILogger<Strangers> logger)
{
    private const int MostAddresses = 1000;

    private readonly HashSet<string> _seen = [];

    public void Refused(EndPoint? caller)
    {
        string address = caller is IPEndPoint place ? place.Address.ToString() : "an unknown address";
        lock (_seen)
        {
            if (_seen.Count >= MostAddresses || !_seen.Add(address))
            {
                return;
            }
        }

        LogRefused(address);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A connection from {Address} was refused: it did not prove the cluster's secret (--cluster-secret-file)")]
    private partial void LogRefused(string address);
}
