"""The chats that make_cases.py renders: for every real template the general ones, for the named models their own too."""

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a place, e.g. \"Zürich\" <now> & 'later'.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "The city\nor town"}, "days": {"type": "integer", "minimum": 1, "default": 1.5}, "unit": {"enum": ["c", "f", None]}},
    "required": ["city"], "additionalProperties": False}}}
NESTED = {"type": "function", "function": {"name": "plan", "description": "", "parameters": {"type": "object", "properties": {
    "steps": {"type": "array", "items": {"type": "object", "properties": {"ü": {"type": ["string", "null"]}, "x": {"$ref": "#/a/b"}}}}}}, "return": {"type": "string"}, "strict": True}}
TOOLS = [WEATHER, NESTED]


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name="get_weather", arguments=None, id="abcdef123"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": {"city": "Zürich", "days": 3, "nested": {"a": [1, 2.5, None, True, "<&'\">"]}} if arguments is None else arguments}}


def tool(content, id="abcdef123", **more):
    return {"role": "tool", "content": content, "tool_call_id": id, "name": "get_weather", **more}


# What every template is asked: name, messages, and keywords of apply_chat_template.
GENERAL = [
    ("one turn", [user("Hello, who are you?")], {"add_generation_prompt": True}),
    ("system", [system("You are terse.\n"), user("  Hi  ")], {"add_generation_prompt": True}),
    ("several turns", [system("Be kind."), user("a"), assistant("b"), user("c"), assistant("d"), user("e")], {"add_generation_prompt": True}),
    ("answered", [user("a"), assistant("b\n")], {}),
    ("answered, prompt", [user("a"), assistant("b")], {"add_generation_prompt": True}),
    ("unicode and markup", [system("Ümlaut 中文 🙂 \u00a0"), user("<b>&amp;</b> {{ x }} {% y %} \u2028 \"q\" 'p' \\n"), assistant("\t\r\n e\u0301"), user("\U00020000")], {"add_generation_prompt": True}),
    ("empty texts", [system(""), user(""), assistant(""), user(" ")], {"add_generation_prompt": True}),
    ("tools", [user("Weather?")], {"tools": TOOLS, "add_generation_prompt": True}),
    ("system, tools", [system("S"), user("Weather?")], {"tools": [WEATHER], "add_generation_prompt": True}),
    ("tool used", [system("S"), user("Weather?"), assistant("", tool_calls=[call()]), tool("{\"t\": 21}"), assistant("21°"), user("Thanks")], {"tools": TOOLS, "add_generation_prompt": True}),
    ("tool used, no list", [user("Weather?"), assistant("Let me see.", tool_calls=[call()]), tool("sunny")], {"add_generation_prompt": True}),
    ("two tools used", [user("Weather?"), assistant("", tool_calls=[call(), call("plan", {}, "123456789")]), tool("1"), tool("2", "123456789")], {"tools": TOOLS, "add_generation_prompt": True}),
    ("arguments as text", [user("q"), assistant("", tool_calls=[call(arguments="{\"city\": \"Bern\"}")]), tool("x"), assistant("y")], {"tools": [WEATHER]}),
    ("no content", [user("q"), {"role": "assistant", "tool_calls": [call()]}, tool("x")], {"tools": [WEATHER], "add_generation_prompt": True}),
    ("null content", [user("q"), assistant(None, tool_calls=[call()]), tool("x")], {"tools": [WEATHER], "add_generation_prompt": True}),
    ("structured result", [user("q"), assistant("", tool_calls=[call()]), tool({"temperature": 21, "ok": [True, None]})], {"tools": [WEATHER], "add_generation_prompt": True}),
    ("list result", [user("q"), assistant("", tool_calls=[call()]), tool([{"type": "text", "text": "r"}])], {"tools": [WEATHER], "add_generation_prompt": True}),
    ("thought", [user("q"), assistant("<think>\nhm\n</think>\n\nAnswer"), user("r"), assistant("<think>\nhm, again\n</think>\n\nAnswer 2")], {}),
    ("thought, then asked", [user("q"), assistant("<think>hm</think>Answer"), user("r")], {"add_generation_prompt": True, "enable_thinking": True}),
    ("reasoning content", [user("q"), assistant("Answer", reasoning_content="Let me see.\n"), user("r")], {"add_generation_prompt": True, "enable_thinking": False}),
    ("thinking off", [system("s"), user("q")], {"add_generation_prompt": True, "enable_thinking": False, "thinking": False}),
    ("thinking on", [system("s"), user("q")], {"add_generation_prompt": True, "enable_thinking": True, "thinking": True}),
    ("parts", [user([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]), assistant([{"type": "text", "text": "three"}])], {"add_generation_prompt": True}),
    ("picture", [user([{"type": "image"}, {"type": "text", "text": "What is it?"}])], {"add_generation_prompt": True}),
    ("two users", [user("a"), user("b")], {"add_generation_prompt": True}),
    ("assistant first", [assistant("a"), user("b")], {"add_generation_prompt": True}),
    ("system last", [user("a"), system("b")], {"add_generation_prompt": True}),
    ("two systems", [system("a"), system("b"), user("c")], {"add_generation_prompt": True}),
    ("system alone", [system("a")], {"add_generation_prompt": True}),
    ("unknown role", [user("a"), {"role": "critic", "content": "b"}], {}),
    ("no messages", [], {"add_generation_prompt": True}),
    ("no role", [{"content": "a"}], {}),
    ("no user text", [{"role": "user"}], {}),
    ("null user text", [user(None)], {}),
    ("number as text", [user(7)], {}),
    ("documents", [user("q")], {"documents": [{"title": "T & ü", "text": "One.\nTwo."}, {"title": "U", "text": ""}], "add_generation_prompt": True}),
]

