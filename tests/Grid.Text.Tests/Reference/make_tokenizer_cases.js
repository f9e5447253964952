// Writes small_tokenizer_cases.jsonl: variants of a small tokenizer.json, each followed by texts with what the Hugging
// Face tokenizers library says of them: ids, the text of the ids, and that without special tokens.
//
// Usage: node make_tokenizer_cases.js small_tokenizer.json > small_tokenizer_cases.jsonl
// Needs the npm package @anush008/tokenizers, a binding of the library. small_tokenizer.json is SmallTokenizer.Json().
const { Tokenizer } = require('@anush008/tokenizers');
const fs = require('fs');

const base = JSON.parse(fs.readFileSync(process.argv[2]));
const qwen = base.pre_tokenizer.pretokenizers[0].pattern.Regex;
const byteLevel = base.pre_tokenizer.pretokenizers[1];
const split = (pattern) => ({ type: 'Split', pattern, behavior: 'Isolated', invert: false });
const added = (id, content, flags) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...flags });

function variant(change) {
  const file = structuredClone(base);
  change(file);
  return file;
}

const variants = [
  variant(() => {}),
  variant((file) => {
    file.normalizer = null;
    file.pre_tokenizer = { ...byteLevel, use_regex: true };
    file.added_tokens.push(added(304, '<mask>', { lstrip: true }), added(305, '<tail>', { rstrip: true }), added(306, '<norm>', { normalized: true }),
      added(307, '<both>', { lstrip: true, rstrip: true, special: false }), added(308, 'a b'), added(309, '<no', { special: false }));
  }),
  variant((file) => {
    file.normalizer = null;
    file.model.ignore_merges = true;
    file.pre_tokenizer.pretokenizers[0] = split({ Regex: qwen.replace('\\p{N}|', '\\p{N}{1,3}|') });
  }),
  variant((file) => {
    file.added_tokens.push(added(304, 'né', { normalized: true }), added(305, 'ne\u0301x'));
    file.pre_tokenizer.pretokenizers = [{ type: 'Digits', individual_digits: true },
      split({ Regex: "[一-龥]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" }), split({ String: '..' }), byteLevel];
  }),
];

const words = ("the quick fox's it's IT'S we'LL they've I'd x'ſ 'K 'Kab 'ſab hello world naïve café übergroß 12345 3.14159 ١٢٣ 𝟙𝟚 ⅷ² 中文字符 日本語 한국어 русский العربية हिन्दी " +
  "𠀀𠀁𝒳𝓎 🙂👩‍👩‍👧 é e\u0301 ÅÅ 각 각ᆨ q̣̇ ... .. !? -- “q” @#$ <norm> <mask> <tail> <both> a b né ne\u0301 ne\u0301x <no <think> <|im_start|> <|im_end|> " +
  "\u200b \u200d \ufeff \u0000 \u00ad \ufffd \u0345 \u1680 \u180e 𑀀 𐒠 𐍈 𖿢 𝅘𝅥𝅮 שּׁ ΐ Ω ing sts abc aaaaaaa").split(' ');
const spaces = [' ', '  ', '\n', '\n\n', '\t', '\r\n', '   \n  ', '\u00a0', '\u3000', '\u2028', '\u0085', ' \t '];
let state = 7;
const draw = (count) => {
  state = (state * 1103515245 + 12345) % 0x80000000;
  return Math.floor(state / 65536) % count;
};

function text() {
  let made = '';
  for (let pieces = 1 + draw(9); pieces > 0; pieces--) {
    made += draw(3) ? words[draw(words.length)] : spaces[draw(spaces.length)];
    made += draw(2) ? ' ' : '';
  }
  return made;
}

(async () => {
  for (const file of variants) {
    console.log(JSON.stringify({ tokenizer: file }));
    const tokenizer = Tokenizer.fromString(JSON.stringify(file));
    for (let i = 0; i < 250; i++) {
      const sample = text();
      const ids = Array.from((await tokenizer.encode(sample, null, { addSpecialTokens: false })).getIds());
      console.log(JSON.stringify({ text: sample, ids, decoded: await tokenizer.decode(ids, false), shown: await tokenizer.decode(ids, true) }));
    }
  }
})();
