//! GPUs through a program that stands for `nvidia-smi`.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use bench_core::{Said, reading::*};
use bench_telemetry::gpu::{self, Config, Gpus, inventory};
use tempfile::TempDir;

use crate::rig::{Rig, line};

/// A row of the inventory, in the order in which it is asked, and of the fields that are watched.
const H200: [&str; 2] = [
    "0, GPU-a, 580.95.05, 00000000:10:00.0, 144384, Enabled, 1755, 1980, 1980, 1980, 3201, 3201, 700.00, 700.00, \
     Disabled, Enabled, Default, NVIDIA H200",
    "0, GPU-a, 350.25, 93, 20, 144384, 100000, 0x0000000000000004, 1755, 3201, 55, 1980, 700.00, 0, 0, 3, 0",
];
const SECOND: [&str; 2] = [
    "1, GPU-b, 580.95.05, 00000000:11:00.0, 144384, Enabled, 1755, 1980, 1980, 1980, 3201, 3201, 700.00, 700.00, \
     Disabled, Enabled, Default, NVIDIA H200",
    "1, GPU-b, 400.00, 0, 0, 144384, 0, 0x0000000000000001, 345, 3201, 30, 1980, 700.00, 0, 0, 0, 0",
];
const GB10: [&str; 2] = [
    "0, GPU-c, 580.95.05, 0000000F:01:00.0, [N/A], Enabled, 2418, 3003, [N/A], [N/A], [N/A], [N/A], [N/A], [N/A], \
     [N/A], [N/A], Default, NVIDIA GB10",
    "0, GPU-c, 35.10, 93, 0, [N/A], [N/A], 0x0000000000000000, 2418, [N/A], 61, 3003, [N/A], 0, 0, [N/A], [N/A]",
];

/// A program, in a folder of its own; what it says can be changed.
struct Fake {
    folder: TempDir,
}

impl Fake {
    /// Says the first of each pair when it is asked what there is, and the second when it is watched.
    fn new(gpus: &[[&str; 2]]) -> Self {
        let fake = Self { folder: tempfile::tempdir().unwrap() };
        fake.says(gpus);
        fake
    }

    fn says(&self, gpus: &[[&str; 2]]) {
        for (i, name) in ["inventory", "values"].into_iter().enumerate() {
            let rows: Vec<_> = gpus.iter().map(|rows| format!("{}\n", rows[i])).collect();
            fs::write(self.folder.path().join(name), rows.concat()).unwrap();
        }
        self.script("case \"$1\" in *compute_mode*) cat $d/inventory;; *) cat $d/values;; esac");
    }

    /// Whoever starts it sees the old one or the new one. It is written by another process: of a file that this one has
    /// open, a child that another test starts meanwhile would have it open too, and so it could not be run.
    fn script(&self, script: &str) {
        let script = format!("#!/bin/sh\nd=\"${{0%/*}}\"\necho \"$1\" >> $d/asked\n{script}\n");
        fs::write(self.folder.path().join("text"), script).unwrap();
        let written = Command::new("sh")
            .args(["-c", "cp text new && chmod 755 new && mv new nvidia-smi"])
            .current_dir(self.folder.path())
            .status();
        assert!(written.unwrap().success());
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("nvidia-smi")
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.folder.path().join("asked")).unwrap()
    }

    fn config(&self) -> Config {
        Config {
            library: Some(self.folder.path().join("no-nvml.so")),
            nvidia_smi: self.path(),
            patience: Duration::from_secs(60),
            opening: Duration::from_secs(60),
            ..Config::default()
        }
    }
}

#[tokio::test]
async fn what_it_says_bears_the_names_of_nvml() {
    let fake = Fake::new(&[H200, SECOND]);
    let mut rig = Rig::with(fake.config());
    assert_eq!(rig.source.name(), "nvidia-smi");
    assert_eq!(rig.source.period(), Duration::from_secs(1), "it is not asked more often");
    let read = rig.read().await;
    read.result.as_ref().unwrap();
    for (name, value) in [
        (GPU_POWER_W, 350.25),
        (GPU_UTILIZATION_RATIO, 0.93),
        (GPU_MEMORY_UTILIZATION_RATIO, 0.2),
        (GPU_MEMORY_TOTAL_BYTES, 144_384.0 * 1_048_576.0),
        (GPU_MEMORY_USED_BYTES, 100_000.0 * 1_048_576.0),
        (GPU_THROTTLED, 1.0),
        (GPU_THROTTLED_POWER, 1.0),
        (GPU_THROTTLED_THERMAL, 0.0),
        (GPU_SM_CLOCK_MHZ, 1_755.0),
        (GPU_SM_CLOCK_MAX_MHZ, 1_980.0),
        (GPU_TEMPERATURE_C, 55.0),
        (GPU_POWER_LIMIT_W, 700.0),
        (GPU_ECC_CORRECTED, 3.0),
    ] {
        assert_eq!(read.value("0", name), Some(value), "{name}");
    }
    assert_eq!(read.power("1"), Some(400.0));
    assert_eq!(read.value("1", GPU_THROTTLED), Some(0.0), "it is idle");
    assert_eq!(read.is("1", "gpu_name"), Some("NVIDIA H200"));
    assert_eq!(read.is("1", "gpu_uuid"), Some("GPU-b"));
    assert!(read.absent("0", GPU_ENERGY_J).unwrap().contains("nvidia-smi"));
    assert!(rig.read().await.notes.is_empty(), "all is said once");
}

