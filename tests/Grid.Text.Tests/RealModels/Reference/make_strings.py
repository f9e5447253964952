"""Writes strings.jsonl.gz: 10,000 texts on which tokenizers go wrong, one JSON string a line, always the same ones.

Usage: python3 make_strings.py
Own texts throughout; nothing here depends on the Python version (no unicodedata, no random module).
"""
import gzip
import json
import os

COUNT = 10_000

SENTENCES = """The quick brown fox jumps over the lazy dog, and it's what we'd said they'll've done.
All human beings are born free and equal in dignity and rights.
In 1984, 3,141,592 people paid $12.50 (≈ €11.73) for 100% of the £5–£7 tickets; see §4.2(b)/c.
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Straße, STRASSE, ẞ.
Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë au delà des îles.
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia; ¿no? ¡Sí! Añoraba a su querido cachorro.
À noite, vovô Kowalsky vê o ímã cair no pé do pinguim queixoso e vovó põe açúcar no chá de tâmaras.
Pchnąć w tę łódź jeża lub ośm skrzyń fig. Zażółć gęślą jaźń.
Příliš žluťoučký kůň úpěl ďábelské ódy. Nechť již hříšné saxofony ďáblů rozezvučí síň.
Árvíztűrő tükörfúrógép, jó foxim és don Quijote húszwattos lámpánál ülve egy pár bűvös cipőt készít.
Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul'da ılık ışık; IĞDIR, ığdır.
Flygande bäckasiner söka hwila på mjuka tuvor. Høj bly gom vandt fræk sexquiz på wc. Þæð ǿ.
Kæmi ný öxi hér ykist þjófum nú bæði víl og ádrepa. Jó Įlinkdama fechtuotojo špaga sublykčiojusi.
Съешь же ещё этих мягких французских булок, да выпей чаю. Объём ЁЛКИ.
Чуєш їх, доцю, га? Кумедна ж ти, прощайся без ґольфів! Жлъчта лъжа. Љубазни фењерџија.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία· Γαζέες καὶ μυρτιὲς δὲν θὰ βρῶ πιὰ στὸ χρυσαφὶ ξέφωτο.
דג סקרן שט בים מאוכזב ולפתע מצא לו חברה. בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ׃
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق. بِسْمِ ٱللَّهِ ٱلرَّحْمَٰنِ ١٢٣٤٫٥٦
همهٔ افراد بشر آزاد به دنیا می‌آیند و از دید حیثیت و حقوق با هم برابرند. ۱۲۳۴۵ ٪
تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम। क़ख़ग़ १२३
সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে। ড়ঢ়য় ৪৫৬
ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ ਅਤੇ ਹੱਕਾਂ ਦੇ ਪੱਖੋਂ ਜਨਮ ਤੋਂ ਹੀ ਆਜ਼ਾਦ ਹੈ। ૧૨૩ પ્રતિષ્ઠા અને અધિકારો
மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர். கௌ கொ ஸ்ரீ ௧௨௩ ௰
ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును. ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಕ್ಷಮತೆ
മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചിട്ടുള്ളവരാണ്. ൺ ൻ ർ
සියලු මනුෂ්‍යයෝ නිදහස්ව උපත ලබා ඇත. ශ්‍රී ලංකාව
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน จงฝ่าฟันพัฒนาวิชาการ น้ำ ๑๒๓
ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ ສິດທິ ເສລີພາບ. មនុស្សទាំងអស់កើតមកមានសេរីភាព និងភាពស្មើៗគ្នា។
လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် မွေးဖွားလာသူများ ဖြစ်သည်။ འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས།
ყველა ადამიანი იბადება თავისუფალი. Ბოლო ᲥᲐᲠᲗᲣᲚᲘ Բոլոր մարդիկ ծնվում են ազատ ու հավասար։ և
የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው። ፩፪፫ ᎣᏍᏓ ꭰꮳꮃꭹ ᐃᓅᓕᓴᐅᕗᑦ ᓇᓂᓕᒫᖅ
人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。二〇二六年十一月,共3万5千人。
天地玄黃,宇宙洪荒。日月盈昃,辰宿列張。「寒來暑往」,秋收冬藏!——閏餘成歲…律呂調陽?
いろはにほへと ちりぬるを。我が輩は猫である。名前はまだ無い。コンピューターで「テスト」する!ガギグ ヴヷ ゞ々〆
すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。
모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 뷁 훈민정음 ㄱㄴㄷ 각
Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Ệ ọ̣ ữ
Бүх хүн төрж мэндлэхэд эрх чөлөөтэй. ᠬᠦᠮᠦᠨ ᠪᠦᠷ ᠲᠥᠷᠥᠵᠦ ᠮᠡᠨᠳᠡᠯᠡᠬᠦ
Semua manusia dilahirkan bebas. Watu wote wamezaliwa huru. Gbogbo ènìyàn ni a bí ní òmìnira; ẹ̀tọ́ ṣ̀
ⴰⵎⴷⴰⵏ ⵓⵎⴰⵜⵏ ⵏⴻⵙⵏ. ߒߞߏ ߊߟߎ ߓߙߍ. 𐐜 𐐔𐐯𐐻𐐲𐑉𐐯𐐻 𞤸𞤢𞤪𞤢 𝒳𝟙𝖆 𠀀𠮷𡃁 𐍈𐎀 𒀀𒁀 𓀀𓂀 𑀓𑁆𑀱 𖿢""".split("\n")

