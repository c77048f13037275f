//! The page as people see it.

use std::sync::Arc;

use bench_core::{Batch, Moment, Reading, Said, SourceNote, reading};
use bench_report::console::Style as Look;
use insta::assert_snapshot;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::{page, page::View, state::State};
use crate::term::Marks;

const GIB: f64 = (1_u64 << 30) as f64;

fn view() -> View {
    View {
        marks: Marks { look: Look { color: false, ascii: false } },
        title: "http://127.0.0.1:8000".to_owned(),
        missing: vec![],
        has_server: false,
        is_frozen: false,
        is_help: false,
        scrolled: 0,
    }
}

/// Sources that have been read for some seconds, twice a second.
#[derive(Default)]
struct Sources {
    state: State,
}

impl Sources {
    /// A value of each half second, the first of them at 0 s.
    fn reads(
        &mut self,
        source: &str,
        instance: &str,
        name: &'static str,
        value: impl Fn(f64) -> f64,
    ) {
        let instance: Option<Arc<str>> = (!instance.is_empty()).then(|| instance.into());
        for n in 0..=60 {
            let at = Moment::from_nanos(n * 500_000_000);
            let (source, instance) = (source.into(), instance.clone());
            let value = value(n as f64 / 2.0);
            let readings = vec![Reading { source, name: name.into(), instance, at, value }];
            self.state.add(Batch { readings, notes: vec![] });
            self.state.now = at;
        }
    }

    fn says(&mut self, source: &str, instance: &str, said: Said) {
        let instance = (!instance.is_empty()).then(|| instance.into());
        let note = SourceNote { source: source.into(), instance, at: self.state.now, said };
        self.state.add(Batch { readings: vec![], notes: vec![note] });
    }

    fn is(&mut self, source: &str, instance: &str, what: &'static str, text: &str) {
        let text = text.to_owned();
        self.says(source, instance, Said::Is { what: what.into(), text });
    }

    fn gpu(&mut self, source: &str, instance: &str, busy: f64) {
        let of = |name, value: f64, to: &mut Self| to.reads(source, instance, name, move |_| value);
        self.reads(source, instance, reading::GPU_UTILIZATION_RATIO, |s| {
            busy * (s / 15.0).min(1.0)
        });
        of(reading::GPU_POWER_W, 78.0 + 534.0 * busy, self);
        of(reading::GPU_POWER_LIMIT_W, 700.0, self);
        of(reading::GPU_TEMPERATURE_C, 31.0 + 35.0 * busy, self);
        of(reading::GPU_SM_CLOCK_MHZ, 345.0 + 1_635.0 * busy, self);
        of(reading::GPU_SM_CLOCK_MAX_MHZ, 1_980.0, self);
        of(reading::GPU_MEMORY_USED_BYTES, 0.5 * GIB + 121.0 * GIB * busy, self);
        of(reading::GPU_MEMORY_TOTAL_BYTES, 141.0 * GIB, self);
        self.is(source, instance, "gpu_name", "NVIDIA H200");
    }

    fn server(&mut self) {
        let of = |name, value: f64, to: &mut Self| to.reads("server", "", name, move |_| value);
        of(reading::SERVER_RUNNING, 32.0, self);
        of(reading::SERVER_WAITING, 3.0, self);
        of(reading::SERVER_KV_CACHE_RATIO, 0.41, self);
        of(reading::SERVER_PREEMPTIONS, 0.0, self);
        of(reading::SERVER_PREFIX_HIT_RATIO, 0.25, self);
        self.reads("server", "", reading::SERVER_OUTPUT_TOKENS, |s| 2_322.0 * s);
        self.reads("server", "", reading::SERVER_PROMPT_TOKENS, |s| 18_576.0 * s);
        self.reads("server", "", reading::SERVER_REQUESTS, |s| 18.0 * s);
        self.reads("server", "", "server_ttft_s_sum", |s| 0.088 * 18.0 * s);
        self.reads("server", "", "server_ttft_s_count", |s| 18.0 * s);
        self.reads("server", "", "server_itl_s_sum", |s| 0.013 * 2_322.0 * s);
        self.reads("server", "", "server_itl_s_count", |s| 2_322.0 * s);
        self.is("server", "", "server_engine", "vllm 0.11.0");
    }

    fn host(&mut self, source: &str) {
        let of = |name, value: f64, to: &mut Self| to.reads(source, "", name, move |_| value);
        self.reads(source, "", reading::HOST_CPU_RATIO, |s| 0.09 + 0.01 * (s % 3.0));
        of(reading::HOST_MEMORY_USED_BYTES, 93.2 * GIB, self);
        of(reading::HOST_MEMORY_TOTAL_BYTES, 1_008.0 * GIB, self);
        of(reading::HOST_SWAP_USED_BYTES, 0.0, self);
        self.reads(source, "eth0", reading::HOST_NETWORK_SENT_BYTES, |s| 1.2e6 * s);
        self.reads(source, "eth1", reading::HOST_NETWORK_SENT_BYTES, |s| 3.4e6 * s);
        self.reads(source, "lo", reading::HOST_NETWORK_SENT_BYTES, |s| 9e9 * s);
        self.reads(source, "eth0", reading::HOST_NETWORK_RECEIVED_BYTES, |s| 0.3e6 * s);
        self.reads(source, "nvme0n1", reading::HOST_DISK_READ_BYTES, |_| 1.0);
        self.reads(source, "nvme0n1", reading::HOST_DISK_WRITTEN_BYTES, |s| 0.7e6 * s);
        self.reads(source, "", reading::HOST_CPU_PRESSURE_S, |s| 0.02 * s);
    }

