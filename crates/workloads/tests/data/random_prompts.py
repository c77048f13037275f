"""Records the random prompts of other tools, over the tokenizers of this folder: `random_prompts.py vllm|sglang OUT`.

vLLM 0.32.0 and SGLang 0.5.23, each with transformers 5 and NumPy 2; their own classes, called as their
commands call them.
"""

import json
import pathlib
import random
import sys
import tempfile

import numpy

HERE = pathlib.Path(__file__).parent
BEGIN = "<|begin_of_text|>"
CONFIGS = {
    "byte_level": {"bos_token": BEGIN, "eos_token": BEGIN},
    "added_tokens": {
        "bos_token": BEGIN,
        "eos_token": "<|im_end|>",
        "extra_special_tokens": ["<|im_start|>"],
    },
    "sentencepiece": {"bos_token": BEGIN},
    "unigram": {"bos_token": BEGIN, "unk_token": "<unk>"},
    "word_pieces": {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "clean_up_tokenization_spaces": True,
    },
}
DATASET = [
    {"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": "Yes."}]}
    for text in (
        "It is a truth universally acknowledged, that a single man in possession of a good fortune",
        "must be in want of a wife.",
        "",
        "However little known the feelings or views of such a man may be on his first entering",
        "a neighbourhood,",
        "this truth is so well fixed in the minds of the surrounding families",
        "that he is considered the rightful property of some one or other of their daughters.",
        "My dear Mr. Bennet",
    )
] + [{"conversations": [{"from": "human", "value": "one turn"}]}]


def tokenizer(name):
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "tokenizer.json").write_text((HERE / f"{name}.json").read_text())
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **CONFIGS[name]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return str(folder)


def vllm():
    from vllm.benchmarks.datasets.datasets import RandomDataset
    from vllm.tokenizers import get_tokenizer

    for name in CONFIGS:
        loaded = get_tokenizer(tokenizer(name))
        for seed, ratio, prefix in [(0, 0.0, 0), (1, 0.3, 0), (7, 0.0, 50), (2**40 + 5, 0.3, 50)]:
            dataset = RandomDataset(random_seed=seed)
            rows = dataset.sample(loaded, 4, input_len=60, output_len=20, range_ratio=ratio, prefix_len=prefix)
            yield {
                "corpus": "random",
                "tokenizer": name,
                "seed": seed,
                "range_ratio": ratio,
                "prefix_len": prefix,
                "prompts": [[row.prompt, row.prompt_len, row.expected_output_len] for row in rows],
            }


def sglang():
    from sglang.benchmark.datasets.random import sample_random_requests
    from sglang.benchmark.utils import get_tokenizer

    path = pathlib.Path(tempfile.mkdtemp()) / "sharegpt.json"
    path.write_text(json.dumps(DATASET))
    for name in CONFIGS:
        loaded = get_tokenizer(tokenizer(name))
        for seed, ratio in [(42, 0.0), (1, 0.3), (7, 1.0)]:
            for corpus in ("random-ids", "random"):
                # As bench_serving begins.
                random.seed(seed)
                numpy.random.seed(seed)
                rows = sample_random_requests(
                    60, 20, 4, ratio, loaded, str(path), random_sample=corpus == "random"
                )
                yield {
                    "corpus": corpus,
                    "tokenizer": name,
                    "seed": seed,
                    "range_ratio": ratio,
                    "prefix_len": 0,
                    "prompts": [[row.prompt, row.prompt_len, row.output_len] for row in rows],
                }


_, tool, out = sys.argv
recorded = list({"vllm": vllm, "sglang": sglang}[tool]())
lines = ",\n".join(json.dumps(one) for one in recorded)
texts = json.dumps([one["conversations"][0]["value"] for one in DATASET[:-1]])
configs = json.dumps(CONFIGS)
pathlib.Path(out).write_text(f'{{"input_len": 60, "output_len": 20,\n"texts": {texts},\n"configs": {configs},\n"cases": [\n{lines}\n]}}\n')