CODE = r"""def f(x: int = 3, *args, **kw) -> dict[str, list]:\n    \"\"\"Doc.\"\"\"\n    return {k: v**2 for k, v in enumerate(args) if v != x}\n
public static async Task<int> Main(string[] args) => await Run(args ?? []).ConfigureAwait(false); // TODO\n
#include <stdio.h>\r\nint main(void) {\r\n\tprintf(\"%d\\n\", 0xDEADBEEF & ~1u);\r\n\treturn 0;\r\n}\r\n
SELECT a.id, COUNT(*) AS n FROM \"users\" a LEFT JOIN t ON t.a_id = a.id WHERE a.x <> 'it''s' GROUP BY 1 HAVING n >= 10;
<div class=\"a b\" id='c'>&nbsp;&lt;b&gt;<!-- x --></div><script>if (a && b || !c) { d = `${e}`; }</script>
{\"a\": [1, -2.5e-10, null, true], \"b\": {\"c\": \"\\u00e9\\n\"}}
fn main() { let x: &'static str = r#\"raw\"#; println!(\"{x:?} {:>8.3}\", 1.0_f64); }
for i in {1..10}; do echo \"$i\" | sed -e 's/[0-9]\\+/<&>/g' >> out.txt 2>&1; done && exit $?
\\begin{equation}\n  \\sum_{i=0}^{\\infty} \\frac{x^i}{i!} = e^x \\qquad \\forall x \\in \\mathbb{R}\n\\end{equation}
https://user:pw@example.com:8080/a/b.html?q=1&r=%20x#frag mailto:a.b+c@d-e.co.uk C:\\Windows\\x.dll ~/.ssh
+-----+-----+\n|  a  |  b  |\n+=====+=====+\n| 1.0 | -2  |\n+-----+-----+\n***bold*** _it_ `code` ~~~~ ==== ----
snake_case camelCase PascalCase SCREAMING_SNAKE kebab-case HTTPServer2XML iPhone15Pro a1b2c3 v1.2.3-rc.4+build.5
==> !== === <=> ->> |> <| ?? ?. :: ... ..= /* */ // # -- ;; {} [] () <> @@ %% ^^ && || ~~ `` ´´ ''\" \"' """.split("\n")
CODE = [line.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").replace('\\"', '"') for line in CODE]

SPECIAL = """<|endoftext|> <|im_start|> <|im_end|> <think> </think> <tool_call> </tool_call> <tool_response> <|vision_start|> <|image_pad|>
<|fim_prefix|> <|fim_middle|> <|repo_name|> <|file_sep|> <|box_start|> <|begin_of_text|> <|end_of_text|> <|eot_id|> <|eom_id|> <|python_tag|>
<|start_header_id|> <|end_header_id|> <|finetune_right_pad_id|> <|reserved_special_token_0|> <|reserved_special_token_1|> <|reserved_special_token_247|>
<s> </s> <unk> <pad> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] [PREFIX] [MIDDLE] [SUFFIX]
<SPECIAL_20> <SPECIAL_997> <|im_start <|im_start| |im_end|> <|IM_START|> <|im_start|><|im_start|> <<|im_end|>> <|im_<|im_end|>end|> <|endoftext
<think <think>> < think> <|reserved_special_token_2 [INST [[INST]] <s><s> <s </s <0x0A> <|eot_id|>> <|begin_of_text|><|begin_of_text|> Ġ Ċ ĠĠ ▁ ▁▁ <unk""".split()

SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\r", "   \n  ", "\u00a0", "\u3000", "\u2028", "\u2029", "\u0085", " \t ", "\x0b", "\x0c", "\u1680", "\u2000", "\u2003",
          "\u2009", "\u200a", "\u202f", "\u205f", "\r\r\n", "\n\r", "\n \n", " \n", "\n ", "\t\t\n", "\x1c", "\x1d", "\x1e", "\x1f", "\u180e", "\u200b", "\ufeff", "\u2060"]