    fn client(&mut self) {
        self.reads("client", "", reading::CLIENT_CPU_S, |s| 0.03 * s);
        self.reads("client", "", reading::CLIENT_MEMORY_BYTES, |_| 35.0 * f64::from(1 << 20));
        self.reads("client", "", reading::CLIENT_FILES, |_| 27.0);
        self.reads("client", "", reading::CLIENT_THREADS, |_| 4.0);
    }
}

/// Two GPUs, one of them too hot, and a server.
fn busy() -> State {
    let mut sources = Sources::default();
    sources.gpu("nvml", "0", 1.0);
    sources.gpu("nvml", "1", 0.0);
    sources.reads("nvml", "0", reading::GPU_THROTTLED_THERMAL, |_| 1.0);
    sources.server();
    sources.host("host");
    sources.client();
    let why = "needs DCGM".to_owned();
    sources.says("nvml", "0", Said::Absent { name: "gpu_sm_active_ratio".into(), why });
    sources.state
}

fn drawn(state: &State, view: &View, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    page::draw(state, view, area, &mut buffer);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let rows = (0..height).map(|y| format!("{}|", row(y)));
    rows.collect::<Vec<_>>().join("\n")
}

fn with_server() -> View {
    View { has_server: true, ..view() }
}

#[test]
fn two_gpus_and_a_server() {
    assert_snapshot!("busy_80x24", drawn(&busy(), &with_server(), 80, 24));
    assert_snapshot!("busy_120x40", drawn(&busy(), &with_server(), 120, 40));
}

#[test]
fn ascii_is_ascii_and_without_colour_there_is_none() {
    let mut view = with_server();
    view.marks.look.ascii = true;
    let page = drawn(&busy(), &view, 80, 24);
    assert!(page.is_ascii(), "{page}");
    assert_snapshot!("busy_ascii", page);
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    page::draw(&busy(), &with_server(), area, &mut buffer);
    let plain = ratatui::buffer::Cell::default().style();
    assert!(buffer.content.iter().all(|cell| cell.style() == plain), "NO_COLOR");
}

/// GB10 has no power limit, no clock to be told and the host's memory, and says so.
#[test]
fn what_a_gpu_does_not_tell_is_a_dash() {
    let mut sources = Sources::default();
    sources.reads("nvml", "0", reading::GPU_UTILIZATION_RATIO, |_| 0.96);
    sources.reads("nvml", "0", reading::GPU_POWER_W, |_| 41.0);
    sources.reads("nvml", "0", reading::GPU_TEMPERATURE_C, |_| 62.0);
    sources.reads("nvml", "0", reading::GPU_SM_CLOCK_MHZ, |_| 2_418.0);
    sources.reads("nvml", "0", reading::GPU_MEMORY_USED_BYTES, |_| 92.0 * GIB);
    sources.reads("nvml", "0", reading::GPU_MEMORY_TOTAL_BYTES, |_| 119.7 * GIB);
    sources.is("nvml", "0", "gpu_name", "NVIDIA GB10");
    let why = "the GPU does not support it".to_owned();
    sources.says("nvml", "0", Said::Absent { name: "gpu_power_limit_w".into(), why });
    assert_snapshot!("gb10", drawn(&sources.state, &view(), 80, 24));
    let help = View { is_help: true, ..view() };
    assert_snapshot!("gb10_help", drawn(&sources.state, &help, 80, 24));
}

#[test]
fn what_has_one_reason_is_one_line() {
    let mut sources = Sources::default();
    let mut lacks = |gpu: &str, name: &str| {
        let why = "not supported".to_owned();
        sources.says("nvml", gpu, Said::Absent { name: name.to_owned().into(), why });
    };
    for gpu in ["0", "1"] {
        lacks(gpu, "a_w");
        lacks(gpu, "b_j");
    }
    lacks("1", "c_c");
    lacks("", "d_mhz");
    let lines = page::lines(&sources.state, &view(), 80, None);
    let lines: Vec<String> = lines.iter().map(Line::to_string).collect();
    let expected = [
        "d_mhz of nvml: not supported",
        "a_w, b_j of nvml 0, 1: not supported",
        "c_c of nvml 1: not supported",
    ];
    assert!(lines.ends_with(&expected.map(str::to_owned)), "{lines:#?}");
}

#[test]
fn nothing_at_all_is_no_zeros() {
    let missing = vec!["no NVIDIA GPU can be watched: there is no driver".to_owned()];
    let view = View { missing, ..with_server() };
    let mut sources = Sources::default();
    let why = "Connection refused".to_owned();
    sources.says("server", "", Said::Failed { why, fatal: false });
    let page = drawn(&sources.state, &view, 80, 24);
    assert!(!page.replace("00:00:00", "").replace("127.0.0.1:8000", "").contains('0'), "{page}");
    assert_snapshot!("nothing", page);
}

