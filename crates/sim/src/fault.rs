//! What goes wrong on purpose.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::config::Config;

/// What goes wrong with each answer to a request for completion, or with a share of them
/// ([`Config::fail_ratio`](crate::Config::fail_ratio)); the other endpoints stay well.
///
/// A fault *after n tokens* strikes when the next token is due, and spares answers of no more than n.
/// An answer that is not streamed fails as a whole at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The connection is closed.
    CloseAfter {
        /// Tokens sent before.
        tokens: u32,
    },
    /// An error is sent in place of the token: in the stream, or as status 500.
    ErrorAfter {
        /// Tokens sent before.
        tokens: u32,
    },
    /// Nothing more is sent, and the connection stays open.
    StallAfter {
        /// Tokens sent before.
        tokens: u32,
    },
    /// Not even the status line is sent, and the connection stays open.
    NeverAnswer,
    /// The request is refused with this status at once, in 400..=599.
    Status(u16),
}

impl Fault {
    pub(crate) fn is_valid(self) -> bool {
        !matches!(self, Self::Status(status) if !(400..=599).contains(&status))
    }
}

/// What goes wrong with request `number`.
pub(crate) fn fault_of(config: &Config, number: u64) -> Fault {
    if config.fail_ratio == 0.0 {
        return config.fault;
    }
    let seed = config.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The first draw of the same seed is the jitter of the first token: a stream apart keeps them so.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(!seed);
    if rng.random::<f64>() >= config.fail_ratio {
        return Fault::None;
    }
    if config.fault == Fault::None { Fault::Status(500) } else { config.fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(fail_ratio: f64, seed: u64) -> Vec<u64> {
        let config = Config { fail_ratio, seed, ..Config::default() };
        (0..10_000).filter(|&number| fault_of(&config, number) == Fault::Status(500)).collect()
    }

    #[test]
    fn a_share_of_requests_fails_by_seed() {
        let share = |ratio, seed| struck(ratio, seed).len();
        assert!((850..1_150).contains(&share(0.1, 1)), "{} of 10 000", share(0.1, 1));
        assert_eq!((share(0.0, 1), share(1.0, 1)), (0, 10_000));
        assert_eq!(struck(0.1, 1), struck(0.1, 1));
        assert_ne!(struck(0.1, 1), struck(0.1, 2));
    }

    #[test]
    fn the_chosen_fault_strikes_all_or_a_share() {
        let fault = Fault::CloseAfter { tokens: 1 };
        let faults = |fail_ratio| {
            let config = Config { fail_ratio, fault, ..Config::default() };
            (0..100).map(|number| fault_of(&config, number)).filter(|&f| f == fault).count()
        };
        assert_eq!((faults(0.0), faults(1.0)), (100, 100));
        assert!((20..80).contains(&faults(0.5)), "{} of 100", faults(0.5));
    }
}
