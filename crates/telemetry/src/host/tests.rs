use std::{fs, path::Path};

use bench_core::{Moment, Said};

use super::*;

const STAT: &str = "\
cpu  1000 100 400 8000 400 10 40 50 300 0
cpu0 500 50 200 4000 200 5 20 25 300 0
cpu1 500 50 200 4000 200 5 20 25 0 0
intr 80844352 0 0
ctxt 169657657
";
/// 100 ticks later: of core 0, 60 are user, 10 iowait; of core 1, all idle.
const STAT_LATER: &str = "\
cpu  1060 100 400 8130 410 10 40 50 360 0
cpu0 560 50 200 4030 210 5 20 25 360 0
cpu1 500 50 200 4100 200 5 20 25 0 0
";
const MEMINFO: &str = "\
MemTotal:       1000 kB
MemFree:          10 kB
MemAvailable:    400 kB
SwapCached:        1 kB
SwapTotal:       300 kB
SwapFree:        100 kB
HugePages_Total:       0
";
const NET_DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 7000 70 0 3 0 0 0 0 7000 70 0 0 0 0 0 0
  ifb0:    0  0 0 0 0 0 0 0    0  0 0 0 0 0 0 0
eth0:18446744073709551615 9 1 2 0 0 0 0 500 5 4 8 0 0 0 0
";
const DISKSTATS: &str = "\
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 20 8 130 36 45 19 97 46 8 19 41 24 2 8 3 1 7
 259       1 nvme0n1p1 20 8 130 36 45 19 97 46 8 19 41 24 2 8 3 1 7
 104       0 cciss/c0d0 1 0 2 0 1 0 4 0 0 0 0
 253       0 dm-0 20 8 130 36 45 19 97 46 8 19 41
";

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Files as a kernel has them.
fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    write(root, "proc/stat", STAT);
    write(root, "proc/meminfo", MEMINFO);
    write(root, "proc/net/dev", NET_DEV);
    write(root, "proc/diskstats", DISKSTATS);
    write(root, "proc/pressure/cpu", "some avg10=0.00 avg60=1.69 avg300=5.46 total=13809697740\n");
    write(root, "proc/pressure/io", "some avg10=0.00 total=1500000\nfull avg10=0.00 total=7\n");
    for disk in ["nvme0n1", "cciss!c0d0"] {
        fs::create_dir_all(root.join("sys/block").join(disk).join("device")).unwrap();
    }
    fs::create_dir_all(root.join("sys/block/dm-0")).unwrap();
    tree
}

fn host(root: &Path) -> Host {
    Host::new(HostConfig { root: root.to_owned(), ..HostConfig::default() })
}

async fn read(host: &mut Host, ms: u64) -> Readings {
    let mut into = Readings::new("host", Moment::from_nanos(ms * 1_000_000));
    host.read(&mut into).await.unwrap();
    into
}

/// What was read, as `name instance value`.
fn values(readings: &Readings) -> Vec<String> {
    let value = |r: &bench_core::Reading| {
        let instance = r.instance.as_deref().unwrap_or("-");
        format!("{} {instance} {}", r.name, r.value)
    };
    readings.readings().iter().map(value).collect()
}

/// What is absent, and why.
fn absent(readings: &Readings) -> Vec<(&str, &str)> {
    let said = |note: &'_ bench_core::SourceNote| match &note.said {
        Said::Absent { name, why } => (name.to_string(), why.clone()),
        other => panic!("{other:?}"),
    };
    let said: Vec<_> = readings.notes().iter().map(said).collect();
    said.leak().iter().map(|(name, why)| (name.as_str(), why.as_str())).collect()
}

#[tokio::test]
async fn it_tells_what_the_files_say() {
    let tree = tree();
    write(tree.path(), "proc/pressure/memory", "some avg10=0.00 total=0\n");
    let mut host = host(tree.path());
    let first = read(&mut host, 0).await;
    assert_eq!(absent(&first), []);
    let expected = [
        "host_memory_used_bytes - 614400",
        "host_memory_total_bytes - 1024000",
        "host_swap_used_bytes - 204800",
        "host_network_sent_bytes lo 7000",
        "host_network_received_bytes lo 7000",
        "host_network_dropped_packets lo 3",
        "host_network_sent_bytes eth0 500",
        "host_network_received_bytes eth0 18446744073709552000",
        "host_network_dropped_packets eth0 15",
        "host_disk_read_bytes nvme0n1 66560",
        "host_disk_written_bytes nvme0n1 49664",
        "host_disk_read_bytes cciss/c0d0 1024",
        "host_disk_written_bytes cciss/c0d0 2048",
        "host_cpu_pressure_s - 13809.69774",
        "host_memory_pressure_s - 0",
        "host_io_pressure_s - 1.5",
    ];
    assert_eq!(values(&first), expected, "no share without a count before");
}

/// The shares that the second of two reads tells.
async fn shares(before: &str, after: &str, ms: u64) -> Vec<String> {
    let tree = tree();
    write(tree.path(), "proc/stat", before);
    let mut host = host(tree.path());
    read(&mut host, 0).await;
    write(tree.path(), "proc/stat", after);
    let mut values = values(&read(&mut host, ms).await);
    values.retain(|value| value.starts_with("host_c") && value.contains("ratio"));
    values
}

