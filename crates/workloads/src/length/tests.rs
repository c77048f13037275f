use bench_core::stats;
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::*;

fn draw(length: Length, n: usize) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(42);
    (0..n).map(|_| length.sample(&mut random)).collect()
}

fn length(text: &str) -> Length {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_length_is_at_least_one_token() {
    assert!(Length::fixed(1).is_ok() && Length::fixed(Length::MOST).is_ok());
    for bad in [0, Length::MOST + 1] {
        assert_eq!(Length::fixed(bad), Err(InvalidLength::Tokens(f64::from(bad))));
    }
    for mean in [0.0, 0.99, -5.0, 1e8, f64::NAN, f64::INFINITY] {
        assert!(Length::normal(mean, 1.0).is_err(), "mean {mean}");
        assert!(Length::lognormal(mean, 1.0).is_err(), "mean {mean}");
        assert!(Length::poisson(mean).is_err(), "mean {mean}");
    }
    for bad in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(Length::normal(100.0, bad).is_err(), "deviation {bad}");
        assert!(Length::lognormal(100.0, bad).is_err(), "deviation {bad}");
        assert!(Length::zipf(bad, 100).is_err(), "exponent {bad}");
    }
}

/// Mean and standard deviation as the theory has them, within four standard errors of what is drawn.
#[test]
fn lengths_are_distributed_as_asked() {
    const N: usize = 20_000;
    for (text, mean, deviation) in [
        // Cut to integers, so half a token below.
        ("1000±50", 999.5, 50.0),
        ("uniform(100,500)", 300.0, (401.0_f64.powi(2) / 12.0).sqrt()),
        ("uniform(1,2)", 1.5, 0.5),
        ("lognormal(1000,500)", 1_000.0, 500.0),
        ("poisson(300)", 300.0, 300.0_f64.sqrt()),
        ("zipf(0,99)", 50.0, (98.0_f64 * 100.0 / 12.0).sqrt()),
        // The sums of k^0, k^1 and k^-1 over 1 to 100 are 100, 5050 and 5.187.
        ("zipf(1,100)", 19.278, (973.51_f64 - 19.278 * 19.278).sqrt()),
    ] {
        let mut values: Vec<f64> = draw(length(text), N).into_iter().map(f64::from).collect();
        let found = stats::Distribution::of(&mut values).unwrap();
        let error = deviation / (N as f64).sqrt();
        assert!((found.mean - mean).abs() < 4.0 * error, "{text}: mean {}", found.mean);
        // The deviation of a log-normal distribution is known less well, for its tail is long.
        assert!((found.std - deviation).abs() < 0.05 * deviation, "{text}: std {}", found.std);
        assert!((length(text).mean() - mean).abs() < 1e-2, "{text}: {}", length(text).mean());
    }
}

/// Bounds that take off much, little and nothing, of each kind.
#[test]
fn the_mean_is_that_of_what_is_drawn_bounds_included() {
    const N: usize = 40_000;
    for text in [
        "normal(1000,300,min=900,max=1200)",
        "normal(1,1000)",
        "uniform(100,500,min=200,max=300)",
        "lognormal(1000,500,max=1100)",
        "lognormal(50,200,min=10)",
        "lognormal(1,3)",
        "zipf(1.2,4096,min=16)",
        "zipf(1.2,4096,max=8)",
        "zipf(0.5,100000)",
        "zipf(2,10m)",
        "poisson(300,min=310)",
        "poisson(1)",
        "poisson(10m)",
    ] {
        let length = length(text);
        let mut values: Vec<f64> = draw(length, N).into_iter().map(f64::from).collect();
        let found = stats::Distribution::of(&mut values).unwrap();
        let error = 5.0 * found.std / (N as f64).sqrt() + 0.1;
        let mean = length.mean();
        assert!((found.mean - mean).abs() < error, "{text}: {mean}, drawn {}", found.mean);
        let longest = f64::from(length.longest().unwrap_or(Length::MOST));
        assert!(found.max <= longest, "{text}: {}", found.max);
    }
}

