//! Models of SentencePiece: `tokenizer.model`, `spiece.model` and other names.

use std::{collections::HashMap, error::Error, fs, path::Path};

use tokenizers::{
    AddedToken, ModelWrapper, Tokenizer,
    decoders::{
        DecoderWrapper, byte_fallback::ByteFallback, fuse::Fuse, sequence::Sequence as Decoders,
        strip::Strip as StripDecoder,
    },
    models::{
        bpe::{BPE, Vocab},
        unigram::Unigram,
    },
    normalizers::{
        NormalizerWrapper, Precompiled, Prepend, Replace, Sequence as Normalizers, Strip,
        replace::ReplacePattern,
    },
};

use self::protobuf::{Field, fields};
use super::{config::Config, layouts};

type Failure = Box<dyn Error + Send + Sync>;

/// What SentencePiece writes for a space.
const SPACE: &str = "▁";

/// Reads a model of SentencePiece, of the kinds *unigram* and *BPE*.
///
/// The text goes to the model as a whole, as SentencePiece does it: with its spaces replaced, and one before
/// it, where the model asks for that. A symbol that is matched as it stands begins the text anew, as it does
/// in Hugging Face's library.
pub(super) fn read(path: &Path, config: &Config) -> Result<Tokenizer, Failure> {
    let model = Model::parse(&fs::read(path)?)?;
    let mut tokenizer = Tokenizer::new(model.tokens()?);
    tokenizer.with_normalizer(Some(Normalizers::new(model.normalizer()?)))?;
    tokenizer.with_decoder(Some(model.decoder()?));
    for piece in &model.pieces {
        // Neither is ever the outcome of a text's pieces: they are matched as they stand.
        match piece.kind {
            Kind::Control => {
                tokenizer.add_special_tokens([AddedToken::from(piece.text.clone(), true)])?
            }
            Kind::UserDefined => {
                let token = AddedToken::from(piece.text.clone(), false).normalized(false);
                tokenizer.add_tokens([token])?
            }
            Kind::Normal | Kind::Unknown | Kind::Byte | Kind::Unused => continue,
        };
    }
    layouts::add_tokens(&mut tokenizer, config)?;
    Ok(tokenizer)
}

/// As much of `sentencepiece_model.proto` as says how a text becomes tokens.
#[derive(Debug)]
struct Model {
    pieces: Vec<Piece>,
    is_bpe: bool,
    falls_back_to_bytes: bool,
    /// Rules for characters, compiled; empty if there are none.
    characters: Vec<u8>,
    prepends_space: bool,
    merges_spaces: bool,
}