OF_QWEN3 = [
    ("thinking across tools", [user("q"), assistant("", reasoning_content="First.", tool_calls=[call()]), tool("1"), assistant("more", reasoning_content="Then.", tool_calls=[call(), call("plan")]), tool("2"), tool("3"),
                               assistant("Done", reasoning_content="So.")], {"tools": TOOLS}),
    ("tool answer as user", [user("q"), assistant("", tool_calls=[call()]), user("<tool_response>\nx\n</tool_response>")], {"tools": TOOLS, "add_generation_prompt": True}),
    ("call without function", [user("q"), assistant("c", tool_calls=[{"name": "f", "arguments": {"a": 1}}])], {}),
    ("thoughts at both ends", [user("q"), assistant("\n\n<think>\n\nx\n\n</think>\n\n\ny\n</think>z"), user("r"), assistant("<think>\n\n</think>\n\nv")], {"add_generation_prompt": True}),
    ("thinking off is not false", [user("q")], {"add_generation_prompt": True, "enable_thinking": 0}),
    ("thinking null", [user("q")], {"add_generation_prompt": True, "enable_thinking": None}),
    ("empty reasoning", [user("q"), assistant("<think>a</think>b", reasoning_content="")], {}),
    ("null reasoning", [user("q"), assistant("<think>a</think>b", reasoning_content=None)], {}),
    ("no tools but a list", [system("s"), user("q")], {"tools": []}),
]

OF_LLAMA = [
    ("date", [user("q")], {"date_string": "1 Jan 2020", "add_generation_prompt": True}),
    ("tools in the system message", [system("s"), user("q")], {"tools": TOOLS, "tools_in_user_message": False, "add_generation_prompt": True}),
    ("custom tools", [user("q")], {"custom_tools": [WEATHER], "add_generation_prompt": True}),
    ("builtin tools", [system("s"), user("q")], {"builtin_tools": ["brave_search", "wolfram_alpha", "code_interpreter"], "add_generation_prompt": True}),
    ("builtin call", [user("q"), assistant("", tool_calls=[call("brave_search", {"query": "x \"y\"", "n": "2"})]), {"role": "ipython", "content": "{\"r\": 1}"}], {"builtin_tools": ["brave_search"], "tools": [WEATHER]}),
    ("builtin call with a number", [user("q"), assistant("", tool_calls=[call("brave_search", {"n": 2})])], {"builtin_tools": ["brave_search"]}),
    ("ipython", [user("q"), {"role": "ipython", "content": {"output": [1, "ü"]}}, {"role": "ipython", "content": 42}], {"add_generation_prompt": True}),
    ("tools and no user", [system("s")], {"tools": TOOLS}),
    ("two calls at once", [user("q"), assistant("", tool_calls=[call(), call()])], {"tools": TOOLS}),
    ("untrimmed", [system("\n s \n"), user("\t q \u00a0\u3000\n"), assistant(" a ")], {}),
]

OF_MISTRAL = [
    ("short id", [user("q"), assistant("", tool_calls=[call(id="x")])], {}),
    ("no id", [user("q"), {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}], {}),
    ("result without id", [user("q"), assistant("", tool_calls=[call()]), {"role": "tool", "content": "x"}], {}),
    ("tool results role", [user("q"), {"role": "tool_calls", "content": [call()]}, {"role": "tool_results", "content": {"content": "x"}, "tool_call_id": "abcdef123"}, assistant("a"), user("b")], {"tools": TOOLS}),
    ("system before several", [system("S"), user("a"), assistant("b"), user("c"), assistant("d"), user("e")], {"tools": [NESTED]}),
    ("system, then answered", [system("S"), user("a"), assistant("b")], {}),
    ("same user text twice", [user("a"), assistant("b"), user("a")], {"tools": [WEATHER]}),
]
