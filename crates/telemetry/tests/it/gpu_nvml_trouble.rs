//! Drivers that do not do as they should, through the real FFI.

use std::{fs, time::Duration};

use bench_core::{Said, reading::*};
use bench_telemetry::gpu::{self, Config, Unavailable};
use fake_nvml::{Device, Installed, Script, code};

use crate::{
    gpu_nvml::wait_for_calls,
    rig::{Rig, config, installed, line},
};

const POWER: &str = "nvmlDeviceGetPowerUsage";
const ENERGY: &str = "nvmlDeviceGetTotalEnergyConsumption";

#[tokio::test]
async fn a_gpu_that_is_lost_takes_no_other_along() {
    let mut fake = installed(Script::h200(2).live());
    let mut rig = Rig::new(&fake);
    let before = rig.read().await;
    assert!(before.power("0").is_some() && before.power("1").is_some());

    fake.rewrite_device(1, Device::lost).unwrap();
    let at = rig.read().await;
    at.result.as_ref().unwrap();
    assert!(matches!(at.said("1")[..], [Said::Lost { .. }]), "{:?}", at.said("1"));
    assert_eq!(at.power("1"), None);
    let after = rig.read().await;
    assert!(after.notes.is_empty(), "said once: {:?}", after.notes);
    assert_eq!((after.power("0"), after.power("1")), (Some(350.0), None));

    // It may come back after a reset; but as another: its counters begin anew.
    fake.rewrite_device(1, |device| Device { lost_at_ms: None, ..device }).unwrap();
    assert_eq!(rig.read().await.power("1"), None);

    fake.rewrite_device(0, Device::lost).unwrap();
    let none_left = rig.read().await;
    assert!(matches!(none_left.said("0")[..], [Said::Lost { .. }]));
    let error = none_left.result.unwrap_err();
    assert!(error.fatal, "nothing comes any more");
    assert!(line(&error).contains("all are lost"), "{}", line(&error));
}

#[tokio::test]
async fn a_gpu_that_is_lost_by_the_clock_while_it_is_watched() {
    let mut script = Script::h200(2);
    script.devices[0].lost_at_ms = Some(300);
    let fake = installed(script);
    let mut rig = Rig::new(&fake);
    let lost = rig.read_until(|read| !read.said("0").is_empty() && read.power("0").is_none()).await;
    assert!(lost.said("0").iter().any(|said| matches!(said, Said::Lost { .. })));
    assert_eq!(lost.power("1"), Some(400.0));
}

#[tokio::test]
async fn a_gpu_that_was_lost_before_is_told_and_the_others_are_watched() {
    let mut script = Script::h200(2);
    script.devices[0] = Device::h200(0).lost();
    let fake = installed(script);
    let read = Rig::new(&fake).read().await;
    read.result.as_ref().unwrap();
    assert!(matches!(read.said("0")[..], [Said::Lost { .. }]), "{:?}", read.said("0"));
    assert_eq!(read.power("1"), Some(400.0));
}

#[tokio::test]
async fn waiting_for_errors_of_a_lost_gpu_is_no_busy_loop() {
    let began = tokio::time::Instant::now();
    let mut fake = installed(Script::h200(1).live());
    let mut rig = Rig::new(&fake);
    rig.read().await.result.unwrap();
    fake.rewrite_device(0, Device::lost).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(rig);
    let calls = wait_for_calls(&fake).await;
    let waits = calls["nvmlEventSetWait_v2"];
    let at_most = began.elapsed().as_millis() / 200 + 3;
    assert!(u128::from(waits) <= at_most, "{waits} waits, of {at_most} that are due");
}

