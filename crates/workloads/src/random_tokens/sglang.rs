//! `RandomDataset` of SGLang 0.5.23: `sglang/benchmark/datasets/random.py`.

use super::{
    Ids, RandomTokens, RandomTokensError, Row, Rows, numpy::MersenneTwister, python::Random,
};

/// What `--dataset-name random-ids` makes.
pub(super) fn random_ids(config: &RandomTokens, ids: Ids<'_>) -> Rows {
    let mut lengths = Lengths::draw(config, ids)?;
    let size = u64::from(ids.vocabulary.size);
    let offsets = lengths.random.integers(0, ids.vocabulary.size - 1, config.count.get());
    let rows = offsets.into_iter().zip(0_u64..).zip(lengths.drawn).map(
        |((offset, index), (input_len, output_len))| {
            let start = u64::from(offset) + index;
            let drawn = (start..start + u64::from(input_len)).map(|id| id % size);
            let drawn: Vec<u32> = drawn.filter_map(|id| u32::try_from(id).ok()).collect();
            Some(Row { text: ids.tokenizer.decode(&drawn)?, output_len })
        },
    );
    Ok(rows.collect())
}

/// What `--dataset-name random` makes of the first turns of a dataset.
pub(super) fn random(config: &RandomTokens, ids: Ids<'_>, texts: &[String]) -> Rows {
    let lengths = Lengths::draw(config, ids)?;
    let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Random::new(config.seed).shuffle(&mut texts);
    let encoded = texts
        .into_iter()
        .map(|text| ids.tokenizer.ids_as_served(text))
        .filter(|ids| ids.as_ref().is_none_or(|ids| !ids.is_empty()));
    let rows = encoded.zip(lengths.drawn).map(|(encoded, (input_len, output_len))| {
        let encoded = encoded?;
        let repeated: Vec<u32> = encoded.iter().copied().cycle().take(input_len as usize).collect();
        Some(Row { text: ids.tokenizer.decode(&repeated)?, output_len })
    });
    Ok(rows.collect())
}

struct Lengths {
    /// Tokens of each prompt, less those that a server puts around it, and of its answer.
    drawn: Vec<(u32, u32)>,
    random: MersenneTwister,
}

impl Lengths {
    fn draw(config: &RandomTokens, ids: Ids<'_>) -> Result<Self, RandomTokensError> {
        let ratio = config.range_ratio;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(RandomTokensError::RangeRatio { given: ratio, tool: "SGLang", to: "to 1" });
        }
        if config.prefix_len > 0 {
            return Err(RandomTokensError::Prefix);
        }
        let seed = u32::try_from(config.seed).map_err(|_| RandomTokensError::Seed(config.seed))?;
        let mut random = MersenneTwister::new(seed);
        let mut up_to = |most: u32| match most {
            0 => vec![0; config.count.get()],
            _ => random.integers(least(most, ratio), most, config.count.get()),
        };
        let (inputs, outputs) = (up_to(config.input_len), up_to(config.output_len));
        let inputs =
            inputs.into_iter().map(|tokens| tokens.saturating_sub(ids.vocabulary.around).max(1));
        Ok(Self { drawn: inputs.zip(outputs).collect(), random })
    }
}

/// The least tokens that are drawn where up to `most` are asked for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length is at most ten million, and the ratio between 0 and 1"
)]
fn least(most: u32, ratio: f64) -> u32 {
    ((f64::from(most) * ratio) as u32).max(1)
}