#[tokio::test]
async fn a_gb10_shares_the_memory_of_the_host() {
    let zero = GB10[1].replacen("[N/A], [N/A]", "0, 0", 1);
    for values in [GB10[1], &zero] {
        let fake = Fake::new(&[[GB10[0], values]]);
        let mut rig = Rig::with(fake.config());
        let first = rig.read().await;
        assert_eq!(first.is("0", "gpu_memory_kind"), Some("unified"));
        assert_eq!(first.absent("0", GPU_POWER_LIMIT_W), Some("not supported by this GPU"));
        assert_eq!(first.absent("0", GPU_MEMORY_USED_BYTES), None);
        for read in [first, rig.read().await] {
            assert_eq!(read.value("0", GPU_MEMORY_TOTAL_BYTES), Some((119_u64 << 30) as f64));
            assert_eq!(read.value("0", GPU_MEMORY_USED_BYTES), Some((27_u64 << 30) as f64));
            assert_eq!(read.power("0"), Some(35.1));
            assert_eq!(read.value("0", GPU_MEMORY_CLOCK_MHZ), None);
        }
    }
}

#[tokio::test]
async fn a_gpu_that_is_lost_takes_no_other_along() {
    let lost = "0, GPU-a, [GPU is lost], [GPU is lost]";
    for rows in [&[["", lost], SECOND][..], &[SECOND]] {
        let fake = Fake::new(&[H200, SECOND]);
        let mut rig = Rig::with(fake.config());
        rig.read().await.result.unwrap();
        fake.says(rows);
        let read = rig.read().await;
        read.result.as_ref().unwrap();
        assert!(matches!(read.said("0")[..], [Said::Lost { .. }]), "{:?}", read.notes);
        assert_eq!((read.power("0"), read.power("1")), (None, Some(400.0)));
        fake.says(&[]);
        let error = rig.read().await.result.unwrap_err();
        assert!(error.fatal && line(&error).contains("all are lost"), "{}", line(&error));
    }
}

#[tokio::test]
async fn a_field_that_it_does_not_know_is_left_out() {
    let fake = Fake::new(&[H200]);
    let mut rig = Rig::with(fake.config());
    let without = H200[1].replacen(" 0, 0, 3, 0", " 0, 3, 0", 1);
    fs::write(fake.folder.path().join("values"), format!("{without}\n")).unwrap();
    fake.script(
        "case \"$1\" in *utilization.encoder*) \
         echo 'Field \"utilization.encoder\" is not a valid field to query.'; exit 2;; esac\n\
         cat $d/values",
    );
    let read = rig.read().await;
    read.result.as_ref().unwrap();
    let of_all = read.notes.iter().filter(|note| note.instance.is_none()).map(|note| &note.said);
    let encoder = of_all.filter(|said| match said {
        Said::Absent { name, .. } => name == GPU_ENCODER_UTILIZATION_RATIO,
        _ => false,
    });
    assert_eq!(encoder.count(), 1);
    assert_eq!(read.value("0", GPU_ECC_CORRECTED), Some(3.0), "the rest moves up");
    let asked = fake.asked();
    rig.read().await.result.unwrap();
    let again = &fake.asked()[asked.len()..];
    assert!(!again.contains("encoder"), "{again}");
}