#[tokio::test]
async fn a_driver_that_hangs_is_an_error_and_what_it_says_too_late_is_dropped() {
    let device = Device::h200(0).says(ENERGY, [1_000]);
    let device = Device { energy: None, ..device };
    let mut fake = installed(Script { devices: vec![device], ..Script::h200(0) }.live());
    let patience = Duration::from_millis(50);
    let mut rig = Rig::with(Config { patience, ..config(&fake) });
    let energy =
        |joules: f64| move |read: &crate::rig::Read| read.value("0", GPU_ENERGY_J) == Some(joules);
    rig.read_until(energy(1.0)).await;

    fake.rewrite_device(0, |mut device| {
        // For an hour, or until the script says otherwise.
        device.hangs_ms.insert(POWER.into(), 3_600_000);
        device
    })
    .unwrap();
    for _ in 0..3 {
        let read = rig.read().await;
        let error = read.result.unwrap_err();
        assert!(!error.fatal && read.readings.is_empty());
        assert!(line(&error).contains("has not answered for 50ms"), "{}", line(&error));
    }

    fake.rewrite_device(0, |mut device| {
        device.hangs_ms.clear();
        device.says(ENERGY, [2_000])
    })
    .unwrap();
    let back = rig.read_until(|read| read.result.is_ok()).await;
    // The energy was read before the power, for which the driver hung: as 1 J, who knows when.
    assert!(energy(2.0)(&back), "{:?}", back.readings);
}

#[tokio::test]
async fn a_call_that_only_takes_long_is_waited_for() {
    let mut device = Device::h200(0);
    device.hangs_ms.insert(POWER.into(), 120);
    let fake = installed(Script { devices: vec![device], ..Script::h200(0) });
    let read = Rig::new(&fake).read().await;
    read.result.as_ref().unwrap();
    assert_eq!(read.power("0"), Some(350.0));
    let at = |name: &str| read.readings.iter().find(|r| r.name == name).unwrap().at;
    let apart = at(GPU_POWER_W).since(at(GPU_ENERGY_J));
    assert!(apart >= Duration::from_millis(120), "each value has its own moment: {apart:?}");
    let cost = Duration::ZERO..Duration::from_millis(120);
    assert!(cost.contains(&read.cost) && !read.cost.is_zero(), "waiting costs no processor time");
}

#[tokio::test]
async fn a_value_that_fails_for_now_is_told_once_and_asked_again() {
    let mut fake = installed(Script::h200(1).live());
    let mut rig = Rig::new(&fake);
    rig.read().await.result.unwrap();
    fake.rewrite_device(0, |device| device.fails(POWER, code::UNKNOWN)).unwrap();
    let failed = rig.read().await;
    failed.result.as_ref().unwrap();
    let [Said::Happened { what }] = failed.said("0")[..] else { panic!("{:?}", failed.notes) };
    assert!(what.starts_with("gpu_power_w cannot be read for now"), "{what}");
    assert!(failed.value("0", GPU_TEMPERATURE_C).is_some());
    assert!(rig.read().await.notes.is_empty(), "said once");
    fake.rewrite_device(0, |device| device.says(POWER, [1_000])).unwrap();
    assert_eq!(rig.read().await.power("0"), Some(1.0));
}

#[tokio::test]
async fn when_nothing_can_be_read_the_read_has_failed() {
    let mut fake = installed(Script::h200(1).live());
    let mut rig = Rig::new(&fake);
    rig.read().await.result.unwrap();
    fake.rewrite_device(0, |mut device| {
        for answers in device.answers.values_mut() {
            answers[0].value = fake_nvml::Value::Code(code::DRIVER_NOT_LOADED);
        }
        device.energy = None;
        device
            .fails(ENERGY, code::DRIVER_NOT_LOADED)
            .fails("nvmlDeviceGetComputeRunningProcesses_v3", code::DRIVER_NOT_LOADED)
    })
    .unwrap();
    let read = rig.read().await;
    assert!(read.readings.is_empty(), "{:?}", read.readings);
    assert!(read.notes.is_empty(), "the read says it, not each value: {:?}", read.notes);
    let error = read.result.unwrap_err();
    assert!(!error.fatal);
    assert!(line(&error).contains("driver is not loaded"), "{}", line(&error));
}

