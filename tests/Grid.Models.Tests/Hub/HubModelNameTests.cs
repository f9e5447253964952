using Grid.Models.Hub;

namespace Grid.Models.Tests.Hub;

public sealed class HubModelNameTests
{
    [Theory]
    [InlineData("Qwen/Qwen3-8B", null, "Qwen/Qwen3-8B", "main")]
    [InlineData("Qwen/Qwen3-8B@v1.0", null, "Qwen/Qwen3-8B", "v1.0")]
    [InlineData("Qwen/Qwen3-8B", "refs/pr/7", "Qwen/Qwen3-8B", "refs/pr/7")]
    [InlineData("a/b@x", "x", "a/b", "x")]
    [InlineData("meta-llama/Llama-3.1_8B.it", null, "meta-llama/Llama-3.1_8B.it", "main")]
    public void A_name_has_a_repository_and_a_revision(string text, string? revision, string repository, string expected)
    {
        var name = HubModelName.Parse(text, revision);
        Assert.Equal((repository, expected), (name.Repository, name.Revision));
    }

    [Theory]
    [InlineData("gpt2", "org/name or org/name@revision")]
    [InlineData("", "org/name or org/name@revision")]
    [InlineData("/models/qwen", "org/name or org/name@revision")]
    [InlineData("a/b/c", "org/name or org/name@revision")]
    [InlineData("./b", "start nor end")]
    [InlineData("../b", "start nor end")]
    [InlineData("a/b-", "start nor end")]
    [InlineData("a/b c", "letters, digits")]
    [InlineData("a/b\\c", "letters, digits")]
    [InlineData("a/ü", "letters, digits")]
    [InlineData("a/b?x=1", "letters, digits")]
    [InlineData("/b", "1 to 96")]
    [InlineData("a/b--c", "'--' and '..'")]
    [InlineData("a/b..c", "'--' and '..'")]
    [InlineData("a/b.git", ".git")]
    [InlineData("a/b@", "1 to 255 characters")]
    [InlineData("a/b@../main", "'..'")]
    [InlineData("a/b@/main", "slashes")]
    [InlineData("a/b@x//y", "slashes")]
    [InlineData("a/b@.x", "slashes")]
    [InlineData("a/b@x.lock", "slashes")]
    [InlineData("a/b@a b", "spaces")]
    [InlineData("a/b@a\\b", "spaces")]
    [InlineData("a/b@a:b", "spaces")]
    [InlineData("a/b@-x", "start with '-'")]
    public void Anything_else_is_refused_with_its_rule(string text, string rule)
    {
        string message = Assert.Throws<HubException>(() => HubModelName.Parse(text)).Message;
        Assert.Contains(rule, message, StringComparison.Ordinal);
        Assert.Contains(text.Split('@')[0], message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_different_revisions_are_refused() =>
        Assert.Contains("give one", Assert.Throws<HubException>(() => HubModelName.Parse("a/b@x", "y")).Message, StringComparison.Ordinal);
}
