"""Records what the reference implementations make of some texts: `golden.py > golden.json`.

transformers 5.19, sentencepiece 0.2.3, tiktoken 0.14 and mistral-common 1.13, over the files of this folder.
"""

import base64
import json
import pathlib
import tempfile

import sentencepiece
import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
TEXTS = [
    "",
    " ",
    "It is a truth universally acknowledged, that a single man",
    "  two  spaces,\n\n\ttabs and 1234567 numbers  ",
    "don't SHOUT: DON'T; won't?!  ...",
    "Привет, мир! 你好世界 🙂🙂 e\u0301 \ufb01 “quoted” É",
    "def f(x):\n    return x ** 2  # <think>no</think>\r\n",
    "<|im_start|>user\nladies of the house<|im_end|> [MASK] [SEP] <tool> <s>",
]
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def folder(files):
    path = pathlib.Path(tempfile.mkdtemp())
    for name, content in files.items():
        (path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def transformers(files):
    tokenizer = AutoTokenizer.from_pretrained(folder(files))
    return lambda text: tokenizer.encode(text, add_special_tokens=False)


def byte_pairs(tokenizer_class):
    model = json.loads((HERE / "byte_level.json").read_text())["model"]
    merges = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in model["merges"])
    config = {"tokenizer_class": tokenizer_class, "model_type": "gpt2"}
    return transformers({"vocab.json": model["vocab"], "merges.txt": merges, "tokenizer_config.json": config})


def word_pieces():
    vocab = json.loads((HERE / "word_pieces.json").read_text())["model"]["vocab"]
    vocab = "".join(token + "\n" for token in sorted(vocab, key=vocab.get))
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    return transformers({"vocab.txt": vocab, "tokenizer_config.json": config})


def ranks():
    lines = (HERE / "ranks.tiktoken").read_text().split("\n")
    ranks = {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in lines if line}
    encoding = tiktoken.Encoding("ranks", pat_str=CL100K, mergeable_ranks=ranks, special_tokens={})
    return lambda text: encoding.encode(text, disallowed_special=())


def tekken():
    tokenizer = Tekkenizer.from_file(HERE / "tekken.json")
    return lambda text: tokenizer.encode(text, bos=False, eos=False)


def pieces(name):
    model = sentencepiece.SentencePieceProcessor(model_file=str(HERE / name))
    # It takes the names of control symbols for text. Servers do not, as Hugging Face's library does not.
    return lambda text: None if "<s>" in text else model.encode(text)


def json_file(name):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(HERE / name))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


READERS = {
    "byte_pairs GPT2Tokenizer": byte_pairs("GPT2Tokenizer"),
    "byte_pairs Qwen2Tokenizer": byte_pairs("Qwen2Tokenizer"),
    "vocab.txt": word_pieces(),
    "ranks.tiktoken": ranks(),
    "sentencepiece_bpe.model": pieces("sentencepiece_bpe.model"),
    "sentencepiece_unigram.model": pieces("sentencepiece_unigram.model"),
    "tekken.json": tekken(),
    "added_tokens.json": json_file("added_tokens.json"),
    "unigram.json": json_file("unigram.json"),
}
print("{")
print('"texts": ' + json.dumps(TEXTS) + ",")
rows = [f'"{name}": {json.dumps([encode(text) for text in TEXTS])}' for name, encode in READERS.items()]
print(",\n".join(rows))
print("}")