#[tokio::test]
async fn errors_that_the_driver_reports_are_told_and_counted() {
    let mut fake = installed(Script::h200(2).live());
    let mut rig = Rig::new(&fake);
    assert_eq!(rig.read().await.value("1", GPU_XID_ERRORS), Some(0.0));
    fake.rewrite_device(1, |device| Device { xids: vec![(0, 31)], ..device }).unwrap();
    let told = rig.read_until(|read| !read.notes.is_empty()).await;
    let [Said::Happened { what }] = told.said("1")[..] else { panic!("{:?}", told.notes) };
    assert!(what.starts_with("XID 31: "), "{what}");
    assert_eq!(told.value("1", GPU_XID_ERRORS), Some(1.0));
    assert_eq!(told.value("0", GPU_XID_ERRORS), Some(0.0));

    fake.rewrite_device(1, |device| Device { xids: vec![(0, 31), (0, 31), (0, 1_234)], ..device })
        .unwrap();
    let all = rig.read_until(|read| read.value("1", GPU_XID_ERRORS) == Some(3.0)).await;
    assert!(all.said("1").len() <= 2);
}

/// What is said where neither works.
fn refused(config: &Config) -> String {
    match gpu::sources(config) {
        Err(error @ Unavailable::NoDriver { .. }) => {
            let said = error.to_string();
            assert!(!said.contains('\n'), "one line: {said}");
            said
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("there are sources"),
    }
}

#[test]
fn why_nvml_does_not_start() {
    let cases = [
        (code::NO_PERMISSION, "no permission to talk to the driver"),
        (code::DRIVER_NOT_LOADED, "NVIDIA's driver is not loaded"),
        (code::LIBRARY_NOT_FOUND, "does not find a library of the driver"),
        (code::LIB_RM_VERSION_MISMATCH, "of different versions"),
        (code::UNKNOWN, "an internal driver error"),
    ];
    for (init, expected) in cases {
        let fake = installed(Script { init, ..Script::h200(1) });
        let said = refused(&config(&fake));
        assert!(said.contains(expected), "{init}: {said}");
        assert!(said.contains("nvidia-smi cannot be started"), "{said}");
    }
}

#[test]
fn a_driver_that_does_not_start_is_not_waited_for() {
    let fake = installed(Script { init_hangs_ms: 60_000, ..Script::h200(1) });
    let opening = Duration::from_millis(100);
    let said = refused(&Config { opening, ..config(&fake) });
    assert!(said.contains("NVML did not start within 100ms"), "{said}");
}

#[test]
fn what_is_no_nvml() {
    let fake = installed(Script::h200(1));
    let library = |path| Config { library: Some(path), ..config(&fake) };
    let missing = refused(&library(fake.folder().join("missing.so")));
    assert!(
        missing.contains("NVML cannot be loaded") && missing.contains("missing.so"),
        "{missing}"
    );

    let no_elf = fake.folder().join("text.so");
    fs::write(&no_elf, "not an ELF").unwrap();
    let said = refused(&library(no_elf));
    assert!(said.contains("NVML cannot be loaded"), "{said}");

    let fake = Installed::without(Script::h200(1), "nvmlInit_v2").unwrap();
    let said = refused(&config(&fake));
    assert!(said.contains("too old: it has no nvmlInit_v2"), "{said}");
}

#[tokio::test]
async fn a_function_that_an_older_driver_lacks_is_absent_and_no_more() {
    let fake = Installed::without(Script::h200(1), ENERGY).unwrap();
    let mut rig = Rig::new(&fake);
    let read = rig.read().await;
    assert_eq!(read.absent("0", GPU_ENERGY_J), Some("this driver has no such function"));
    assert_eq!(read.power("0"), Some(350.0));

    let fake = Installed::without(Script::h200(1), "nvmlDeviceGetMemoryInfo_v2").unwrap();
    let read = Rig::new(&fake).read().await;
    assert_eq!(read.is("0", "gpu_memory_kind"), None, "who cannot be asked has not answered");
    assert!(read.absent("0", GPU_MEMORY_TOTAL_BYTES).is_some());
}

#[test]
fn a_driver_without_gpus() {
    let fake = installed(Script::h200(0));
    let refused = gpu::sources(&config(&fake)).err().unwrap();
    assert_eq!(refused.to_string(), "NVIDIA's driver is here and knows no GPU");
}
