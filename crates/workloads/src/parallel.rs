//! Work that is divided among processors.

use std::{num::NonZeroUsize, panic, thread};

/// What `make` makes of 0 to `count`, in order; or its first failure.
pub(crate) fn in_parallel<T: Send, E: Send>(
    count: NonZeroUsize,
    threads: NonZeroUsize,
    make: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let count = count.get();
    let share = count.div_ceil(threads.get());
    let make = &make;
    thread::scope(|scope| {
        let shares: Vec<_> = (0..count)
            .step_by(share)
            .map(|from| {
                let numbers = from..count.min(from + share);
                scope.spawn(move || numbers.map(make).collect::<Result<Vec<T>, E>>())
            })
            .collect();
        let mut made = Vec::with_capacity(count);
        for share in shares {
            made.extend(share.join().unwrap_or_else(|cause| panic::resume_unwind(cause))?);
        }
        Ok(made)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_reported_whoever_comes_first() {
        let make = |n| if n < 5 { Ok(n) } else { Err(n) };
        for threads in 1..12 {
            let threads = NonZeroUsize::new(threads).unwrap();
            assert_eq!(in_parallel(NonZeroUsize::new(10).unwrap(), threads, make), Err(5));
        }
    }
}
