//! Prompts of several kinds in one workload.

use std::{fmt, sync::Arc};

use rand::{RngExt as _, SeedableRng, rngs::ChaCha8Rng};

use crate::Length;

/// Kinds of prompts, each with its share of the requests.
///
/// ```
/// use bench_workloads::{Kind, Mix};
///
/// let kind = |name: &str, weight, isl: &str| Kind {
///     name: Some(name.into()),
///     weight,
///     isl: isl.parse().expect("a length"),
///     osl: "128".parse().expect("a length"),
/// };
/// let mix = Mix::new([kind("short", 3.0, "100±20"), kind("long", 1.0, "uniform(4000,8000)")])?;
///
/// assert_eq!(mix.pick(7, 42), mix.pick(7, 42));
/// assert_eq!(
///     mix.to_string(),
///     "75% short (ISL 100±20 OSL 128), 25% long (ISL uniform(4000,8000) OSL 128)"
/// );
/// # Ok::<(), bench_workloads::InvalidMix>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mix(Arc<[Kind]>);

/// A kind of prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// What it goes by, if it does.
    pub name: Option<Arc<str>>,
    /// How many of the requests are of it, relative to the others: above 0.
    pub weight: f64,
    /// Input tokens.
    pub isl: Length,
    /// Output tokens.
    pub osl: Length,
}

/// What is no mix.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMix {
    /// There is nothing in it.
    #[error("there is nothing to mix")]
    Empty,
    /// A weight is not above 0, or not finite.
    #[error("{0} is no weight: give more than 0")]
    Weight(f64),
}

impl Mix {
    /// A mix of these kinds.
    ///
    /// # Errors
    ///
    /// Unless there is one at least, and each has a weight above 0.
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Result<Self, InvalidMix> {
        let kinds: Arc<[Kind]> = kinds.into_iter().collect();
        let is_weight = |weight: f64| weight > 0.0 && weight.is_finite();
        match kinds.iter().find(|kind| !is_weight(kind.weight)) {
            Some(kind) => Err(InvalidMix::Weight(kind.weight)),
            None if kinds.is_empty() => Err(InvalidMix::Empty),
            None => Ok(Self(kinds)),
        }
    }

    /// The kinds, in their order; at least one.
    pub fn kinds(&self) -> &[Kind] {
        &self.0
    }

    /// The kind of request number `index`: each drawn by its weight, whatever the others are. The same index and
    /// seed give the same kind.
    pub fn pick(&self, index: u64, seed: u64) -> &Kind {
        // Another generator than that of the prompts, whose lengths would follow from their kinds.
        const OF_KINDS: u64 = 0x6B69_6E64_735F_6F66;
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ OF_KINDS);
        random.set_stream(index);
        let mut left = random.random_range(0.0..1.0) * self.total();
        let is_it = |kind: &&Kind| {
            left -= kind.weight;
            left < 0.0
        };
        let (last, kinds) = self.0.split_last().expect("checked when made");
        kinds.iter().find(is_it).unwrap_or(last)
    }

    /// The share of the requests that are of `kind`.
    pub fn share(&self, kind: &Kind) -> f64 {
        kind.weight / self.total()
    }

    /// The mean of what `of` says of a request.
    pub fn mean(&self, of: impl Fn(&Kind) -> f64) -> f64 {
        self.0.iter().map(|kind| of(kind) * self.share(kind)).sum()
    }

    fn total(&self) -> f64 {
        self.0.iter().map(|kind| kind.weight).sum()
    }

    /// Each kind's share, and what `of` says of it: `75% 100, 25% 4000`.
    pub fn describe(&self, of: impl Fn(&Kind) -> String) -> String {
        let kind = |kind: &Kind| format!("{}% {}", percent(self.share(kind)), of(kind));
        self.0.iter().map(kind).collect::<Vec<_>>().join(", ")
    }
}

/// To a tenth of a percent.
fn percent(share: f64) -> f64 {
    (share * 1_000.0).round() / 10.0
}

/// `75% short (ISL 100±20 OSL 128), 25% ISL 4000 OSL 128`.
impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |kind: &Kind| match &kind.name {
            Some(name) => format!("{name} (ISL {} OSL {})", kind.isl, kind.osl),
            None => format!("ISL {} OSL {}", kind.isl, kind.osl),
        };
        f.write_str(&self.describe(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(weight: f64, isl: u32) -> Kind {
        let length = |tokens| Length::fixed(tokens).unwrap();
        Kind { name: None, weight, isl: length(isl), osl: length(8) }
    }

    #[test]
    fn kinds_come_as_often_as_their_weights_say() {
        const N: u64 = 20_000;
        let mix = Mix::new([kind(3.0, 10), kind(0.5, 20), kind(1.5, 30)]).unwrap();
        for (seed, isl, share) in [(1, 10, 0.6), (1, 20, 0.1), (1, 30, 0.3), (2, 20, 0.1)] {
            let wanted = Length::fixed(isl).unwrap();
            let found = (0..N).filter(|n| mix.pick(*n, seed).isl == wanted).count() as f64;
            // Within four standard errors.
            let error = 4.0 * (N as f64 * share * (1.0 - share)).sqrt();
            assert!((found - N as f64 * share).abs() < error, "{isl}: {found}");
        }
        assert!((mix.mean(|kind| kind.isl.mean()) - 17.0).abs() < 1e-9);
        assert_eq!(mix.describe(|kind| kind.isl.to_string()), "60% 10, 10% 20, 30% 30");
    }

    #[test]
    fn a_kind_depends_on_its_index_and_the_seed_alone() {
        let mix = Mix::new([kind(1.0, 10), kind(1.0, 20)]).unwrap();
        let picks = |seed| (0..100).map(|n| mix.pick(n, seed).isl.to_string()).collect::<Vec<_>>();
        assert_eq!(picks(1), picks(1));
        assert_ne!(picks(1), picks(2));
        let alone = Mix::new([kind(0.1, 10)]).unwrap();
        assert!((0..100).all(|n| alone.pick(n, 1) == &alone.kinds()[0]));
    }

    #[test]
    fn what_has_no_weight_is_no_mix() {
        assert_eq!(Mix::new([]), Err(InvalidMix::Empty));
        for weight in [0.0, -1.0, f64::INFINITY] {
            assert_eq!(Mix::new([kind(1.0, 1), kind(weight, 1)]), Err(InvalidMix::Weight(weight)));
        }
        assert!(Mix::new([kind(f64::NAN, 1)]).is_err());
    }
}
