using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grid.Grains;
using Grid.Options;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Grid.Clustering;

/// <summary>A node's certificate for its connections to others, and the authority that it knows theirs by; from files, and again when those
/// change.</summary>
internal sealed partial class NodeCertificate
{
    private readonly ReloadedFiles<SslStreamCertificateContext> _own;
    private readonly ReloadedFiles<X509Certificate2Collection> _authorities;

    private NodeCertificate(OptionFile certificate, OptionFile key, OptionFile authorities)
    {
        _own = CertificateFiles.ReadOwn(certificate, key);
        _authorities = CertificateFiles.ReadAuthorities(authorities);
        Tls = new ClusterTls(() => _own.Current.TargetCertificate, () => _authorities.Current);
    }

    /// <summary>What it does to connections.</summary>
    public ClusterTls Tls { get; }

    /// <summary>The options' files; null where they name none. Throws <see cref="StartException"/> where they name some.</summary>
    public static NodeCertificate? Read(ClusterNodeOptions options)
    {
        (string Option, string? Path)[] files =
            [("--cluster-tls-cert", options.ClusterTlsCert), ("--cluster-tls-key", options.ClusterTlsKey), ("--cluster-tls-ca", options.ClusterTlsCa)];
        string[] missing = [.. files.Where(file => file.Path is null).Select(file => file.Option)];
        if (missing.Length == files.Length)
        {
            return null;
        }

        OptionFile[] named = [.. files.Where(file => file.Path is not null).Select(file => new OptionFile(file.Option, file.Path!))];
        return missing.Length == 0
            ? new NodeCertificate(named[0], named[1], named[2])
            : throw new StartException($"{string.Join(" and ", named.Select(file => file.Option))} is given without {string.Join(" and ", missing)}; TLS between nodes needs all three.", StartException.Usage);
    }

    /// <summary>Gives it to Orleans.</summary>
    public void Configure(ISiloBuilder silo)
    {
        silo.UseTls(Tls.Configure);
        silo.Services.AddOptions<Orleans.Configuration.SiloConnectionOptions>().Configure<ILogger<NodeCertificate>>((_, logger) =>
            _own.Kept = _authorities.Kept = fault => LogKept(logger, fault.Message));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A file has changed and cannot be used, what it said before still holds: {Fault}")]
    private static partial void LogKept(ILogger logger, string fault);
}