#[test]
fn what_is_beyond_the_bounds_is_at_them() {
    let lengths = draw(Length::normal(1.0, 1_000.0).unwrap(), 1_000);
    assert!(lengths.iter().all(|n| *n >= 1));
    assert!(lengths.iter().filter(|n| **n == 1).count() > 400);
    let lengths = draw(length("uniform(1,100,min=50,max=60)"), 1_000);
    assert!(lengths.iter().all(|n| (50..=60).contains(n)));
    assert!(lengths.iter().filter(|n| **n == 50).count() > 400);
    let all: Vec<u32> = (3..=6).collect();
    let mut drawn = draw(length("uniform(3,6)"), 200);
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn, all, "both ends are drawn");
}

#[test]
fn the_longest_is_known_where_there_is_one() {
    for (text, longest) in [
        ("8", Some(8)),
        ("uniform(3,6)", Some(6)),
        ("zipf(1.2,4096)", Some(4096)),
        ("zipf(1.2,4096,max=100)", Some(100)),
        ("8±1", None),
        ("lognormal(10,5,max=70)", Some(70)),
        ("poisson(3,min=2)", None),
    ] {
        assert_eq!(length(text).longest(), longest, "{text}");
    }
}

#[test]
fn lengths_are_read_as_people_write_them_and_written_in_one_way() {
    for (text, written) in [
        ("7", "7"),
        (" 8k ", "8000"),
        ("1.5k", "1500"),
        ("1024+-64", "1024±64"),
        ("1024 ± 0", "1024"),
        ("normal(7.9,0)", "7"),
        ("normal( 1024 , 64.5 )", "1024±64.5"),
        ("normal(1k,64,max=2k)", "normal(1000,64,max=2000)"),
        ("uniform(100,500)", "uniform(100,500)"),
        ("uniform(100,100)", "100"),
        ("lognormal(1000,500,max=8000,min=10)", "lognormal(1000,500,min=10,max=8000)"),
        ("zipf(1.2,4096)", "zipf(1.2,4096)"),
        ("poisson(300)", "poisson(300)"),
    ] {
        assert_eq!(length(text).to_string(), written, "{text}");
        assert_eq!(length(written), length(text));
    }
}

#[test]
fn what_is_no_length_is_said_to_be_none() {
    use InvalidLength as Wrong;
    for (text, wrong) in [
        ("", Wrong::Unknown),
        ("ten", Wrong::Unknown),
        ("1.5", Wrong::Unknown),
        ("1024±", Wrong::Unknown),
        ("1024±-1", Wrong::Deviation(-1.0)),
        ("0", Wrong::Tokens(0.0)),
        ("20m", Wrong::Tokens(2e7)),
        ("unifrm(1,2)", Wrong::Unknown),
        ("uniform(1,2", Wrong::Open),
        ("uniform(1)", Wrong::Form("uniform(100,500)")),
        ("uniform(1.5,2)", Wrong::Form("uniform(100,500)")),
        ("uniform(1,2,3)", Wrong::Form("uniform(100,500)")),
        ("uniform(0,2)", Wrong::Tokens(0.0)),
        ("uniform(500,100)", Wrong::Down { least: 500, most: 100 }),
        ("normal(NaN,1)", Wrong::Form("normal(1024,100)")),
        ("lognormal(5,1,mx=3)", Wrong::Form("lognormal(1000,500)")),
        ("lognormal(5,1,max=3,max=3)", Wrong::Form("lognormal(1000,500)")),
        ("lognormal(5,1,max=0)", Wrong::Tokens(0.0)),
        ("lognormal(5,1,min=9,max=3)", Wrong::Down { least: 9, most: 3 }),
        ("uniform(1,9,min=10)", Wrong::Nothing),
        ("zipf(-1,9)", Wrong::Exponent(-1.0)),
        ("poisson()", Wrong::Form("poisson(300)")),
    ] {
        assert_eq!(text.parse::<Length>(), Err(wrong), "{text}");
    }
    let form = "uniform(1)".parse::<Length>().unwrap_err().to_string();
    assert_eq!(form, "write uniform(100,500), with min= and max= after the numbers if need be");
}
