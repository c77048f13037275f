//! Beginnings of prompts that came before.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::config::BLOCK_TOKENS;

/// The blocks of a prompt, each known by all that the prompt says up to its end.
#[derive(Debug, Default)]
pub(crate) struct PrefixBlocks {
    /// Never reset, so that each hash holds the blocks before. Its keys are fixed.
    hasher: DefaultHasher,
    tokens: u32,
    hashes: Vec<u64>,
}

impl PrefixBlocks {
    /// Appends a token, whatever it is made of.
    pub(crate) fn push(&mut self, token: impl Hash) {
        token.hash(&mut self.hasher);
        self.tokens += 1;
        if self.tokens.is_multiple_of(BLOCK_TOKENS) {
            self.hashes.push(self.hasher.finish());
        }
    }
}

/// The blocks of past prompts, those forgotten beyond a limit that were met least recently.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    limit: usize,
    /// The moment of the last meeting.
    by_hash: HashMap<u64, u64>,
    by_moment: BTreeMap<u64, u64>,
    moment: u64,
}

impl PrefixCache {
    /// A cache of at most `limit` blocks.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit: limit as usize,
            by_hash: HashMap::new(),
            by_moment: BTreeMap::new(),
            moment: 0,
        }
    }

    /// How many tokens from the prompt's first on are known; then they all are.
    ///
    /// As in vLLM, the last token is never taken from the cache: the first of the answer follows from it.
    pub(crate) fn meet(&mut self, prompt: &PrefixBlocks) -> u32 {
        let usable = prompt.tokens.saturating_sub(1) / BLOCK_TOKENS;
        let known = prompt.hashes.iter().take_while(|hash| self.by_hash.contains_key(hash));
        let known = u32::try_from(known.count()).expect("a block has more than one token");
        // The end first: what is met earlier is forgotten earlier, and a beginning is of use without its
        // end.
        for &hash in prompt.hashes.iter().take(self.limit).rev() {
            self.remember(hash);
        }
        known.min(usable) * BLOCK_TOKENS
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        self.by_hash.clear();
        self.by_moment.clear();
    }

    fn remember(&mut self, hash: u64) {
        self.moment += 1;
        if let Some(before) = self.by_hash.insert(hash, self.moment) {
            self.by_moment.remove(&before);
        }
        self.by_moment.insert(self.moment, hash);
        if self.by_hash.len() > self.limit
            && let Some((_, oldest)) = self.by_moment.pop_first()
        {
            self.by_hash.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(tokens: impl IntoIterator<Item = u32>) -> PrefixBlocks {
        let mut blocks = PrefixBlocks::default();
        tokens.into_iter().for_each(|token| blocks.push(token));
        blocks
    }

    #[test]
    fn whole_blocks_of_the_same_beginning_are_known() {
        let mut cache = PrefixCache::new(100);
        let mut meet = |tokens: Vec<u32>| cache.meet(&prompt(tokens));
        assert_eq!(meet((0..40).collect()), 0);
        assert_eq!(meet((0..40).collect()), 32, "the rest is no block");
        assert_eq!(meet((0..33).collect()), 32);
        assert_eq!(meet((0..32).collect()), 16, "the last token is not taken from the cache");
        assert_eq!(meet((0..16).collect()), 0);
        assert_eq!(meet((0..31).collect()), 16);
        assert_eq!(meet((0..20).chain(100..140).collect()), 16);
        assert_eq!(meet((16..40).collect()), 0, "a block is known with all before it");
        assert_eq!(meet(Vec::new()), 0);
    }

    #[test]
    fn what_was_met_least_recently_is_forgotten_from_its_end() {
        let mut cache = PrefixCache::new(4);
        let long = |from: u32| prompt(from..from + 49);
        assert_eq!(cache.meet(&long(0)), 0);
        assert_eq!(cache.meet(&long(1_000)), 0);
        assert_eq!(cache.by_hash.len(), 4);
        assert_eq!(cache.meet(&long(0)), 16, "its first block was left");
        assert_eq!(cache.meet(&long(1_000)), 16);
        // Larger than the cache itself.
        assert_eq!(cache.meet(&prompt(0..1_000)), 16);
        assert_eq!(cache.meet(&prompt(0..1_000)), 64);
        assert_eq!((cache.by_hash.len(), cache.by_moment.len()), (4, 4));
    }
}