#[derive(Debug, PartialEq)]
struct Piece {
    text: String,
    score: f32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Model {
    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut model = Self {
            pieces: Vec::new(),
            is_bpe: false,
            falls_back_to_bytes: false,
            characters: Vec::new(),
            prepends_space: true,
            merges_spaces: true,
        };
        for field in fields(bytes) {
            match field? {
                Field { number: 1, bytes, .. } => model.pieces.push(Piece::parse(bytes)?),
                Field { number: 2, bytes, .. } => model.trained(bytes)?,
                Field { number: 3, bytes, .. } => model.normalized(bytes)?,
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err("it has no pieces: it is no model of SentencePiece".into());
        }
        Ok(model)
    }

    /// How it was trained: `TrainerSpec`.
    fn trained(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        const UNIGRAM: u64 = 1;
        const BPE: u64 = 2;
        for field in fields(bytes) {
            match field? {
                Field { number: 3, value: UNIGRAM, .. } => self.is_bpe = false,
                Field { number: 3, value: BPE, .. } => self.is_bpe = true,
                Field { number: 3, .. } => {
                    return Err(
                        "it is of whole words or characters, which are not read here".into()
                    );
                }
                Field { number: 24, value: 1, .. } => {
                    let what = "its spaces come behind words, which is not read here: \
                                get the model's tokenizer.json";
                    return Err(what.into());
                }
                Field { number: 35, value, .. } => self.falls_back_to_bytes = value != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// What becomes of a text before it is taken apart: `NormalizerSpec`.
    fn normalized(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for field in fields(bytes) {
            match field? {
                Field { number: 2, bytes, .. } => self.characters = bytes.to_vec(),
                Field { number: 3, value, .. } => self.prepends_space = value != 0,
                Field { number: 4, value, .. } => self.merges_spaces = value != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn tokens(&self) -> Result<ModelWrapper, Failure> {
        let unknown = self.pieces.iter().position(|piece| piece.kind == Kind::Unknown);
        if !self.is_bpe {
            let scored = |piece: &Piece| (piece.text.clone(), f64::from(piece.score));
            let scored = self.pieces.iter().map(scored).collect();
            return Ok(Unigram::from(scored, unknown, self.falls_back_to_bytes)?.into());
        }
        let ids: Vocab =
            (0..).zip(&self.pieces).map(|(id, piece)| (piece.text.clone(), id)).collect();
        let mut bpe = BPE::builder()
            .vocab_and_merges(ids, self.merges())
            .fuse_unk(true)
            .byte_fallback(self.falls_back_to_bytes);
        if let Some(unknown) = unknown {
            bpe = bpe.unk_token(self.pieces[unknown].text.clone());
        }
        Ok(bpe.build()?.into())
    }

    /// The pairs that pieces are merged from, the best first.
    ///
    /// SentencePiece merges any two neighbours that are a piece together, by its score; a list of pairs has
    /// every way to split each piece.
    fn merges(&self) -> Vec<(String, String)> {
        let ids: HashMap<&str, usize> = (0..)
            .zip(&self.pieces)
            .filter(|(_, piece)| piece.kind == Kind::Normal)
            .map(|(id, piece)| (piece.text.as_str(), id))
            .collect();
        let mut merges = Vec::new();
        for piece in self.pieces.iter().filter(|piece| piece.kind == Kind::Normal) {
            let ways = piece.text.char_indices().skip(1).filter_map(|(at, _)| {
                let (left, right) = piece.text.split_at(at);
                Some((ids.get(left)?, ids.get(right)?, piece.score, left, right))
            });
            merges.extend(ways);
        }
        merges.sort_by(|one, other| {
            other.2.total_cmp(&one.2).then_with(|| (one.0, one.1).cmp(&(other.0, other.1)))
        });
        merges.into_iter().map(|(.., left, right)| (left.to_owned(), right.to_owned())).collect()
    }

    fn normalizer(&self) -> Result<Vec<NormalizerWrapper>, Failure> {
        let mut steps: Vec<NormalizerWrapper> = Vec::new();
        if !self.characters.is_empty() {
            steps.push(Precompiled::from(&self.characters)?.into());
        }
        if self.merges_spaces {
            steps.push(Strip::new(true, true).into());
            let several = ReplacePattern::Regex(" {2,}".into());
            steps.push(Replace::new(several, " ")?.into());
        }
        if self.prepends_space {
            steps.push(Prepend::new(SPACE.into()).into());
        }
        steps.push(Replace::new(" ", SPACE)?.into());
        Ok(steps)
    }

    fn decoder(&self) -> Result<Decoders, Failure> {
        let mut steps: Vec<DecoderWrapper> = vec![
            DecoderWrapper::Replace(Replace::new(SPACE, " ")?),
            ByteFallback::new().into(),
            Fuse::new().into(),
        ];
        if self.prepends_space {
            steps.push(StripDecoder::new(' ', 1, 0).into());
        }
        Ok(Decoders::new(steps))
    }
}

impl Piece {
    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut piece = Self { text: String::new(), score: 0.0, kind: Kind::Normal };
        for field in fields(bytes) {
            match field? {
                Field { number: 1, bytes, .. } => {
                    piece.text = String::from_utf8(bytes.to_vec())?;
                }
                Field { number: 2, value, .. } => {
                    piece.score = f32::from_bits(u32::try_from(value)?);
                }
                Field { number: 3, value, .. } => {
                    piece.kind = match value {
                        2 => Kind::Unknown,
                        3 => Kind::Control,
                        4 => Kind::UserDefined,
                        5 => Kind::Unused,
                        6 => Kind::Byte,
                        _ => Kind::Normal,
                    };
                }
                _ => {}
            }
        }
        Ok(piece)
    }
}

/// The wire format of protocol buffers: as much of it as a model needs.
mod protobuf {
    use std::iter;

    /// A field of a message: a number, or bytes that are a text or a message.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Field<'m> {
        pub(super) number: u64,
        pub(super) value: u64,
        pub(super) bytes: &'m [u8],
    }

    /// The fields of a message, in order, up to the first that is broken.
    pub(super) fn fields(
        mut message: &[u8],
    ) -> impl Iterator<Item = Result<Field<'_>, &'static str>> {
        iter::from_fn(move || {
            if message.is_empty() {
                return None;
            }
            let field = field(&mut message).ok_or("it is no model of SentencePiece, or cut short");
            if field.is_err() {
                message = &[];
            }
            Some(field)
        })
    }

    fn field<'m>(message: &mut &'m [u8]) -> Option<Field<'m>> {
        let tag = varint(message)?;
        let (mut value, mut bytes) = (0, &[][..]);
        match tag & 7 {
            0 => value = varint(message)?,
            1 => value = u64::from_le_bytes(message.split_off(..8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(varint(message)?).ok()?;
                bytes = message.split_off(..length)?;
            }
            5 => value = u32::from_le_bytes(message.split_off(..4)?.try_into().ok()?).into(),
            _ => return None,
        }
        Some(Field { number: tag >> 3, value, bytes })
    }

    fn varint(message: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *message.split_off_first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}
