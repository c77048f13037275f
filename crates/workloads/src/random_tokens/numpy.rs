//! The random numbers of NumPy (2.3; its streams are the same since 1.17), as far as they are needed.

#![expect(clippy::cast_possible_truncation, reason = "a generator takes numbers apart")]

/// What `numpy.random.default_rng(seed)` makes: the PCG XSL-RR 128/64 generator.
pub(super) struct Generator {
    state: u128,
    increment: u128,
    /// The upper half of a number whose lower half was given out.
    half: Option<u32>,
}

impl Generator {
    const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

    pub(super) fn new(seed: u64) -> Self {
        let [state_high, state_low, stream_high, stream_low] = seed_sequence(seed);
        let wide = |high, low| u128::from(high) << 64 | u128::from(low);
        let increment = wide(stream_high, stream_low) << 1 | 1;
        let mut generator = Self { state: 0, increment, half: None };
        generator.step();
        generator.state = generator.state.wrapping_add(wide(state_high, state_low));
        generator.step();
        generator
    }

    /// `count` numbers from `low` to `high`, both included: `integers(low, high + 1, size=count)`.
    pub(super) fn integers(&mut self, low: u32, high: u32, count: usize) -> Vec<u32> {
        (0..count).map(|_| low + self.up_to(high - low)).collect()
    }

    /// A number from 0 to `most`, by Lemire's method.
    fn up_to(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let Some(numbers) = most.checked_add(1) else { return self.next_u32() };
        let threshold = (u32::MAX - most) % numbers;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(numbers);
            let (number, left_over) = halves(product);
            if left_over >= threshold {
                return number;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let (upper, lower) = halves(self.next_u64());
        self.half = Some(upper);
        lower
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let (upper, lower) = ((self.state >> 64) as u64, self.state as u64);
        (upper ^ lower).rotate_right((self.state >> 122) as u32)
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }
}

/// The upper and the lower half.
fn halves(number: u64) -> (u32, u32) {
    ((number >> 32) as u32, number as u32)
}

/// The four numbers that NumPy's `SeedSequence(seed)` seeds a generator with.
fn seed_sequence(seed: u64) -> [u64; 4] {
    const WORDS: usize = 4;
    let (upper, lower) = halves(seed);
    let mut constant = 0x43b0_d7e5_u32;
    let mut hash = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ value >> 16
    };
    let mut pool = [lower, upper, 0, 0].map(&mut hash);
    for from in 0..WORDS {
        for to in (0..WORDS).filter(|to| *to != from) {
            let mixed = pool[to]
                .wrapping_mul(0xca01_f9dd)
                .wrapping_sub(hash(pool[from]).wrapping_mul(0x4973_f715));
            pool[to] = mixed ^ mixed >> 16;
        }
    }
    let mut constant = 0x8b51_f9dd_u32;
    let mut words = pool.into_iter().cycle().map(|word| {
        let word = word ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let word = word.wrapping_mul(constant);
        u64::from(word ^ word >> 16)
    });
    let mut pair = || words.next().unwrap_or(0) | words.next().unwrap_or(0) << 32;
    [pair(), pair(), pair(), pair()]
}

/// The generator behind `numpy.random.seed`, and behind Python's `random`: MT19937.
pub(super) struct MersenneTwister {
    state: [u32; Self::WORDS],
    next: usize,
}

impl MersenneTwister {
    const WORDS: usize = 624;

    /// As `numpy.random.seed(seed)` leaves it.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; Self::WORDS];
        for at in 1..Self::WORDS {
            let last = state[at - 1];
            state[at] = (last ^ last >> 30).wrapping_mul(1_812_433_253).wrapping_add(at as u32);
        }
        Self { state, next: Self::WORDS }
    }

    /// As seeded by several words, of which there is at least one.
    pub(super) fn from_words(key: &[u32]) -> Self {
        let mut twister = Self::new(19_650_218);
        let state = &mut twister.state;
        let mixed = |last: u32| last ^ last >> 30;
        let mut at = 1;
        for step in 0..Self::WORDS.max(key.len()) {
            let word = step % key.len();
            let mix = state[at] ^ mixed(state[at - 1]).wrapping_mul(1_664_525);
            state[at] = mix.wrapping_add(key[word]).wrapping_add(word as u32);
            at = Self::after(state, at);
        }
        for _ in 1..Self::WORDS {
            let mix = state[at] ^ mixed(state[at - 1]).wrapping_mul(1_566_083_941);
            state[at] = mix.wrapping_sub(at as u32);
            at = Self::after(state, at);
        }
        state[0] = 0x8000_0000;
        twister
    }

    /// The index after `at`; past the end, the last word is copied to the front.
    fn after(state: &mut [u32; Self::WORDS], at: usize) -> usize {
        if at + 1 < Self::WORDS {
            return at + 1;
        }
        state[0] = state[Self::WORDS - 1];
        1
    }

    /// `count` numbers from `low` to `high`, both included: `numpy.random.randint(low, high + 1, size=count)`.
    pub(super) fn integers(&mut self, low: u32, high: u32, count: usize) -> Vec<u32> {
        (0..count).map(|_| low + self.up_to(high - low)).collect()
    }

    /// A number from 0 to `most`: what is larger is thrown away, after the bits that it cannot have.
    fn up_to(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let number = self.next_u32() & mask;
            if number <= most {
                return number;
            }
        }
    }

    pub(super) fn next_u32(&mut self) -> u32 {
        if self.next == Self::WORDS {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn twist(&mut self) {
        const AHEAD: usize = 397;
        for at in 0..Self::WORDS {
            let upper = self.state[at] & 0x8000_0000;
            let lower = self.state[(at + 1) % Self::WORDS] & 0x7fff_ffff;
            let both = upper | lower;
            let odd = if both & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + AHEAD) % Self::WORDS] ^ both >> 1 ^ odd;
        }
        self.next = 0;
    }
}
