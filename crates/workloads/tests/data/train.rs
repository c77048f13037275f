//! Trains the test tokenizers: `train CORPUS byte_level|sentencepiece|unigram|word_pieces|added_tokens OUT`.

use tokenizers::{
    AddedToken, PaddingParams, PaddingStrategy, Result, SplitDelimiterBehavior, Tokenizer,
    TruncationParams,
    decoders::{
        byte_fallback::ByteFallback, byte_level::ByteLevel as ByteLevelDecoder, fuse::Fuse,
        sequence::Sequence as Decoders, strip::Strip, wordpiece::WordPiece as WordPieceDecoder,
    },
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
        unigram::{Unigram, UnigramTrainer},
        wordpiece::{WordPiece, WordPieceTrainer},
    },
    normalizers::{BertNormalizer, NormalizerWrapper, Prepend, Replace, Sequence as Normalizers},
    pre_tokenizers::{
        bert::BertPreTokenizer,
        byte_level::ByteLevel,
        metaspace::{Metaspace, PrependScheme},
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
    processors::template::TemplateProcessing,
};

const BEGIN: &str = "<|begin_of_text|>";
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, corpus, kind, out] = &arguments[..] else { panic!("train CORPUS KIND OUT") };
    let mut tokenizer = Tokenizer::new(BPE::default());
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(1500)
        .special_tokens(vec![AddedToken::from(BEGIN, true)]);
    match kind.as_str() {
        "byte_level" | "added_tokens" => {
            let words = SplitPattern::Regex(LLAMA_3.into());
            let words = Split::new(words, SplitDelimiterBehavior::Isolated, false)?;
            let bytes = ByteLevel::new(false, true, false);
            let steps = Sequence::new(vec![words.into(), bytes.into()]);
            tokenizer.with_pre_tokenizer(Some(steps));
            tokenizer.with_decoder(Some(ByteLevelDecoder::new(false, true, false)));
            let alphabet = ByteLevel::alphabet().into_iter().collect();
            let mut trainer = TrainerWrapper::from(trainer.initial_alphabet(alphabet).build());
            tokenizer.train_from_files(&mut trainer, vec![corpus.clone()])?;
            if kind == "added_tokens" {
                // Some are words of the text: they take it apart before any other step does.
                tokenizer.add_tokens([
                    AddedToken::from("<think>", false),
                    AddedToken::from("ladies", false).single_word(true),
                    AddedToken::from("Netherfield", false).lstrip(true),
                    AddedToken::from(" of the", false),
                ])?;
                tokenizer.add_special_tokens([
                    AddedToken::from("<|im_start|>", true),
                    AddedToken::from("<|im_end|>", true),
                ])?;
            }
        }
        "unigram" => {
            tokenizer = Tokenizer::new(Unigram::default());
            let words = Metaspace::new('▁', PrependScheme::Always, true);
            tokenizer.with_pre_tokenizer(Some(words.clone()));
            tokenizer.with_decoder(Some(words));
            let trainer = UnigramTrainer::builder()
                .show_progress(false)
                .vocab_size(1500)
                .unk_token(Some("<unk>".into()))
                .special_tokens(vec![AddedToken::from(BEGIN, true), AddedToken::from("<unk>", true)])
                .build()?;
            tokenizer.train_from_files(&mut TrainerWrapper::from(trainer), vec![corpus.clone()])?;
        }
        "word_pieces" => {
            let unknown = WordPiece::builder().unk_token("[UNK]".into());
            tokenizer = Tokenizer::new(unknown.build()?);
            tokenizer.with_normalizer(Some(BertNormalizer::default()))?;
            tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
            tokenizer.with_decoder(Some(WordPieceDecoder::default()));
            let special = [BEGIN, "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
            let trainer = WordPieceTrainer::builder()
                .show_progress(false)
                .vocab_size(1500)
                .special_tokens(special.map(|token| AddedToken::from(token, true)).to_vec())
                .build();
            tokenizer.train_from_files(&mut TrainerWrapper::from(trainer), vec![corpus.clone()])?;
        }
        "sentencepiece" => {
            let words = Metaspace::new('▁', PrependScheme::First, true);
            tokenizer.with_pre_tokenizer(Some(words));
            let mut trainer = TrainerWrapper::from(trainer.build());
            tokenizer.train_from_files(&mut trainer, vec![corpus.clone()])?;
            // As Llama 2 does it: no words, one piece of text with its spaces replaced.
            let spaces: Vec<NormalizerWrapper> =
                vec![Prepend::new("▁".into()).into(), Replace::new(" ", "▁")?.into()];
            tokenizer.with_normalizer(Some(Normalizers::new(spaces)));
            tokenizer.with_pre_tokenizer(None::<Metaspace>);
            tokenizer.with_decoder(Some(Decoders::new(vec![
                Replace::new("▁", " ")?.into(),
                ByteFallback::new().into(),
                Fuse::new().into(),
                Strip::new(' ', 1, 0).into(),
            ])));
        }
        other => panic!("no kind: {other}"),
    }
    // All that a count of the bare text has to ignore.
    let template = TemplateProcessing::builder()
        .try_single(format!("{BEGIN} $A"))?
        .special_tokens(vec![(BEGIN, 0)])
        .build()?;
    tokenizer.with_post_processor(Some(template));
    tokenizer
        .with_truncation(Some(TruncationParams { max_length: 64, ..Default::default() }))?
        .with_padding(Some(PaddingParams {
            strategy: PaddingStrategy::Fixed(16),
            ..Default::default()
        }));
    tokenizer.save(out, false)?;
    Ok(())
}