#[tokio::test]
async fn a_share_is_of_the_time_between_two_reads() {
    let whole = "host_cpu_ratio - 0.3";
    let all = [whole, "host_core_ratio 0 0.6", "host_core_ratio 1 0"];
    assert_eq!(shares(STAT, STAT_LATER, 500).await, [whole], "cores are not told each time");
    assert_eq!(shares(STAT, STAT_LATER, 2_000).await, all);
    let none: [&str; 0] = [];
    assert_eq!(shares(STAT, STAT_LATER, 50).await, none, "too short a time");
    assert_eq!(shares(STAT, STAT, 2_000).await, none, "nothing was counted");
    assert_eq!(shares(STAT_LATER, STAT, 2_000).await, none, "it was counted anew");
}

#[tokio::test]
async fn a_time_that_is_too_short_is_told_with_the_next() {
    let tree = tree();
    let mut host = host(tree.path());
    read(&mut host, 0).await;
    write(tree.path(), "proc/stat", "cpu 9000 0 0 9000 0 0 0 0\n");
    assert!(!values(&read(&mut host, 90).await).iter().any(|value| value.contains("cpu_ratio")));
    write(tree.path(), "proc/stat", STAT_LATER);
    let later = values(&read(&mut host, 500).await);
    assert_eq!(later[0], "host_cpu_ratio - 0.3", "since the first read");
}

#[tokio::test]
async fn a_core_that_comes_later_is_told_from_then_on() {
    let before = STAT.replace("cpu1 500 50 200 4000 200 5 20 25 0 0\n", "");
    let told = shares(&before, STAT_LATER, 2_000).await;
    assert_eq!(told, ["host_cpu_ratio - 0.3", "host_core_ratio 0 0.6"]);
}

#[tokio::test]
async fn what_is_missing_is_said_once_with_its_reason() {
    let nothing = tempfile::tempdir().unwrap();
    let mut host = host(nothing.path());
    let first = read(&mut host, 0).await;
    assert_eq!(values(&first), [] as [String; 0]);
    let absent = absent(&first);
    let names = absent.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let all = bench_core::VOCABULARY.iter().map(|name| name.id);
    let all: Vec<_> = all.filter(|name| name.starts_with("host_")).collect();
    assert_eq!(names, all, "each is told or absent");
    for (name, why) in absent {
        assert!(why.contains("/proc/") || why.contains("/sys/"), "{name}: {why}");
    }
    assert_eq!(read(&mut host, 500).await.notes(), [], "it was said");
    write(nothing.path(), "proc/meminfo", MEMINFO);
    assert_eq!(values(&read(&mut host, 1_000).await).len(), 3, "it is looked for again");
}

#[tokio::test]
async fn garbage_is_absent() {
    let files = ["stat", "meminfo", "net/dev", "diskstats", "pressure/cpu", "pressure/io"];
    let long = "cpu  99999999999999999999999 1 1 1\n".repeat(1_000);
    let overflow = format!("cpu {0} {0} {0} {0} {0}\nMemTotal: {0} kB\n", u64::MAX);
    let garbage: [&[u8]; 7] = [
        b"",
        b"\n\n\n",
        b"\xff\xfe\x00cpu",
        b"cpu\ncpu0\nMemTotal\nlo:\n1 2 vda\nsome\n",
        b"cpu  1 2 x 4\ncpu0 -1 2 3 4\nMemTotal: many kB\nlo: 1 2 3\n1 2 vda 1 -1\nsome total=-5\n",
        long.as_bytes(),
        overflow.as_bytes(),
    ];
    for garbage in garbage {
        let tree = tree();
        for file in files {
            write(tree.path(), &format!("proc/{file}"), garbage);
        }
        let mut host = host(tree.path());
        for ms in [0, 2_000] {
            let read = read(&mut host, ms).await;
            assert_eq!(values(&read), [] as [String; 0], "{:?}", String::from_utf8_lossy(garbage));
            assert_eq!(read.notes().is_empty(), ms > 0);
        }
    }
}

#[tokio::test]
async fn parts_that_a_kernel_lacks_are_absent_alone() {
    let tree = tree();
    write(tree.path(), "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\n");
    let mut host = host(tree.path());
    let read = read(&mut host, 0).await;
    let names: Vec<_> = absent(&read).into_iter().map(|(name, _)| name).collect();
    let expected = ["host_memory_used_bytes", "host_swap_used_bytes", "host_memory_pressure_s"];
    assert_eq!(names, expected);
    assert!(values(&read).contains(&"host_memory_total_bytes - 1024000".to_owned()));
}

#[tokio::test]
async fn a_host_of_many_containers_tells_no_more_than_it_may() {
    let tree = tree();
    let line = |n| format!("veth{n}: {n}1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n");
    write(tree.path(), "proc/net/dev", (0..1_000).map(line).collect::<String>());
    let values = values(&read(&mut host(tree.path()), 0).await);
    let interfaces = values.iter().filter(|value| value.starts_with("host_network_sent_bytes"));
    assert_eq!(interfaces.count(), MOST_INSTANCES);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn this_machine_has_processors_and_memory() {
    let mut host = Host::new(HostConfig::default());
    read(&mut host, 0).await;
    // Until the kernel has counted a tick.
    let mut ms = 0;
    let later = loop {
        ms += 1_000;
        let later = read(&mut host, ms).await;
        if later.readings().iter().any(|r| r.name == reading::HOST_CPU_RATIO) {
            break later;
        }
    };
    for r in later.readings() {
        assert!(r.value.is_finite() && r.value >= 0.0, "{r:?}");
        assert!(!r.name.ends_with("_ratio") || r.value <= 1.0, "{r:?}");
    }
    assert!(later.readings().iter().any(|r| r.name == reading::HOST_MEMORY_USED_BYTES));
}
