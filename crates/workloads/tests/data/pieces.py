"""Trains the models of SentencePiece (0.2.3) that the tests read, on the built-in text."""

import pathlib
import tempfile

import sentencepiece

HERE = pathlib.Path(__file__).parent
CORPUS = HERE / "../../data/corpus.txt"
# A few of NFKC's rules, which all together are larger than the model.
RULES = {"ﬁ": "fi", "“": '"', "”": '"', "’": "'", "…": "...", "É": "E", "Ａ": "A", "\t": " ", "\n": " "}


def rules():
    path = pathlib.Path(tempfile.mkdtemp()) / "rules.tsv"
    code = lambda text: " ".join(f"{ord(c):X}" for c in text)
    path.write_text("".join(f"{code(of)}\t{code(to)}\n" for of, to in RULES.items()))
    return path


def train(kind, **options):
    sentencepiece.SentencePieceTrainer.train(
        input=str(CORPUS),
        model_prefix=str(HERE / f"sentencepiece_{kind}"),
        model_type=kind,
        vocab_size=700,
        split_digits=True,
        hard_vocab_limit=False,
        max_sentence_length=10_000,
        control_symbols=["<tool>"],
        num_threads=1,
        **options,
    )
    (HERE / f"sentencepiece_{kind}.vocab").unlink()


train("bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False)
train("unigram", normalization_rule_tsv=str(rules()))