EMOJI = """🙂 😀😃 👍🏽 👩‍👩‍👧‍👦 👨🏿‍💻 🏳️‍🌈 🏴‍☠️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇩🇪🇫🇷 🇩 1️⃣ #️⃣ ❤️ ❤︎ ☺ ☺️ 🧑🏻‍🤝‍🧑🏾 🫠🫶🏼 👁️‍🗨️ 🐈‍⬛ ✈️ © ®️ ™ ‼️ ⁉ 🀄🃏 ⌚ 🅰️ 🈁 ㊗️ 🕴🏽‍♂️ 👯‍♀️ 🧜🏿‍♀️ 🫱🏻‍🫲🏿 🐦‍🔥 🙂‍↔️ 🏽 ‍ ️ 🏃🏽‍♀️‍➡️ 𝄞 🜁 🩷 🪿 🛘""".split(" ")

CONTRACTIONS = "it's IT'S we're We'Re they've I'M you'll he'd 'tis 's 't 're 've 'm 'll 'd 'S 'T 'RE 'Ve 'M 'LL 'D 'ſ x'ſ 'ſt 'K ’s it’s o'clock 'sx 'llx ''s '''t \"'re\" don't'nt 's's 's'd'll y'all'd've".split()
MARKS = "\u0300\u0301\u0302\u0303\u0304\u0307\u0308\u030a\u0323\u0325\u0327\u0328\u0331\u0338\u0345\u034f\u05b0\u05bc\u05c1\u064b\u0651\u0652\u093c\u094d\u09be\u0b3e\u0bd7\u0e48\u0f71\u0f72\u1161\u11a8\u1ab0\u20d0\u20dd\u302a\u3099\u309a\ufe0f\ufe20\u200d\u200c\U0001d165\U000110ba\U0001e8d0"
BASES = "aeiouAEIOUnNcCsSzZdqwyY\u03b1\u03b9\u03c9\u0415\u0418\u0438\u05d0\u05e9\u0627\u0644\u0915\u0921\u09a1\u0b47\u0bc6\u0f40\u1100\u1112\uac00\uac01\u304b\u30cf\u3046\u212b\u2126\u00e9\u1e69\u01d5\ufb2a\u0958\u0344\u2adc\u2260\u226e\U0001d157\U00011099\ufa0e\uf900\u4e0d"

# Unicode 14 and later blocks are among these: what is a letter there depends on the tables of whoever looks.
RANGES = [(0x20, 0x7F), (0x80, 0x250), (0x250, 0x370), (0x300, 0x370), (0x370, 0x530), (0x530, 0x700), (0x700, 0x900), (0x900, 0xE00), (0xE00, 0x1100), (0x1100, 0x1200),
          (0x1200, 0x1800), (0x1800, 0x1E00), (0x1E00, 0x2000), (0x2000, 0x2C00), (0x2C00, 0x3000), (0x3000, 0x3400), (0x3400, 0xA000), (0xA000, 0xAC00), (0xAC00, 0xD800),
          (0xE000, 0xF900), (0xF900, 0xFB00), (0xFB00, 0x10000), (0xFFF0, 0x10000), (0x10000, 0x10800), (0x10800, 0x11000), (0x11000, 0x12000), (0x12000, 0x16000), (0x16000, 0x18000),
          (0x18000, 0x1B000), (0x1B000, 0x1D000), (0x1D000, 0x1E000), (0x1E000, 0x1F000), (0x1F000, 0x1FC00), (0x20000, 0x2A6E0), (0x2A700, 0x2EE60), (0x2F800, 0x2FA20),
          (0x30000, 0x323B0), (0x323B0, 0x40000), (0xE0000, 0xE0200), (0xF0000, 0x110000), (0, 0x20), (0, 0x110000)]

