"""Writes template_cases.jsonl: small templates, their variables, and what Jinja2 renders with the environment that
transformers sets up (sandbox, trim_blocks, lstrip_blocks, loop controls, its own tojson).

Usage: python3 make_template_cases.py > template_cases.jsonl     (needs jinja2)
"""
import json

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi\n"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello 🙂", "tool_calls": [
            {"type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": [True, None, 2.5], "s": "é\"\\\n\u0001/"}}}]},
        {"role": "tool", "content": "42", "items": "shadowed"},
    ],
    "add_generation_prompt": True,
    "numbers": [3, 1, 2, 2, -5, 1.5],
    "words": ["b", "A", "c", "a"],
    "text": "  héllo Wörld 🙂x\n",
    "lines": "one\n\n  two\r\nthree",
    "people": [{"name": "Ann", "age": 3, "ok": True}, {"name": "bob", "age": 1}, {"name": "Cid", "age": 2, "ok": False}],
    "map": {"b": 1, "a": {"c": [1, {"d": "e"}]}, "Z": None},
    "empty": [], "nothing": None, "yes": True, "zero": 0, "large": 18446744073709551616, "tiny": 1e-7, "float": 1e16, "third": 0.1,
}

TEMPLATES = r'''
{{ text }}|{{ text|trim }}|{{ text.strip() }}|{{ text|length }}|{{ text|upper }}|{{ text[::-1] }}|{{ text[3:6] }}|{{ text[-2] }}
{{ 1 + 2 * 3 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1.0 }} {{ 6 / 2 }} {{ -5 }} {{ -5|abs }} {{ 5.5 // 2 }} {{ -2.5 % 2 }}
{{ 1 + 1.5 }} {{ true + 1 }} {{ third + 0.2 }} {{ tiny }} {{ float }} {{ 1e15 }} {{ 123456789.125 }} {{ 1e300 * 1e10 }} {{ 0.0001 }} {{ 1.5e-5 }} {{ 100 * 1.1 }} {{ large }} {{ -0.0 }}
{{ none }} {{ true }} {{ false }} {{ numbers }} {{ map }} {{ (1,) }} {{ (1, 'a') }} {{ [] }} {{ {} }} {{ ["it's", 'say "x"', "both ' \"", "t\t\\"] }}
{{ nothing }}{{ missing }}|{{ missing is defined }}|{{ nothing is none }}|{{ missing|default('d') }}|{{ nothing|default('d') }}|{{ nothing|default('d', true) }}|{{ zero|d(5, boolean=true) }}
{{ messages|tojson }}
{{ messages|tojson(indent=2) }}
{{ map|tojson(sort_keys=true, separators=(',', ':')) }}|{{ map|tojson(ensure_ascii=true) }}|{{ messages[2]|tojson(ensure_ascii=true) }}
{{ [1.0, 1e16, tiny, large, none, true, "\u2028\x7f"]|tojson }}|{{ []|tojson(indent=4) }}|{{ {}|tojson(indent=4) }}|{{ (1, 2)|tojson }}|{{ {1: 2}|tojson }}
{% for m in messages %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}:{{ m.role }};{% endfor %}
{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ m['role'] }}>{{ loop.nextitem.role if not loop.last else '.' }} {% endfor %}
{% for m in messages[::-1] if m.role != 'tool' %}{{ loop.index }}{{ m.role }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}
{% for x in empty %}x{% else %}nothing here{% endfor %}|{% for x in [] if x %}x{% else %}none{% endfor %}
{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}{% for k in map %}{{ k }}{% endfor %}{% for p in map|items %}{{ p }}{% endfor %}{% for k, v in map|dictsort %}{{ k }}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}|{{ range(2, 10, 3)|list }}|{{ range(5, 0, -2)|list }}
{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.depth }}{{ i }}{{ j }}{{ loop.cycle('a', 'b') }} {% endfor %}{{ loop.changed(i) }}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(found=false, n=0) %}{% for i in numbers %}{% if i == 2 %}{% set ns.found = true %}{% endif %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.found }}{{ ns.n }}{{ ns.other is defined }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}{% set e = 1, %}{{ e }}
{% if messages[0].role == 'system' and messages[0]['content'] %}S{% elif false %}E{% else %}N{% endif %}{% if not empty %}empty{% endif %}{% if nothing is none or missing %}y{% endif %}
{{ 'a' if yes }}{{ 'a' if zero }}|{{ 'a' if zero else 'b' if nothing else 'c' }}|{{ yes and 'x' }}|{{ zero or 'y' }}|{{ not yes }}|{{ not not yes }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 1 }} {{ [1, 2] == [1, 2] }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }} {{ none == false }} {{ [1, 2] < [1, 3] }}
{{ 'ell' in 'hello' }} {{ 'x' not in 'hello' }} {{ 2 in numbers }} {{ 'b' in map }} {{ 'q' in map }} {{ 'x' in missing }} {{ 1 in [true] }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ missing ~ [1] }}|{{ 'a' + 'b' }}|{{ [1] + [2] }}|{{ 'ab' * 3 }}|{{ 2 * 'x' }}|{{ -1 * 'x' }}|{{ 'a' 'b' "c" }}
{{ numbers[1:] }}{{ numbers[:-1] }}{{ numbers[::2] }}{{ numbers[::-1] }}{{ numbers[-1] }}{{ numbers[4:1:-1] }}{{ numbers[10:] }}{{ numbers[-100:2] }}{{ numbers[100::-1] }}{{ 'hello'[1:3] }}{{ 'hello'[-3:] }}
{{ numbers[99] is defined }}{{ numbers[99] }}|{{ map.a.c[1].d }}|{{ map['a']['c'][0] }}|{{ map.missing }}|{{ map['missing'] is defined }}|{{ messages.0.role }}|{{ map.get('b') }}{{ map.get('q') }}{{ map.get('q', 7) }}
{{ messages[3].items is string }}|{{ messages[3]['items'] }}|{{ messages[3].keys()|list }}|{{ map.values()|list }}|{{ messages[0]|length }}
{{ text.split() }}{{ 'a,b,,c'.split(',') }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ ' a  b c '.split(none, 1) }}{{ ' a  b c '.rsplit(none, 1) }}{{ lines.splitlines() }}{{ ''.split() }}{{ ''.split(',') }}
{{ 'xxabcxx'.strip('x') }}{{ 'xyabcyx'.lstrip('xy') }}{{ 'abc\n\n'.rstrip('\n') }}|{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'bc')) }}{{ 'abab'.replace('a', 'c') }}{{ 'abab'.replace('a', 'c', 1) }}{{ 'ab'.replace('', '-') }}
{{ 'ß'.upper() }}{{ 'straße ﬁn ŉ ǰ ΐ և ᾳ 𐐨'|upper }}|{{ 'ΟΔΥΣΣΕΥΣ ΑΣ.Σ Σ Σ͵ İ 𐐀'.lower() }}{{ 'ΣΑΣ'|lower }}|{{ 'ßOT ﬁN'.capitalize() }}{{ 'ǆEP'|capitalize }}{{ 'აბ'.capitalize() }}
{{ "they're bill's ßa ﬁx ǆu 中ab 1a აბ ᾳβ 𐐨𐐨 ªb"|title }}|{{ "they're bill's ßa ﬁx ǆu 中ab 1a აბ ᾳβ 𐐨𐐨 ªb ΑΣ".title() }}|{{ 'a-b (c) {d} [e] <f> g_h	i'|title }}|{{ ''|title }}{{ ''.title() }}
{{ ["\u2028\u2029\u00a0\u200b\u00ad\ufeff\ue000\u3000\u0378", "\x7f\x80é中🙂\U000e0001\U0010ffff"] }}|{{ {"\u2028": 1} }}|{{ "\u2028"|length }}
{{ '²'.isdigit() }}{{ '٣'.isdigit() }}{{ '½'.isdigit() }}{{ '½'.isalnum() }}{{ 'Ⅷ'.isalnum() }}{{ '𝒜𐐨'.isalpha() }}{{ '𝟙'.isdigit() }}{{ 'a1 '.isalnum() }}{{ 'é中'.isalpha() }}{{ '🙂'.isalnum() }}
{{ 'hello'.find('l') }}{{ 'hello'.rfind('l') }}{{ 'hello'.find('z') }}{{ '🙂x'.find('x') }}{{ 'hello'.count('l') }}{{ 'hELLO wORLD'.capitalize() }}{{ "they're bill's".title() }}{{ ', '.join(words) }}{{ 'abc'.removeprefix('a') }}{{ 'abc'.removesuffix('c') }}
{{ '12'.isdigit() }}{{ 'a1'.isalnum() }}{{ 'ab'.isalpha() }}{{ ' '.isspace() }}{{ ''.isdigit() }}{{ 'A'.lower() }}{{ 'é'.upper() }}{{ '</think>' in messages[2].content }}{{ messages[2].content.split('</think>')[-1].lstrip('\n') }}
{{ words|join(', ') }}|{{ numbers|join }}|{{ people|join('-', attribute='name') }}|{{ words|first }}{{ words|last }}|{{ empty|first is defined }}|{{ words|reverse|list }}|{{ 'abc'|reverse }}|{{ words|sort }}|{{ words|sort(case_sensitive=true) }}|{{ words|sort(reverse=true) }}|{{ numbers|sort }}
{{ people|map(attribute='name')|list }}|{{ people|map(attribute='ok', default='?')|list }}|{{ words|map('upper')|join }}|{{ people|selectattr('ok')|map(attribute='name')|join(',') }}|{{ people|rejectattr('ok', 'defined')|list }}|{{ people|selectattr('age', 'gt', 1)|map(attribute='age')|list }}|{{ numbers|select('odd')|list if false else 'x' }}|{{ [0, 1, none, 'a']|select|list }}|{{ [1, 2, 3]|reject('even')|list }}|{{ people|selectattr('name', 'equalto', 'bob')|list|length }}
{{ people|sort(attribute='age')|map(attribute='name')|join }}|{{ numbers|min }}{{ numbers|max }}{{ people|sum(attribute='age') }}{{ numbers|sum }}|{{ [1, 1, 2, 'a', 'A']|unique|list }}|{{ (people|max(attribute='age')).name }}|{{ words|min }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'abc'|replace('b', 'x') }}|{{ 3.7|int }}{{ '12'|int }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ '3.9'|int }}|{{ '1.5'|float }}{{ 2|float }}{{ 'q'|float }}|{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 2.1|round(0, 'ceil') }}
{{ 'a' is string }}{{ 1 is string }}{{ 1 is number }}{{ true is number }}{{ true is integer }}{{ 1 is integer }}{{ 1.5 is float }}{{ map is mapping }}{{ [] is iterable }}{{ 'a' is iterable }}{{ 1 is iterable }}{{ [] is sequence }}{{ map is sequence }}{{ 'a' is sequence }}{{ true is boolean }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ none is none }}{{ missing is undefined }}{{ range is callable }}
{{ 3 is odd }}{{ 3 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(4) }}{{ 1 is eq 1 }}{{ 'a' is sameas 'a' }}{{ none is sameas none }}{{ 1 is in [1, 2] }}{{ 1 is not in [2] }}{{ 'abc' is lower }}{{ 'ABC' is upper }}{{ 3 is gt 2 }}{{ 3 is not none and yes }}{{ missing is not defined or yes }}
{% macro greet(name, greeting='Hello', mark) %}{% endmacro %}
{% macro greet(name, greeting='Hello') %}{{ greeting }}, {{ name }}!{% endmacro %}{{ greet('Ann') }}{{ greet('Bob', greeting='Hi') }}{{ greet() }}{{ greet(name='C') | upper }}
{% macro outer(x) %}[{{ x }}{{ inner(x) }}]{% endmacro %}{% macro inner(x) %}<{{ x * 2 }}>{% endmacro %}{{ outer(2) }}{% macro fact(n) %}{{ n }}{% if n > 1 %}{{ fact(n - 1) }}{% endif %}{% endmacro %}{{ fact(3) }}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% call wrap('b') %}bold {{ yes }}{% endcall %}{% macro each() %}{{ caller(1) }}{{ caller(2) }}{% endmacro %}{% call(n) each() %}({{ n }}){% endcall %}
{% filter upper %}abc {{ 'def' }}{% endfilter %}{% filter replace('a', 'b')|upper %}aa{% endfilter %}|{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}|{% generation %}answer{% endgeneration %}|{% raw %}{{ not rendered }}{% endraw %}
{{ {'a': {'b': 1}}.a.b }}{{ {'a': {'b': [1]}}}}{{ "}}" }}{{ '%}' }}{{ '{{' }}{% if '%}' == "%}" %}ok{% endif %}
{{ "esc: \n \t \\ \' \" \x41 \u00e9 \U0001F642 \101 \q" }}{{ 1_000 }}{{ 1.5e3 }}{{ 2E2 }}
{{ -2 ** 2 }}{{ 2 ** 3 ** 2 }}{{ -numbers[0] }}{{ - 3 | abs }}{{ (1 + 2) * 3 }}{{ 10 - 2 - 3 }}{{ 100 / 10 / 2 }}{{ 1 ~ 2 * 3 }}{{ not 1 == 2 }}
{{ 'a' ~ 1|string ~ 'b'|upper }}{{ [1, 2, 3]|length - 1 }}{{ (messages|length - 1) - 2 }}{{ messages|length > 2 and 'many' }}{{ "x" if messages|length is even else "y" }}
{{ numbers[0:2]|tojson ~ '!' }}{{ dict(a=1, b='x') }}{{ dict({'q': 1}, r=2) }}{{ namespace(x=5).x }}{{ [namespace is defined, raise_exception is defined, strftime_now is defined] }}
{{ messages[2].tool_calls[0].function.arguments | tojson }}{% for c in messages[2].tool_calls %}{% set c = c.function %}{{ c.name }}{% endfor %}{% if messages[0].tool_calls %}x{% endif %}
{{ messages[1].content.strip() + '|' }}{{ (messages | selectattr('role', 'in', ['user', 'tool']) | list) | length }}{{ messages | map(attribute='role') | unique | join(' ') }}
{%- set offset = 1 -%}{%- if messages[0]['role'] == 'system' -%}{%- set system = messages[0]['content']|trim -%}{%- set rest = messages[1:] -%}{%- endif -%}{{ system }}{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) and m.role != 'tool' %}bad{% endif %}{{ '[' + m['role'] + ']' }}{% endfor %}
{{ raise_exception('no: ' ~ messages|length) }}
{{ 'a' ~ 1 + 2 }}
{{ 2 - 1 ~ 'x' }}
{{ nothing|selectattr('a')|list }}{{ nothing|map('upper')|list }}{{ zero|reject('odd')|list }}{{ false|map(attribute='x')|list }}{{ missing|rejectattr('a')|list }}
{{ nothing|list }}
{{ 5|select|list }}
{{ missing.attribute }}
{{ missing() }}
{{ 1 + 'a' }}
{{ 1 / 0 }}
{{ 1 < 'a' }}
{% for x in 5 %}{% endfor %}
{{ [1].append(2) }}
{{ map.update({}) }}
{{ nothing.role }}|{{ nothing['role'] is defined }}
{{ nothing.role.x }}
{{ 5|length }}
{% set messages.x = 1 %}
{% set a, b = [1, 2, 3] %}
{{ numbers|tojson(1, 2, 3, 4, 5) }}
{{ missing|tojson }}
{{ greet }}
{{ unknown|nofilter }}
{{ x is notest }}
{{ (1 }}
{{ 1 +  }}
{% if %}{% endif %}
{% for x %}{% endfor %}
{{ 'open }}
{# open
{% include 'x' %}
{{ x..y }}
{{ }}
{% macro m(a=1, b) %}{% endmacro %}
{{ dict(1, 2) }}
{{ range(10000000)|length }}
{{ ''.split('') }}
{{ messages|sort }}
{{ {1: 2, 'a': 3, 2: 4}|tojson(sort_keys=true) }}
'''


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.Scope(body).set_lineno(line)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    return made


