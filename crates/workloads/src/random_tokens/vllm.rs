//! `RandomDataset` of vLLM 0.32: `vllm/benchmarks/datasets/datasets.py`.

use std::collections::HashSet;

use super::{Ids, RandomTokens, RandomTokensError, Row, Rows, numpy::Generator};

pub(super) fn random(config: &RandomTokens, ids: Ids<'_>) -> Rows {
    let Ids { vocabulary, .. } = ids;
    let ratio = config.range_ratio;
    if !(0.0..1.0).contains(&ratio) {
        return Err(RandomTokensError::RangeRatio {
            given: ratio,
            tool: "vLLM",
            to: "to less than 1",
        });
    }
    let input = around(config.input_len.saturating_sub(vocabulary.around), ratio);
    if config.prefix_len + input.0 < 1 {
        let (input_len, around) = (config.input_len, vocabulary.around);
        return Err(RandomTokensError::TooShort { input_len, around });
    }
    let output = around(config.output_len, ratio);
    let output = (output.0.max(1), output.1.max(1));
    let count = config.count.get();
    let mut random = Generator::new(config.seed);
    let input_lens = random.integers(input.0, input.1, count);
    let output_lens = random.integers(output.0, output.1, count);
    let offsets = random.integers(0, vocabulary.size - 1, count);

    let special: HashSet<u32> = vocabulary.special_ids.iter().copied().collect();
    let allowed: Vec<u32> = (0..vocabulary.size).filter(|id| !special.contains(id)).collect();
    if allowed.is_empty() {
        return Ok(None);
    }
    let mut writer = Writer { ids, prefix_len: config.prefix_len, allowed, random };
    let rows = || {
        let prefix = writer.prefix()?;
        let drawn = input_lens.into_iter().zip(output_lens).zip(offsets);
        drawn
            .enumerate()
            .map(|(index, ((input_len, output_len), offset))| {
                let text = writer.text(&prefix, offset as usize + index, input_len)?;
                Some(Row { text, output_len })
            })
            .collect()
    };
    Ok(rows())
}

/// The least and the most tokens that are drawn where `tokens` are asked for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length is at most ten million, and the ratio between 0 and 1"
)]
fn around(tokens: u32, ratio: f64) -> (u32, u32) {
    let tokens = f64::from(tokens);
    ((tokens * (1.0 - ratio)).floor() as u32, (tokens * (1.0 + ratio)).ceil() as u32)
}

struct Writer<'t> {
    ids: Ids<'t>,
    prefix_len: u32,
    /// Every id but the special ones.
    allowed: Vec<u32>,
    random: Generator,
}

impl Writer<'_> {
    /// What every prompt begins with.
    fn prefix(&mut self) -> Option<Vec<u32>> {
        let tokens = self.prefix_len as usize;
        if tokens == 0 {
            return Some(Vec::new());
        }
        let last = u32::try_from(self.allowed.len() - 1).unwrap_or(u32::MAX);
        let drawn = self.random.integers(0, last, tokens);
        let ids = drawn.into_iter().map(|at| self.allowed[at as usize]).collect();
        Some(self.of_length(ids, tokens)?.1)
    }

    /// The text of the prefix and of `tokens` ids from the one at `start` on.
    fn text(&mut self, prefix: &[u32], start: usize, tokens: u32) -> Option<String> {
        let inner =
            (start..start + tokens as usize).map(|at| self.allowed[at % self.allowed.len()]);
        let ids: Vec<u32> = prefix.iter().copied().chain(inner).collect();
        // A prefix may have missed its own length: all of it is then made up for here.
        Some(self.of_length(ids, (self.prefix_len + tokens) as usize)?.0)
    }

    /// A text of `tokens` tokens and these, made of `ids`: `gen_prompt_decode_to_target_len`. After the last
    /// try it may have others than asked for.
    fn of_length(&mut self, mut ids: Vec<u32>, tokens: usize) -> Option<(String, Vec<u32>)> {
        const TRIES: usize = 10;
        let Ids { tokenizer, vocabulary } = self.ids;
        let mut tries = 0;
        loop {
            let text = tokenizer.decode(&ids)?;
            ids = tokenizer.ids(&text)?;
            if tries == TRIES || ids.len() == tokens {
                return Some((text, ids));
            }
            let missing = tokens.saturating_sub(ids.len());
            ids.extend(self.random.integers(0, vocabulary.size - 1, missing));
            ids.truncate(tokens);
            tries += 1;
        }
    }
}
