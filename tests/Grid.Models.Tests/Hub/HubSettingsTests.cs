using Grid.Models.Hub;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests.Hub;

public sealed class HubSettingsTests
{
    [Theory]
    [InlineData("HOME=/h", "/h/.cache/huggingface/hub")]
    [InlineData("HOME=/h XDG_CACHE_HOME=/x", "/x/huggingface/hub")]
    [InlineData("HOME=/h XDG_CACHE_HOME=/x HF_HOME=~/hf", "/h/hf/hub")]
    [InlineData("HOME=/h HF_HOME=/hf HUGGINGFACE_HUB_CACHE=/old", "/old")]
    [InlineData("HOME=/h HF_HOME=/hf HUGGINGFACE_HUB_CACHE=/old HF_HUB_CACHE=$DISK/${SUB}/c DISK=/d SUB=s", "/d/s/c")]
    [InlineData("HOME=/h HF_HUB_CACHE= HF_HOME=", "/h/.cache/huggingface/hub")]
    public void The_cache_is_where_huggingface_hub_has_it(string environment, string folder) =>
        Assert.Equal(folder, Read(environment).CacheFolder);

    [Fact]
    public void Endpoint_and_offline_have_the_librarys_defaults_and_spellings()
    {
        Assert.Equal(("https://huggingface.co/", false), (Read("HOME=/h").Endpoint.ToString(), Read("HOME=/h").Offline));
        Assert.Equal("http://mirror:8080/hf/", Read("HOME=/h HF_ENDPOINT=http://mirror:8080/hf").Endpoint.ToString());
        Assert.All(["1", "ON", "yes", "True"], value => Assert.True(Read($"HOME=/h HF_HUB_OFFLINE={value}").Offline));
        Assert.True(Read("HOME=/h TRANSFORMERS_OFFLINE=1").Offline);
        Assert.False(Read("HOME=/h HF_HUB_OFFLINE=0").Offline);
    }

    [Theory]
    [InlineData("huggingface.co")]
    [InlineData("ftp://huggingface.co")]
    [InlineData("https://user:pass@huggingface.co")]
    [InlineData("https://huggingface.co/?x=1")]
    public void An_endpoint_that_is_none_is_refused_without_being_printed(string endpoint)
    {
        string message = Assert.Throws<HubException>(() => Read($"HOME=/h HF_ENDPOINT={endpoint}")).Message;
        Assert.StartsWith("HF_ENDPOINT must be", message, StringComparison.Ordinal);
        Assert.DoesNotContain("pass@", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_token_is_the_variables_or_the_files_and_stays_out_of_messages()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("token"), "hf_stored\n");
        File.WriteAllText(folder.File("other"), " hf_other ");
        string home = $"HOME=/h HF_HOME={folder.Path}";
        Assert.Equal(("hf_stored", folder.File("token")), Token(home));
        Assert.Equal(("hf_other", folder.File("other")), Token($"{home} HF_TOKEN_PATH={folder.File("other")}"));
        Assert.Equal(("hf_set", "HF_TOKEN"), Token($"{home} HF_TOKEN=hf_set HUGGING_FACE_HUB_TOKEN=hf_old"));
        Assert.Equal(("hf_old", "HUGGING_FACE_HUB_TOKEN"), Token($"{home} HUGGING_FACE_HUB_TOKEN=hf_old"));
        Assert.Equal((null, null), Token($"{home} HF_HUB_DISABLE_IMPLICIT_TOKEN=1"));
        Assert.Equal((null, null), Token("HOME=/no/such/home"));
        File.WriteAllText(folder.File("token"), "hf_two words");
        Assert.DoesNotContain("hf_two", Assert.Throws<HubException>(() => Read(home)).Message, StringComparison.Ordinal);
    }

    private static (string? Token, string? Source) Token(string environment)
    {
        var settings = Read(environment);
        return (settings.Token, settings.TokenSource);
    }

    private static HubSettings Read(string environment)
    {
        var variables = environment.Split(' ').Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        return HubSettings.FromEnvironment(variables.GetValueOrDefault);
    }
}