#[test]
fn values_that_are_old_are_not_known() {
    let mut state = busy();
    state.now = state.now + std::time::Duration::from_secs(60);
    let page = drawn(&state, &with_server(), 80, 24);
    assert!(
        !page.contains("612") && !page.contains(" 32 ") && page.contains("running     –"),
        "{page}"
    );
}

/// The widest values that there can be.
fn widest() -> State {
    let mut sources = Sources::default();
    for host in ["", "@a-long-name.of.a.host:9500"] {
        for n in 0..2 {
            let (gpu, instance) = (format!("nvml{host}"), format!("{n}/12"));
            let of = |name, value: f64, to: &mut Sources| {
                to.reads(&gpu, &instance, name, move |_| value);
            };
            of(reading::GPU_UTILIZATION_RATIO, 1.0, &mut sources);
            of(reading::GPU_POWER_W, 1_400.0, &mut sources);
            of(reading::GPU_POWER_LIMIT_W, 1_400.0, &mut sources);
            of(reading::GPU_TEMPERATURE_C, 105.0, &mut sources);
            of(reading::GPU_SM_CLOCK_MHZ, 2_610.0, &mut sources);
            of(reading::GPU_SM_CLOCK_MAX_MHZ, 2_610.0, &mut sources);
            of(reading::GPU_MEMORY_USED_BYTES, 1_535.0 * GIB, &mut sources);
            of(reading::GPU_MEMORY_TOTAL_BYTES, 1_536.0 * GIB, &mut sources);
            of(reading::GPU_THROTTLED_POWER, 1.0, &mut sources);
            sources.is(&gpu, &instance, "gpu_name", "NVIDIA RTX PRO 6000 Blackwell Server Edition");
        }
        sources.host(&format!("host{host}"));
        sources.reads(&format!("host{host}"), "", reading::HOST_CPU_RATIO, |_| 1.0);
        sources
            .reads(&format!("host{host}"), "", reading::HOST_MEMORY_USED_BYTES, |_| 6_000.0 * GIB);
        sources
            .reads(&format!("host{host}"), "", reading::HOST_MEMORY_TOTAL_BYTES, |_| 6_144.0 * GIB);
    }
    sources.server();
    sources.reads("server", "", reading::SERVER_RUNNING, |_| 4_096.0);
    sources.reads("server", "", reading::SERVER_WAITING, |_| 10_000.0);
    sources.reads("server", "", reading::SERVER_KV_CACHE_RATIO, |_| 1.0);
    sources.reads("server", "", reading::SERVER_PREFIX_HIT_RATIO, |_| 1.0);
    sources.reads("server", "", reading::SERVER_PREEMPTIONS, |_| 12_345.0);
    sources.client();
    sources.state
}

#[test]
fn no_value_is_cut_at_80_columns() {
    let state = widest();
    for height in [None, Some(24), Some(17), Some(12)] {
        for line in page::lines(&state, &with_server(), 80, height) {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
        }
    }
    let page = drawn(&state, &with_server(), 80, 24);
    for value in ["1400/1400 W", "105 °C", "1535/1536 GiB", "slowed: power", "6000/6144 GiB"] {
        assert!(page.contains(value), "{value}: {page}");
    }
    assert_snapshot!("widest_80x40", drawn(&state, &with_server(), 80, 40));
}

#[test]
fn many_gpus_are_a_line_each_and_scroll() {
    let mut sources = Sources::default();
    (0..16).for_each(|n| sources.gpu("nvml", &n.to_string(), 1.0));
    sources.says("nvml", "3", Said::Lost { why: "fell off the bus".to_owned() });
    sources.host("host");
    assert_snapshot!("many_80x24", drawn(&sources.state, &view(), 80, 24));
    let small = drawn(&sources.state, &View { scrolled: 100, ..view() }, 80, 14);
    assert!(small.contains("\n15 ") && small.contains("of 16"), "the last one is reached: {small}");
}

#[test]
fn any_size_is_drawn() {
    for state in [State::default(), busy(), widest()] {
        for is_help in [false, true] {
            for (width, height) in [(0, 0), (1, 1), (10, 3), (76, 12), (80, 13), (300, 100)] {
                let view = View { is_help, scrolled: 3, ..with_server() };
                drawn(&state, &view, width, height);
            }
        }
    }
}

#[test]
fn what_others_say_cannot_move_the_cursor() {
    let mut sources = Sources::default();
    sources.gpu("nvml", "0", 1.0);
    sources.is("nvml", "0", "gpu_name", "\u{1b}[2J\u{202e}H200\r\n");
    let why = "\u{1b}]0;owned\u{7}no".to_owned();
    sources.says("nvml", "0", Said::Absent { name: "x".into(), why });
    let text: Vec<String> =
        page::lines(&sources.state, &view(), 80, None).iter().map(Line::to_string).collect();
    let text = text.join("");
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
}