def templates():
    """One a line, and those about white space and lines."""
    return TEMPLATES.strip("\n").split("\n") + [
        "{% set block %}  a {{ 1 }}\n b {% endset %}[{{ block }}]{% set up | upper %}abc{% endset %}{{ up }}",
        "  {% if true %}  \n   indented {{ 1 }}   \n  {% endif %}  \nend",
        "  {%- if true -%}  \n   tight  \n  {%- endif -%}  \nend",
        "a {#- comment -#} b{# c #}\n  {# line #}\nd{#+ kept +#}\ne",
        "  {%+ if true +%}\nkept\n  {%+ endif %}\nx{{- ' y ' -}}  z   {{ 1 }}\n w",
        "{%- for x in [1, 2] %}\n{{ x }}\n{%- endfor %}\n\n{% for x in [1, 2] -%}\n    {{ x }}\n{%- endfor +%}\n\nend\n\n",
        "  {% raw -%}   {% if %} {{ x }}  {%- endraw %}  \nafter",
        "  {% raw %}\n  a\n  {% endraw %}\nafter{{ 1 }}\n  {% if true %}x{% endif %}\n",
        "{{ 'line \\\ncontinued' }}",
        "{{ 'a' \n   ~ 'b' }}{# multi\nline #}\n{% if true %}x{% endif %}\n",
        "a\r\nb\rc{{ 1 }}\r\n{% if true %}\r\nd{% endif %}\r\n",
        "{{ 1 }}\n{{ 2 }}\n\n{% set x = 3 %}\n\n  {% set y = 4 %}  {{ x }}\n \u00a0\u3000{% if true %}z{% endif %}",
        "{% if true %}\n{% endfor %}",
        "\n{% if true %}\n\n\nx\n{% endif %}\n\n\n",
        "{{ 1 -}}  \n {{ 2 }}{{ 3 -}} \n\n  {% if true %}y{% endif %}",
    ]


if __name__ == "__main__":
    environment = environment()
    print(json.dumps({"variables": VARIABLES}))
    for template in templates():
        case = {"template": template}
        try:
            case["output"] = environment.from_string(template).render(**VARIABLES)
        except Exception as error:
            case["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(case))