state = 20260


def draw(count):
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    return (state >> 33) % count


def pick(items):
    return items[draw(len(items))]


def character():
    low, high = pick(RANGES)
    while True:
        point = low + draw(high - low)
        if not 0xD800 <= point < 0xE000:
            return chr(point)


def word():
    return pick(pick(SENTENCES).split())


def prose():
    text = pick(SENTENCES)
    if draw(3) == 0:
        start = draw(len(text))
        text = text[start:start + 1 + draw(60)]
    return text


def mixed():
    text = ""
    for _ in range(1 + draw(14)):
        text += pick([word, word, lambda: pick(EMOJI), lambda: pick(CONTRACTIONS), lambda: pick(SPECIAL), number, character, marked])()
        text += pick(SPACES) if draw(4) == 0 else " " * draw(3)
    return text


def number():
    digits = pick(["0123456789", "0123456789", "0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡", "①②③½¾ⅷ²³𒐀৴"])
    text = "".join(pick(digits) for _ in range(1 + draw(12)))
    return pick(["", "", "-", "$", "+", ".", "x", " "]) + text + pick(["", "", ".5", ",000", "%", "e-7", "th", "年", "°C", "'s"])


def marked():
    return "".join(pick(BASES) + "".join(pick(MARKS) for _ in range(draw(4))) for _ in range(1 + draw(5)))


def code():
    text = pick(CODE)
    if draw(2) == 0:
        text = "\n".join(" " * pick([0, 1, 2, 4, 8, 12, 16]) + line for line in text.split("\n"))
    if draw(3) == 0:
        text = text.replace("\n", pick(["\r\n", "\r", "\n\n", "\n\t"]))
    return text


def run():
    # Mostly short; some long enough for another way of merging.
    length = pick([3, 7, 20, 60, 255, 256, 257, 600])
    piece = pick(["a", "A", " ", "\n", "\t", "\r\n", "0", "9", "=", "-", "_", ".", "!", "é", "e\u0301", "中", "あ", "한", "🙂", "\u00a0", "\u200d", "\u0301", "ab", "ha", "xyz", "的", "ا", " a",
                  "<", "<|", "\U00020000", "\U000e0067", "\x00", "\ufffd", "天地玄黃", "word ", "10", "ſ", "İ"])
    head, tail = (word(), word()) if draw(2) else ("", "")
    return head + (piece * length)[:max(length, len(piece))] + tail


def long_word():
    return "".join(pick(SENTENCES[32:37]).replace("。", "").replace(",", "") for _ in range(1 + draw(8)))


def random_text():
    return "".join(character() for _ in range(1 + draw(24)))


def letters():
    low, high = pick(RANGES)
    points = (low + draw(high - low) for _ in range(1 + draw(16)))
    return "".join(chr(point) if not 0xD800 <= point < 0xE000 else " " for point in points)


def spaces():
    return "".join(pick(SPACES) + (word() if draw(2) else "") for _ in range(1 + draw(8)))


def special():
    return "".join(pick(SPECIAL) + pick(["", "", " ", "\n", word()]) for _ in range(1 + draw(6)))


def document():
    return "".join(pick([prose, code, spaces, number, mixed])() + pick(["\n", "\n\n", " ", "\r\n"]) for _ in range(2 + draw(5)))


def main():
    makers = [(prose, 14), (mixed, 22), (code, 6), (run, 6), (long_word, 1), (random_text, 12), (letters, 14), (spaces, 8), (special, 8), (marked, 6), (number, 6), (document, 3)]
    bag = [maker for maker, share in makers for _ in range(share)]
    texts, seen = [""], {""}
    while len(texts) < COUNT:
        text = pick(bag)()
        if text not in seen:
            seen.add(text)
            texts.append(text)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "strings.jsonl.gz")
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write("".join(json.dumps(text) + "\n" for text in texts).encode("ascii"))


if __name__ == "__main__":
    main()
