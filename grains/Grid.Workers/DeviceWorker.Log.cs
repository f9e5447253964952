using Grid.Grains;
using Microsoft.Extensions.Logging;

namespace Grid.Workers;

/// <content>What it logs.</content>
public sealed partial class DeviceWorker
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Gateway {Gateway} reads this worker's steps")]
    private partial void LogSubscribed(GatewayId gateway);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Gateway {Gateway} has not read its step stream for {Seconds:F1} s; its sequences are cancelled")]
    private partial void LogSubscriberGone(GatewayId gateway, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Gateway {Gateway} has not read its step stream for {Seconds:F1} s and its process has ended; its sequences are cancelled")]
    private partial void LogSubscriberEnded(GatewayId gateway, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} sequences had not ended within the grace time and are given up")]
    private partial void LogDrainExpired(int count);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Device {Device} hangs: a step lasts longer than {Seconds} s; its {Count} sequences go on elsewhere")]
    private partial void LogStuck(string device, double seconds, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Device {Device} goes on: the step that hung has ended")]
    private partial void LogRecovered(string device);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Device {Device} is in quarantine until this node is started anew: {Reason}")]
    private partial void LogQuarantined(string device, string reason);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Device {Device} failed")]
    private partial void LogFailed(Exception exception, string device);
}
