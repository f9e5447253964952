using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Text.Tests;

/// <summary>Damaged files and templates give their exception type, and nothing else: no crash, no hang.</summary>
public class FuzzTests
{
    [Fact]
    public void A_damaged_tokenizer_file_is_refused_or_works()
    {
        var random = new Random(20);
        byte[] good = SmallTokenizer.Bytes();
        int refused = 0;
        for (int round = 0; round < 800; round++)
        {
            byte[] bytes = Damage(random, good);
            try
            {
                var tokenizer = Tokenizer.Load(bytes);
                if (round % 20 == 0)
                {
                    int[] ids = tokenizer.Encode(SmallTokenizer.RandomText(random, 5), true);
                    tokenizer.Decode(ids, false);
                }
            }
            catch (TextModelException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 300, 800);
    }

    [Fact]
    public void A_tokenizer_file_with_a_value_replaced_is_refused_or_works()
    {
        var random = new Random(21);
        string[] values = ["null", "true", "-1", "1e308", "\"\"", "[]", "{}", "[[]]", "{\"type\": \"Sequence\"}", "\"(\"", "99999999999", "\"ByteLevel\""];
        for (int round = 0; round < 800; round++)
        {
            var file = SmallTokenizer.Json();
            JsonNode node = file;
            while (node is JsonObject or JsonArray)
            {
                var child = Child(random, node, out var replace);
                if (child is null or JsonValue || random.Next(4) == 0)
                {
                    replace(JsonNode.Parse(values[random.Next(values.Length)]));
                    break;
                }

                node = child;
            }

            try
            {
                Tokenizer.Load(Encoding.UTF8.GetBytes(file.ToJsonString()));
            }
            catch (TextModelException)
            {
            }
        }
    }

    [Fact]
    public void A_damaged_template_is_refused_or_renders()
    {
        var random = new Random(22);
        JsonObject[] cases =
            [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Reference", "template_cases.jsonl")).Select(line => JsonNode.Parse(line)!.AsObject())];
        var variables = cases[0]["variables"]!.AsObject();
        var messages = variables["messages"]!.DeepClone().AsArray();
        var limits = new ChatTemplates.RenderLimits(Steps: 100_000, Characters: 100_000, Depth: 16);
        int rendered = 0;
        for (int round = 0; round < 30_000; round++)
        {
            string source = (string)cases[random.Next(1, cases.Length)]["template"]!;
            string other = (string)cases[random.Next(1, cases.Length)]["template"]!;
            for (int times = random.Next(1, 4); times > 0; times--)
            {
                source = Damage(random, source, other);
            }

            try
            {
                ChatTemplate.Parse(source).Render(messages, true, variables, limits);
                rendered++;
            }
            catch (ChatTemplateException)
            {
            }
        }

        Assert.InRange(rendered, 3000, 29_000);
    }

    [Fact]
    public void Any_text_is_encoded_and_read_back()
    {
        var random = new Random(23);
        var tokenizer = SmallTokenizer.Load();
        for (int round = 0; round < 3000; round++)
        {
            // Any UTF-16 units at all, lone surrogates among them.
            string text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => (char)(random.Next(3) == 0 ? random.Next(0xD7F0, 0xE010) : random.Next(0x10000))));
            int[] ids = tokenizer.Encode(text, random.Next(2) == 0);
            string back = tokenizer.Decode(ids, skipSpecialTokens: false);
            Assert.Equal(Tokenization.CanonicalComposition.Normalize(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text))), back);
        }
    }

    [Fact]
    public void Long_texts_without_a_break_take_no_quadratic_time()
    {
        // With quadratic merging this alone would take many minutes.
        var tokenizer = SmallTokenizer.Load();
        foreach (string piece in new[] { "a", "中", "hello", "\n", " ", "e\u0301", "<|im_", "𠀀" })
        {
            string text = string.Concat(Enumerable.Repeat(piece, 400_000));
            Assert.NotEmpty(tokenizer.Encode(text, true));
        }
    }

    private static byte[] Damage(Random random, byte[] good)
    {
        byte[] bytes = [.. good];
        switch (random.Next(4))
        {
            case 0:
                return bytes[..random.Next(bytes.Length)];
            case 1:
                int from = random.Next(bytes.Length), length = random.Next(1, 40);
                return [.. bytes[..from], .. bytes[Math.Min(bytes.Length, from + length)..]];
            case 2:
                int source = random.Next(bytes.Length - 40), target = random.Next(bytes.Length - 40);
                bytes.AsSpan(source, random.Next(40)).CopyTo(bytes.AsSpan(target));
                return bytes;
            default:
                for (int times = random.Next(1, 4); times > 0; times--)
                {
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                }

                return bytes;
        }
    }

    private static string Damage(Random random, string source, string other)
    {
        string[] pieces = ["{{", "}}", "{%", "%}", "{#", "#}", "-", "(", ")", "[", "]", "|", ".", ",", "'", "\\", "if", "for", " in ", "end", "loop", "~", "**", ":", "\n", "\uD800", "9999999999", "{% raw %}", "caller()", " is ", "not "];
        int at = random.Next(source.Length + 1), end = Math.Min(source.Length, at + random.Next(12));
        return random.Next(4) switch
        {
            0 => source.Remove(at, end - at),
            1 => source.Insert(at, pieces[random.Next(pieces.Length)]),
            2 => source[..at] + other[random.Next(other.Length)..],
            _ => source[..end] + source[at..],
        };
    }

    private static JsonNode? Child(Random random, JsonNode parent, out Action<JsonNode?> replace)
    {
        if (parent is JsonArray { Count: > 0 } array)
        {
            int index = random.Next(array.Count);
            replace = value => array[index] = value;
            return array[index];
        }

        if (parent is JsonObject { Count: > 0 } members)
        {
            string key = members.ElementAt(random.Next(members.Count)).Key;
            replace = value => members[key] = value;
            return members[key];
        }

        replace = _ => { };
        return null;
    }
}
