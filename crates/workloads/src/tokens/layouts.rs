//! The layouts of files that Hugging Face's library reads.

use std::{error::Error, fs, path::Path};

use serde_json::value::RawValue;
use tokenizers::{
    AddedToken, SplitDelimiterBehavior, Tokenizer,
    decoders::{
        byte_level::ByteLevel as ByteLevelDecoder, wordpiece::WordPiece as WordPieceDecoder,
    },
    models::{bpe::BPE, wordpiece::WordPiece},
    normalizers::{BertNormalizer, NFC},
    pre_tokenizers::{
        bert::BertPreTokenizer,
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
    processors::template::TemplateProcessing,
};

use super::config::Config;

type Made = Result<Tokenizer, Box<dyn Error + Send + Sync>>;

/// How Qwen 2 and 2.5 split a text into words.
const QWEN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Reads a `tokenizer.json`, which says all there is to say.
pub(super) fn tokenizer_json(path: &Path, _: &Config) -> Made {
    let json = fs::read(path)?;
    serde_json::from_slice::<&RawValue>(&json)?;
    Tokenizer::from_bytes(json)
}

/// Reads a `vocab.json` and the `merges.txt` beside it: byte pairs, as GPT-2 and Qwen 2 have them.
pub(super) fn byte_pairs(path: &Path, config: &Config) -> Made {
    let merges = path.with_file_name("merges.txt");
    if !merges.is_file() {
        return Err("there is no merges.txt beside it".into());
    }
    let (vocab, merges) = BPE::read_file(utf8(path)?, utf8(&merges)?)?;
    let mut tokenizer = Tokenizer::new(BPE::builder().vocab_and_merges(vocab, merges).build()?);
    let opens_with_space = config.flag("add_prefix_space").unwrap_or(false);
    match config.class() {
        "" | "GPT2Tokenizer" | "RobertaTokenizer" | "BartTokenizer" => {
            tokenizer.with_pre_tokenizer(Some(ByteLevel::new(opens_with_space, true, true)));
        }
        "Qwen2Tokenizer" => {
            let words = SplitPattern::Regex(QWEN.into());
            let words = Split::new(words, SplitDelimiterBehavior::Isolated, false)?;
            let bytes = ByteLevel::new(opens_with_space, true, false);
            tokenizer.with_normalizer(Some(NFC))?;
            tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![words.into(), bytes.into()])));
        }
        class => {
            return Err(format!(
                "how {class} splits words is not in these files: get the model's tokenizer.json, or make \
                 one with AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers"
            )
            .into());
        }
    }
    tokenizer.with_decoder(Some(ByteLevelDecoder::new(false, true, true)));
    add_tokens(&mut tokenizer, config)?;
    Ok(tokenizer)
}

/// Reads a `vocab.txt`: pieces of words, as BERT has them.
pub(super) fn word_pieces(path: &Path, config: &Config) -> Made {
    let vocab = WordPiece::read_file(utf8(path)?)?;
    let (begin, end) = (vocab.get("[CLS]").copied(), vocab.get("[SEP]").copied());
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let special: Vec<AddedToken> = special
        .into_iter()
        .filter(|token| vocab.contains_key(*token))
        .map(|token| AddedToken::from(token, true))
        .collect();
    let model = WordPiece::builder().vocab(vocab).unk_token("[UNK]".into()).build()?;
    let mut tokenizer = Tokenizer::new(model);
    let flag = |name| config.flag(name);
    let lowers = flag("do_lower_case").unwrap_or(true);
    let accents = flag("strip_accents");
    let chinese = flag("tokenize_chinese_chars").unwrap_or(true);
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, chinese, accents, lowers)))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(WordPieceDecoder::default()));
    tokenizer.add_special_tokens(special)?;
    add_tokens(&mut tokenizer, config)?;
    if let (Some(begin), Some(end)) = (begin, end) {
        let around = TemplateProcessing::builder()
            .try_single("[CLS] $A [SEP]")?
            .special_tokens(vec![("[CLS]", begin), ("[SEP]", end)])
            .build()?;
        tokenizer.with_post_processor(Some(around));
    }
    Ok(tokenizer)
}

/// Adds the tokens that the configuration adds, in the order of their ids.
pub(super) fn add_tokens(
    tokenizer: &mut Tokenizer,
    config: &Config,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    for (_, content, is_special) in config.added_tokens() {
        let token = AddedToken::from(content, is_special);
        if is_special {
            tokenizer.add_special_tokens([token])?;
        } else {
            tokenizer.add_tokens([token])?;
        }
    }
    Ok(())
}

fn utf8(path: &Path) -> Result<&str, &'static str> {
    path.to_str().ok_or("the library that reads it takes no such path: it is not in UTF-8")
}
