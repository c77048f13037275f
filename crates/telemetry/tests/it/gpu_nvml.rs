//! GPUs that do as they should, through the real FFI.

use std::{env, path::Path, process::Command, time::Duration};

use bench_core::{Said, reading::*, reading_name};
use bench_telemetry::gpu::{Config, Gpus, inventory};
use fake_nvml::{Device, Energy, Script, code};

use crate::rig::{Rig, config, installed};

const GIB: f64 = 1_073_741_824.0;

#[tokio::test]
async fn two_gpus_say_all_there_is() {
    let fake = installed(Script::h200(2));
    let mut rig = Rig::new(&fake);
    let first = rig.read().await;
    first.result.as_ref().unwrap();
    let expected = [
        (GPU_UTILIZATION_RATIO, 0.41),
        (GPU_MEMORY_UTILIZATION_RATIO, 0.2),
        (GPU_MEMORY_USED_BYTES, 100.0 * GIB + 1.0),
        (GPU_MEMORY_TOTAL_BYTES, 141.0 * GIB),
        (GPU_PROCESS_MEMORY_BYTES, 99.0 * GIB),
        (GPU_POWER_W, 400.0),
        (GPU_POWER_LIMIT_W, 700.0),
        (GPU_TEMPERATURE_C, 55.0),
        (GPU_SM_CLOCK_MHZ, 1_755.0),
        (GPU_SM_CLOCK_MAX_MHZ, 1_980.0),
        (GPU_MEMORY_CLOCK_MHZ, 3_201.0),
        (GPU_THROTTLED, 0.0),
        (GPU_THROTTLED_POWER, 0.0),
        (GPU_THROTTLED_THERMAL, 0.0),
        (GPU_ENCODER_UTILIZATION_RATIO, 0.0),
        (GPU_DECODER_UTILIZATION_RATIO, 0.0),
        (GPU_ECC_CORRECTED, 3.0),
        (GPU_ECC_UNCORRECTED, 0.0),
        (GPU_XID_ERRORS, 0.0),
        (GPU_PROCESSES, 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(first.value("1", name), Some(value), "{name}");
    }
    assert_eq!(first.power("0"), Some(350.0));
    let energy = first.value("1", GPU_ENERGY_J).unwrap();
    assert!(energy >= 2_000.0, "{energy} J: in joules, from where the counter stood");

    assert_eq!(first.is("1", "gpu_name"), Some("NVIDIA H200"));
    assert_eq!(first.is("1", "gpu_uuid"), Some("GPU-00000000-0000-0000-0000-000000000001"));
    assert_eq!(first.is("1", "gpu_pci_bus"), Some("00000000:11:00.0"));
    assert_eq!(first.is("1", "gpu_memory_kind"), None, "it has its own");
    let of_all: Vec<_> = first.notes.iter().filter(|note| note.instance.is_none()).collect();
    let is = |what: &'static str, text: &str| Said::Is { what: what.into(), text: text.into() };
    assert_eq!(of_all[0].said, is("gpu_driver", "580.95.05"));
    assert_eq!(of_all[1].said, is("gpu_cuda", "13.0"));
    let why = first.absent("0", GPU_OTHER_PROCESSES).unwrap();
    assert!(why.contains("not known"), "{why}");

    let second = rig.read().await;
    assert!(second.notes.is_empty(), "all is said once: {:?}", second.notes);
    assert!(second.value("1", GPU_ENERGY_J).unwrap() >= energy, "a counter");
    for (name, value) in expected {
        assert_eq!(second.value("1", name), Some(value), "{name}, again");
    }
    for reading in &second.readings {
        assert!(reading_name(&reading.name).is_some(), "{} is in the vocabulary", reading.name);
    }
}

#[tokio::test]
async fn what_takes_long_is_asked_of_one_gpu_a_round() {
    let fake = installed(Script::h200(2));
    let mut rig = Rig::new(&fake);
    let mut told = Vec::new();
    for _ in 0..8 {
        let read = rig.read().await;
        let pcie = read.readings.iter().filter(|reading| reading.name.contains("pcie"));
        let pcie: Vec<_> = pcie.map(|r| (r.instance.clone(), r.name.clone(), r.value)).collect();
        assert_eq!(pcie.len(), 1, "one a round");
        told.extend(pcie);
    }
    let (first, again) = told.split_at(4);
    let mut first = first.to_vec();
    let mut again = again.to_vec();
    first.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    again.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    assert_eq!(first, again, "each has its turn");
    // NVML counts what is sent first.
    let values: Vec<_> = first.iter().map(|(_, name, value)| (name.as_ref(), *value)).collect();
    let [rx, tx] = [(GPU_PCIE_RX_BYTES_PER_S, 2e6), (GPU_PCIE_TX_BYTES_PER_S, 1e6)];
    assert_eq!(values, [rx, tx, rx, tx]);
}

#[tokio::test]
async fn a_round_asks_each_gpu_for_what_changes_and_for_the_rest_seldom() {
    const ROUNDS: u64 = 20;
    let fake = installed(Script::h200(8));
    let slow_period = Duration::from_secs(3_600);
    let mut rig = Rig::with(Config { slow_period, ..config(&fake) });
    for _ in 0..ROUNDS {
        let read = rig.read().await;
        read.result.unwrap();
    }
    drop(rig);
    let calls = wait_for_calls(&fake).await;
    let called = |function: &str| calls.get(function).copied().unwrap_or(0);
    for each_round in [
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetTemperature:0",
        "nvmlDeviceGetClockInfo:1",
        "nvmlDeviceGetClockInfo:2",
    ] {
        assert_eq!(called(each_round), 8 * ROUNDS, "{each_round}");
    }
    for once in [
        "nvmlDeviceGetMaxClockInfo:1",
        "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetTotalEccErrors:0",
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
    ] {
        assert_eq!(called(once), 8, "{once}");
    }
    let pcie = called("nvmlDeviceGetPcieThroughput:0") + called("nvmlDeviceGetPcieThroughput:1");
    assert_eq!(pcie, 16, "all have been asked, one a round");
    let steady = 8 * 8 * ROUNDS;
    let total: u64 =
        calls.iter().filter(|(name, _)| *name != "nvmlEventSetWait_v2").map(|c| c.1).sum();
    assert!(total <= steady + 8 * 25, "{total} calls: nothing else is asked each round");
}

pub(crate) async fn wait_for_calls(
    fake: &fake_nvml::Installed,
) -> std::collections::BTreeMap<String, u64> {
    // NVML is shut down by its thread, soon after the source is gone.
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, async {
        loop {
            match fake.calls() {
                Some(calls) => return calls,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
    .expect("NVML is shut down once nobody reads")
}

#[tokio::test]
async fn a_gb10_shares_the_memory_of_the_host() {
    let zeros = Device::gb10().says("nvmlDeviceGetMemoryInfo_v2", [0, 0, 0, 0]);
    for device in [Device::gb10(), zeros] {
        let fake = installed(Script { devices: vec![device], ..Script::gb10() });
        let mut rig = Rig::new(&fake);
        let first = rig.read().await;
        first.result.as_ref().unwrap();
        for read in [&first, &rig.read().await] {
            assert_eq!(read.value("0", GPU_MEMORY_TOTAL_BYTES), Some(119.0 * GIB));
            assert_eq!(read.value("0", GPU_MEMORY_USED_BYTES), Some(27.0 * GIB));
            assert_eq!(read.value("0", GPU_PROCESS_MEMORY_BYTES), Some(21.0 * GIB));
            assert_eq!(read.value("0", GPU_PROCESSES), Some(2.0));
            assert_eq!(read.power("0"), Some(35.0));
            assert_eq!(read.value("0", GPU_THROTTLED), Some(0.0), "it is idle");
        }
        assert_eq!(first.is("0", "gpu_memory_kind"), Some("unified"));
        assert_eq!(first.absent("0", GPU_MEMORY_TOTAL_BYTES), None);
        for name in [
            GPU_ENERGY_J,
            GPU_POWER_LIMIT_W,
            GPU_MEMORY_CLOCK_MHZ,
            GPU_ECC_UNCORRECTED,
            GPU_ENCODER_UTILIZATION_RATIO,
            GPU_XID_ERRORS,
        ] {
            assert_eq!(first.absent("0", name), Some("not supported by this GPU"), "{name}");
            assert_eq!(first.value("0", name), None, "{name} is not 0");
        }
    }
}

#[tokio::test]
async fn what_is_not_supported_is_asked_once() {
    let fake = installed(Script::gb10());
    let mut rig = Rig::new(&fake);
    for _ in 0..10 {
        rig.read().await.result.unwrap();
    }
    drop(rig);
    let calls = wait_for_calls(&fake).await;
    for function in [
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetPcieThroughput:0",
        "nvmlDeviceGetTotalEccErrors:1",
    ] {
        assert_eq!(calls.get(function), Some(&1), "{function}");
    }
    assert_eq!(calls.get("nvmlDeviceGetPowerUsage"), Some(&10));
}

#[tokio::test]
async fn a_gpu_with_memory_of_its_own_keeps_it_whatever_the_host_has() {
    let grace_hopper = Device::h200(0);
    let fake = installed(Script { devices: vec![grace_hopper], ..Script::h200(0) });
    let read = Rig::new(&fake).read().await;
    assert_eq!(read.value("0", GPU_MEMORY_TOTAL_BYTES), Some(141.0 * GIB));
    // A GPU that may not be asked is not one that shares the host's memory.
    let refuses = Device::h200(0).fails("nvmlDeviceGetMemoryInfo_v2", code::NO_PERMISSION);
    let fake = installed(Script { devices: vec![refuses], ..Script::h200(0) });
    let read = Rig::new(&fake).read().await;
    assert_eq!(read.absent("0", GPU_MEMORY_TOTAL_BYTES), Some("no permission"));
    assert_eq!(read.value("0", GPU_MEMORY_TOTAL_BYTES), None);
}

#[tokio::test]
async fn an_energy_counter_that_begins_anew_is_told_as_it_is() {
    let energy = Energy { start_mj: 0, wraps_at_mj: Some(20_000) };
    let device = Device::h200(0).with_energy(energy);
    let fake = installed(Script { devices: vec![device], ..Script::h200(0) });
    let mut rig = Rig::new(&fake);
    let mut before = 0.0;
    // 20 J at 350 W are 57 ms.
    for _ in 0..100_000 {
        let joules = rig.read().await.value("0", GPU_ENERGY_J).unwrap();
        assert!((0.0..20.0).contains(&joules), "{joules} J");
        if joules < before {
            return;
        }
        before = joules;
    }
    panic!("it never began anew");
}

#[tokio::test]
async fn whose_processes_are_on_it() {
    let device =
        Device::h200(0).with_process(1_000_002, Some(1)).with_process(std::process::id(), Some(1));
    let script = Script { devices: vec![device], ..Script::h200(0) };
    let fake = installed(script.clone());
    let server = |pids: &[u32]| Config { server_pids: Some(pids.to_vec()), ..config(&fake) };
    for (pids, others) in [
        (&[1_000_000_u32][..], 1.0),
        (&[1_000_001], 1.0),
        (&[1_000_002], 1.0),
        (&[1_000_000, 1_000_002], 0.0),
        (&[], 2.0),
    ] {
        let read = Rig::with(server(pids)).read().await;
        assert_eq!(read.value("0", GPU_PROCESSES), Some(3.0));
        assert_eq!(read.value("0", GPU_OTHER_PROCESSES), Some(others), "{pids:?}");
    }
    // The driver counts processes of the host, of which a container sees none.
    let device = Device::h200(0).with_process(77, None);
    let fake = installed(Script { devices: vec![device], ..script });
    let read = Rig::with(Config { server_pids: Some(vec![5]), ..config(&fake) }).read().await;
    assert_eq!(read.value("0", GPU_OTHER_PROCESSES), None);
    assert!(read.absent("0", GPU_OTHER_PROCESSES).unwrap().contains("container"));
    assert_eq!(read.value("0", GPU_PROCESS_MEMORY_BYTES), None, "of one it is not known");
    assert_eq!(read.value("0", GPU_PROCESSES), Some(2.0));
}

#[tokio::test]
async fn mig_instances_have_memory_and_processes_of_their_own() {
    let mut device = Device::h200(0)
        .says("nvmlDeviceGetMigMode", [1, 1])
        .fails("nvmlDeviceGetUtilizationRates", code::NOT_SUPPORTED);
    let instance = |i| Some(Device::mig(i).with_process(500 + i, Some(1 << 30)));
    device.mig = vec![instance(0), None, None, instance(3)];
    device.processes.clear();
    let fake = installed(Script { devices: vec![device], ..Script::h200(0) });
    let read = Rig::new(&fake).read().await;
    for instance in ["0/0", "0/3"] {
        assert_eq!(read.value(instance, GPU_MEMORY_TOTAL_BYTES), Some(18.0 * GIB));
        assert_eq!(read.value(instance, GPU_MEMORY_USED_BYTES), Some(8.0 * GIB));
        assert_eq!(read.value(instance, GPU_PROCESSES), Some(1.0));
        assert_eq!(read.power(instance), None, "the whole GPU has that");
        assert!(read.is(instance, "gpu_uuid").unwrap().starts_with("MIG-"));
    }
    assert_eq!(read.power("0"), Some(350.0));
    assert_eq!(read.value("0", GPU_PROCESSES), Some(2.0), "those of all instances");
    assert!(read.absent("0", GPU_UTILIZATION_RATIO).is_some());
    assert!(read.readings.iter().all(|r| !matches!(r.instance.as_deref(), Some("0/1" | "0/2"))));
}

#[tokio::test]
async fn gpus_are_chosen_by_number_or_uuid() {
    let fake = installed(Script::h200(3));
    let chosen = |ids: &[&str]| {
        let gpus = Gpus::These(ids.iter().map(|id| id.parse().unwrap()).collect());
        Config { gpus, ..config(&fake) }
    };
    let uuid = "GPU-00000000-0000-0000-0000-000000000002";
    let read = Rig::with(chosen(&["2", uuid, "0"])).read().await;
    assert!(read.power("0").is_some() && read.power("2").is_some());
    assert_eq!(read.power("1"), None);

    for (wanted, shown) in [("3", "3"), ("GPU-x", "GPU-x")] {
        let refused = inventory(&chosen(&["0", wanted])).unwrap_err();
        let said = format!("there is no GPU {shown}; there are 3, from number 0 on");
        assert_eq!(refused.to_string(), said);
    }
}

#[test]
fn an_inventory_says_what_there_is() {
    let mut script = Script::h200(1);
    script.devices.push(Device::gb10());
    let fake = installed(script);
    let there = inventory(&config(&fake)).unwrap();
    assert_eq!((there.source, there.cuda.as_deref()), ("nvml", Some("13.0")));
    assert_eq!(there.driver.as_deref(), Some("580.95.05"));
    let [h200, gb10] = &there.gpus[..] else { panic!("{there:?}") };
    assert_eq!(h200.name.as_deref(), Some("NVIDIA H200"));
    assert_eq!(h200.memory_bytes, Some(141 << 30));
    assert!(!h200.has_unified_memory);
    assert_eq!((h200.sm_clock_set_mhz, h200.sm_clock_max_mhz), (Some(1_980), Some(1_980)));
    assert_eq!((h200.power_limit_w, h200.power_limit_default_w), (Some(700.0), Some(700.0)));
    assert_eq!(
        (h200.is_persistent, h200.is_mig, h200.is_ecc),
        (Some(true), Some(false), Some(true))
    );
    assert_eq!(h200.compute_mode, Some("default"));
    assert_eq!(h200.processes.as_ref().unwrap()[0].pid, 1_000_001);
    assert!(gb10.has_unified_memory);
    assert_eq!((gb10.power_limit_w, gb10.is_mig, gb10.is_ecc), (None, None, None));
}

/// The test itself is the program whose system has the library: the loader reads the variable when it starts.
#[tokio::test]
async fn the_library_is_found_where_the_system_looks() {
    const CHILD: &str = "INFERBENCH_TEST_STUB";
    if env::var_os(CHILD).is_some() {
        let config = Config { library: None, ..Config::default() };
        let read = Rig::with(config).read().await;
        assert_eq!(read.is("0", "gpu_name"), Some("NVIDIA H200"));
        return;
    }
    let fake = installed(Script::h200(1));
    let searched: Vec<&Path> = vec![fake.folder()];
    let ended = Command::new(env::current_exe().unwrap())
        .args(["--exact", "gpu_nvml::the_library_is_found_where_the_system_looks"])
        .env("LD_LIBRARY_PATH", env::join_paths(searched).unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}