#[tokio::test]
async fn rubbish_is_no_value() {
    let fake = Fake::new(&[H200]);
    let mut rig = Rig::with(fake.config());
    rig.read().await.result.unwrap();
    let rubbish = "0, GPU-a, nan, 255, -3, [Unknown Error], 1e999, 0xzz, , ERR!, \u{1b}[31m";
    fake.says(&[["", rubbish], ["", "No devices were found"], ["", ",,,,"], ["", "9, GPU-z, 1"]]);
    let read = rig.read().await;
    read.result.as_ref().unwrap();
    assert!(read.readings.is_empty(), "{:?}", read.readings);
    let now = |said: &&Said| matches!(said, Said::Happened { what } if what.contains("for now"));
    assert!(read.said("0").iter().all(now) && !read.notes.is_empty(), "{:?}", read.notes);
    assert!(rig.read().await.notes.is_empty(), "said once");
    fake.says(&[H200]);
    assert_eq!(rig.read().await.power("0"), Some(350.25));
}

#[tokio::test]
async fn when_it_fails_it_says_why_and_is_asked_again() {
    let fake = Fake::new(&[H200]);
    let mut rig = Rig::with(fake.config());
    for (script, expected) in [
        ("echo 'NVIDIA-SMI has failed because'; exit 9", "the driver is not loaded): NVIDIA-SMI"),
        ("echo broken >&2; exit 12", "the library of NVML is missing): broken"),
        ("exit 255", "exit code 255): it said nothing"),
        ("kill -9 $$", "a signal"),
        ("echo 'Field \"x\" is not a valid field'; exit 2", "does not know the field x"),
    ] {
        fake.script(script);
        let error = rig.read().await.result.unwrap_err();
        assert!(!error.fatal && line(&error).contains(expected), "{}", line(&error));
    }
    fs::remove_file(fake.path()).unwrap();
    let error = rig.read().await.result.unwrap_err();
    assert!(line(&error).contains("cannot be started"), "{}", line(&error));
    fake.says(&[H200]);
    assert_eq!(rig.read().await.power("0"), Some(350.25));
}

#[tokio::test]
async fn when_it_hangs_it_is_killed() {
    let fake = Fake::new(&[H200]);
    let mut rig = Rig::with(Config { patience: Duration::ZERO, ..fake.config() });
    fake.script("echo $$ > $d/pid; exec sleep 600");
    let error = rig.read().await.result.unwrap_err();
    assert!(line(&error).contains("has not answered for 1s"), "{}", line(&error));
    // A loaded machine may not have come as far as to start it.
    let Ok(pid) = fs::read_to_string(fake.folder.path().join("pid")) else { return };
    let proc = PathBuf::from("/proc").join(pid.trim());
    let ends = async {
        // Killed, though perhaps not yet waited for.
        while fs::read_to_string(proc.join("cmdline")).is_ok_and(|line| !line.is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ends).await.expect("what hangs is killed");
}

#[test]
fn why_there_is_no_source() {
    let fake = Fake::new(&[H200, SECOND]);
    let refused = |config: &Config| gpu::sources(config).err().unwrap().to_string();
    let gpus = Gpus::These(vec!["GPU-z".parse().unwrap()]);
    assert_eq!(
        refused(&Config { gpus, ..fake.config() }),
        "there is no GPU GPU-z; there are 2, from number 0 on"
    );
    fake.script("echo 'NVIDIA-SMI has failed'; echo more; exit 9");
    let said = refused(&fake.config());
    assert!(said.starts_with("no NVIDIA GPU can be watched: NVML "), "{said}");
    assert!(
        said.ends_with(
            "nvidia-smi failed (exit code 9, the driver is not loaded): NVIDIA-SMI has failed"
        ),
        "{said}"
    );
    fake.script("exec sleep 600");
    let opening = Duration::from_millis(100);
    let said = refused(&Config { opening, ..fake.config() });
    assert!(said.ends_with("nvidia-smi has not answered for 100ms"), "{said}");
    fake.script("true");
    assert_eq!(refused(&fake.config()), "NVIDIA's driver is here and knows no GPU");
}

#[test]
fn an_inventory_says_what_there_is() {
    let fake = Fake::new(&[H200, SECOND]);
    let gpus = Gpus::These(vec!["1".parse().unwrap()]);
    let there = inventory(&Config { gpus, ..fake.config() }).unwrap();
    assert_eq!((there.source, there.driver.as_deref()), ("nvidia-smi", Some("580.95.05")));
    let [gpu] = &there.gpus[..] else { panic!("{there:?}") };
    assert_eq!((gpu.index, gpu.name.as_deref()), (1, Some("NVIDIA H200")));
    assert_eq!(gpu.memory_bytes, Some(144_384 << 20));
    assert_eq!((gpu.is_persistent, gpu.is_mig, gpu.is_ecc), (Some(true), Some(false), Some(true)));
    assert_eq!((gpu.power_limit_w, gpu.sm_clock_default_mhz), (Some(700.0), Some(1_980)));
    assert_eq!(gpu.compute_mode, Some("default"));
}
