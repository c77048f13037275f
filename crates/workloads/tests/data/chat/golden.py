"""Records what transformers 5.19 makes of the templates of this folder: `golden.py > golden.json`."""

import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

HERE = pathlib.Path(__file__).parent
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "What the weather is like, <b>now</b> & \"then\"; 5 > 3, it's é",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Zürich", "Aarau"]}, "days": {"type": "integer", "default": 1}},
                "required": ["city"],
            },
        },
    }
]
ASK = {"role": "user", "content": "  What is <it> & \"why\"?\nIt's 'so'.  "}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": {"days": 2, "city": "Zürich", "exact": True, "at": None, "near": 0.5}}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "abcdefghi", "content": "{\"sun\": true}"}
CASES = [
    [[ASK], None],
    [[{"role": "system", "content": "Be brief. "}, ASK], None],
    [[ASK, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nBecause."}, {"role": "user", "content": "Why?"}], None],
    [[{"role": "user", "content": ""}], None],
    [[{"role": "system", "content": "Be brief."}, ASK], TOOLS],
    [[ASK, CALL, RESULT], TOOLS],
    [[ASK, CALL, RESULT, {"role": "assistant", "content": "Sun. 你好 🙂"}, ASK], TOOLS + TOOLS],
    [[{"role": "assistant", "content": "I begin"}], None],
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def render(template, messages, tools):
    try:
        rendered, _ = render_jinja_template([messages], tools=tools, chat_template=template, add_generation_prompt=True, **TOKENS)
        return rendered[0]
    except Exception:
        return None


out = {"tokens": TOKENS, "cases": CASES}
for path in sorted(HERE.glob("*.jinja")):
    template = path.read_text()
    out[path.name] = [render(template, messages, tools) for messages, tools in CASES]
print(json.dumps(out, indent=1, ensure_ascii=False))
