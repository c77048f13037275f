use bench_core::reading as name;

use super::*;
use crate::testing::{Answer, Scripted, body, read, said, told, value};

const TEXT: &str = include_str!("../../tests/data/dcgm.txt");

fn source(answers: impl IntoIterator<Item = Answer>) -> Dcgm {
    Dcgm::new(Arc::new(Scripted::new(answers)), DcgmConfig::default())
}

async fn read_text(text: &str) -> Readings {
    let (readings, ok) = read(&mut source([body(text)])).await;
    ok.unwrap();
    readings
}

#[tokio::test]
async fn fields_are_read_as_nvml_would_name_them() {
    let readings = read_text(TEXT).await;
    let cases = [
        (name::GPU_POWER_W, 412.5),
        (name::GPU_ENERGY_J, 1_234_567.890),
        (name::GPU_UTILIZATION_RATIO, 0.98),
        (name::GPU_SM_ACTIVE_RATIO, 0.75),
        (name::GPU_MEMORY_UTILIZATION_RATIO, 0.61),
        (name::GPU_MEMORY_USED_BYTES, 70_000.0 * 1_048_576.0),
        (name::GPU_MEMORY_TOTAL_BYTES, 81_559.0 * 1_048_576.0),
        (name::GPU_TEMPERATURE_C, 64.0),
        (name::GPU_SM_CLOCK_MHZ, 1_980.0),
        (name::GPU_MEMORY_CLOCK_MHZ, 2_619.0),
        (name::GPU_ENCODER_UTILIZATION_RATIO, 0.0),
        (name::GPU_PCIE_TX_BYTES_PER_S, 12_345.0),
        (name::GPU_XID_ERRORS, 0.0),
    ];
    for (name, expected) in cases {
        let is = value(&readings, name, Some("0")).unwrap();
        assert!((is - expected).abs() <= 1e-9 * expected, "{name}: {is}");
    }
    assert_eq!(value(&readings, name::GPU_POWER_W, Some("1")), Some(98.0));
    assert_eq!(value(&readings, name::GPU_SM_ACTIVE_RATIO, Some("1/3")), Some(0.5), "of a MIG");
}

#[tokio::test]
async fn what_dcgm_does_not_know_is_absent_and_said_to_be() {
    let readings = read_text(TEXT).await;
    assert_eq!(value(&readings, name::GPU_TEMPERATURE_C, Some("1")), None, "it is blank");
    let absent = |field: &str, name: &'static str| Said::Absent {
        name: name.into(),
        why: format!("the exporter does not tell {field}"),
    };
    let said = said(&readings);
    assert!(said.contains(&absent("DCGM_FI_DEV_POWER_MGMT_LIMIT", name::GPU_POWER_LIMIT_W)));
    assert!(said.contains(&absent("DCGM_FI_DEV_DEC_UTIL", name::GPU_DECODER_UTILIZATION_RATIO)));
    let total = name::GPU_MEMORY_TOTAL_BYTES;
    assert!(!said.iter().any(|said| matches!(said, Said::Absent { name, .. } if name == total)));
}

#[tokio::test]
async fn each_gpu_says_once_what_it_is() {
    let mut source = source([body(TEXT)]);
    let (readings, _) = read(&mut source).await;
    let is = |instance: &str, what: &str| {
        readings.notes().iter().find_map(|note| match &note.said {
            Said::Is { what: of, text }
                if of == what && note.instance.as_deref() == Some(instance) =>
            {
                Some(text.clone())
            }
            _ => None,
        })
    };
    assert_eq!(is("0", "gpu_name").unwrap(), "NVIDIA H100 80GB HBM3");
    assert_eq!(is("1", "gpu_uuid").unwrap(), "GPU-1");
    assert_eq!(is("1/3", "gpu_host").unwrap(), "node");
    let (again, _) = read(&mut source).await;
    assert!(again.notes().is_empty(), "{:?}", again.notes());
}

#[tokio::test]
async fn an_xid_counts_from_when_it_is_watched_and_says_what_it_is() {
    let xid = |code: u32, message: &str| {
        let labels = format!("gpu=\"0\",err_code=\"{code}\",err_msg=\"{message}\"");
        body(&format!("DCGM_FI_DEV_XID_ERRORS{{{labels}}} {code}\n"))
    };
    let mut source =
        source([xid(31, "old"), xid(31, "old"), xid(79, "off the bus"), xid(0, ""), xid(79, "x")]);
    for (count, happened) in [
        (0.0, None),
        (0.0, None),
        (1.0, Some("XID 79: off the bus")),
        (1.0, None),
        (2.0, Some("XID 79: x")),
    ] {
        let (readings, ok) = read(&mut source).await;
        ok.unwrap();
        assert_eq!(value(&readings, name::GPU_XID_ERRORS, Some("0")), Some(count));
        let what = said(&readings).into_iter().find_map(|said| match said {
            Said::Happened { what } => Some(what),
            _ => None,
        });
        assert_eq!(what.as_deref(), happened);
    }
}

#[tokio::test]
async fn a_gpu_is_throttled_while_its_violations_grow() {
    let text = |power: u32, thermal: u32| {
        body(&format!(
            "DCGM_FI_DEV_POWER_VIOLATION{{gpu=\"0\"}} {power}\n\
             DCGM_FI_DEV_THERMAL_VIOLATION{{gpu=\"0\"}} {thermal}\n"
        ))
    };
    let mut source = source([text(500, 0), text(500, 0), text(900, 0), text(900, 10)]);
    let names = [name::GPU_THROTTLED, name::GPU_THROTTLED_POWER, name::GPU_THROTTLED_THERMAL];
    let nobody_knows = [None; 3];
    let steps = [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]].map(|step| step.map(Some));
    for expected in [nobody_knows].into_iter().chain(steps) {
        let (readings, ok) = read(&mut source).await;
        ok.unwrap();
        assert_eq!(names.map(|name| value(&readings, name, Some("0"))), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_is_none_says_so() {
    let cases = [
        (body("up 1\n"), "/metrics: it has no metrics of a DCGM exporter", false),
        (Answer::Status(404), "/metrics: HTTP 404", true),
        (Answer::Late(Duration::from_secs(9), vec![]), "/metrics: no answer within 2s", false),
    ];
    for (answer, expected, fatal) in cases {
        let error = read(&mut source([answer])).await.1.unwrap_err();
        assert_eq!((told(&error).as_str(), error.fatal), (expected, fatal));
    }
}
