//! `inferbench estimate`: whether a model fits, and what would.

use bench_harness::{
    AskedMemory, Exit, Failure, Fits, Gpu, GpuAsked, KvEstimate, MemoryEstimate, Placement,
    Precision, Verdict, fits,
};
use bench_report::{json, text::clean};
use clap::Args;
use serde_json::{Value, json};

use crate::output;

#[derive(Debug, Args)]
pub(crate) struct EstimateArgs {
    /// A folder with a config.json, a .gguf file, a model that was downloaded (org/name), or a number of parameters: 7B, 8x7B
    #[arg(value_name = "MODEL")]
    model: String,

    /// The GPU: auto, a name such as H100 or "RTX 4090", or a size such as 80GB [default: this machine's, if it has any]
    #[arg(long, value_name = "NAME", value_parser = gpu)]
    gpu: Option<GpuAsked>,

    /// How many of them [default: as few as do]
    #[arg(long, value_name = "N")]
    gpus: Option<u64>,

    /// How weights are stored: bf16, fp8, nvfp4, int4, q4_k_m, ... [default: as the model's are]
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,

    /// How the KV cache is stored: bf16, fp8, q8_0, ... [default: as the model's files say, else bf16]
    #[arg(long, value_name = "PRECISION")]
    kv_precision: Option<Precision>,

    /// Tokens of each sequence, prompt and answer [default: what the model was made for]
    #[arg(long, value_name = "TOKENS", visible_alias = "max-model-len")]
    context: Option<u64>,

    /// Sequences at a time
    #[arg(short, long, value_name = "N", default_value = "1")]
    concurrency: u64,

    /// The share of a GPU's memory that a server may take [default: 0.92, as vLLM's; of a .gguf file 1]
    #[arg(long, value_name = "RATIO")]
    gpu_memory_utilization: Option<f64>,

    /// Print the estimate as JSON
    #[arg(long)]
    json: bool,
}

fn gpu(name: &str) -> Result<GpuAsked, String> {
    match name {
        "auto" => Ok(GpuAsked::Here),
        name => name.parse().map(GpuAsked::Named).map_err(|error| format!("{error}")),
    }
}

pub(crate) fn estimate(args: &EstimateArgs) -> Result<Exit, Failure> {
    let asked = AskedMemory {
        gpus: args.gpus,
        precision: args.precision,
        kv_precision: args.kv_precision,
        context_tokens: args.context,
        concurrency: args.concurrency,
        utilization: args.gpu_memory_utilization,
        ..AskedMemory::default()
    };
    let gpu = args.gpu.clone().unwrap_or(GpuAsked::Usual);
    let fits = fits(&args.model, gpu, &asked)?;
    let text = if args.json { json::text(&as_json(&fits)) } else { page(&fits) };
    output::result(&text)?;
    Ok(Exit::Ok)
}

fn page(fits: &Fits) -> String {
    let Fits { model, estimate, common, notes } = fits;
    let parameters = model.parameters_in_words();
    let parameters = parameters.unwrap_or_else(|| "an unknown number of".to_owned());
    let mut lines = vec![
        format!("{}: {parameters} parameters, {}", model.name, estimate.precision),
        String::new(),
    ];
    lines.extend(sizes(estimate));
    if let Some(placement) = &estimate.placement {
        lines.push(String::new());
        lines.extend(placed(placement, fits));
    }
    if !common.is_empty() && estimate.weights.is_ok() {
        lines.push(String::new());
        lines.push("fewest GPUs on which it fits".to_owned());
        lines.extend(common.iter().map(needed));
    }
    lines.push(String::new());
    lines.extend(reasons(estimate));
    let notes = model.notes.iter().chain(notes);
    lines.extend(notes.map(|note| format!("note       {note}")));
    lines.iter().map(|line| clean(line) + "\n").collect()
}

/// What each part takes.
fn sizes(estimate: &MemoryEstimate) -> Vec<String> {
    let MemoryEstimate { weights, kv_cache, runtime, total_bytes, .. } = estimate;
    let mut lines = vec![format!("{:<9}{:>15}{:>15}", "", "GB", "GiB")];
    let mut row = |name: &str, range: Option<(u64, u64)>, about: String| {
        let cell =
            |unit: f64| range.map_or_else(|| "unknown".to_owned(), |range| span(range, unit));
        let line = format!("{name:<9}{:>15}{:>15}   {about}", cell(1e9), cell(GIB));
        lines.push(line.trim_end().to_owned());
    };
    let known = weights.as_ref().ok();
    let how = known.map_or("", |known| if known.is_exact { "as stored" } else { "counted" });
    row("weights", known.map(|known| (known.bytes, known.bytes)), how.to_owned());
    let known = kv_cache.as_ref().ok();
    let about = known.map(|known| {
        let KvEstimate { concurrency, context_tokens, precision, bytes_per_token, .. } = known;
        format!("{concurrency} x {context_tokens} tokens of {bytes_per_token} B, {precision}")
    });
    row("KV cache", known.map(|known| (known.bytes, known.bytes)), about.unwrap_or_default());
    row("runtime", Some((runtime.low_bytes, runtime.high_bytes)), "assumed".to_owned());
    row("total", *total_bytes, String::new());
    lines
}

/// How it is on the GPUs.
fn placed(placement: &Placement, fits: &Fits) -> Vec<String> {
    let Placement { gpu, gpus, usable_bytes, runtime, .. } = placement;
    let MemoryEstimate { utilization, kv_cache, .. } = &fits.estimate;
    let share = utilization * 100.0;
    let usable = gib(*usable_bytes);
    let mut lines = vec![format!(
        "on {gpus} x {} of {} GiB, of which a server may take {share:.0} %: {usable} GiB",
        gpu.name,
        gib(gpu.memory_bytes)
    )];
    let taken = placement.weights_bytes.saturating_add(placement.kv_cache_bytes.unwrap_or(0));
    let [low, high] =
        [runtime.low_bytes, runtime.high_bytes].map(|runtime| taken.saturating_add(runtime));
    let of_each = if *gpus > 1 { " of each" } else { "" };
    let takes = format!("it takes {} GiB{of_each}", span((low, high), GIB));
    let verdict = match (placement.verdict, placement.kv_cache_bytes) {
        (Verdict::Fits, Some(_)) => format!("it fits: {takes}"),
        (Verdict::Fits, None) => {
            format!("it fits by the rule below: without its KV cache, {takes}")
        }
        (Verdict::Tight, Some(_)) => format!("it may fit, if the runtime takes little: {takes}"),
        (Verdict::Tight, None) => {
            format!("it may fit, with a small KV cache: without that, {takes}")
        }
        (Verdict::DoesNotFit, _) => format!("it does not fit: {takes}"),
    };
    lines.push(format!("  {verdict}"));
    if let (Some(sequences), Ok(cache)) = (placement.sequences, kv_cache) {
        lines
            .push(format!("  sequences of {} tokens at a time: {sequences}", cache.context_tokens));
    }
    if let (Some(longest), Ok(cache)) = (placement.longest_context_tokens, kv_cache) {
        let most = match fits.model.context_tokens {
            Some(most) if most == longest => ", as many as it was made for",
            _ => "",
        };
        lines.push(format!(
            "  longest context of {} at a time: {longest} tokens{most}",
            cache.concurrency
        ));
    }
    lines
}

fn needed((gpu, gpus): &(Gpu, Option<u64>)) -> String {
    let gpus = gpus.map_or_else(|| "-".to_owned(), |gpus| gpus.to_string());
    format!("  {:<12}{:>6} GiB{gpus:>5}", gpu.name, gib(gpu.memory_bytes))
}

/// How each number comes about.
fn reasons(estimate: &MemoryEstimate) -> Vec<String> {
    let MemoryEstimate { weights, kv_cache, runtime, rule_of_thumb_bytes, .. } = estimate;
    let weights = weights.as_ref().map_or_else(Clone::clone, |weights| weights.made_of.clone());
    let cache = kv_cache
        .as_ref()
        .map_or_else(Clone::clone, |cache| format!("{} for a token", cache.made_of));
    let mut lines = vec![
        format!("weights    {weights}"),
        format!("KV cache   {cache}"),
        format!("runtime    {}", runtime.made_of),
    ];
    lines.extend(rule_of_thumb_bytes.map(|bytes| {
        format!(
            "rule       2.5 x the weights at 16 bits: {:.1} GB (of 7B, 14 GB of weights and about 35 GB in all)",
            bytes as f64 / 1e9
        )
    }));
    lines
}

const GIB: f64 = (1_u64 << 30) as f64;

fn gib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / GIB)
}

/// `14.96`, or `2.4-5.3` where it is a range.
fn span((low, high): (u64, u64), unit: f64) -> String {
    let [low, high] = [low, high].map(|bytes| bytes as f64 / unit);
    match low.to_bits() == high.to_bits() {
        true => format!("{low:.2}"),
        false => format!("{low:.1}-{high:.1}"),
    }
}

fn as_json(fits: &Fits) -> Value {
    let Fits { model, estimate, common, notes } = fits;
    let notes: Vec<&String> = model.notes.iter().chain(notes).collect();
    let common = common.iter().map(|(gpu, gpus)| json!({"gpu": gpu.name, "gpus": gpus}));
    let quantization = model.quantization.as_ref().map(|known| {
        json!({
            "label": known.label,
            "method": known.method,
            "weights": known.weights.map(Precision::name),
            "kv_cache": known.kv_cache.map(Precision::name),
        })
    });
    let MemoryEstimate { weights, kv_cache, runtime, total_bytes, .. } = estimate;
    let kv_cache_json = kv_cache.as_ref().ok().map(|cache| {
        json!({
            "precision": cache.precision.name(),
            "context_tokens": cache.context_tokens,
            "concurrency": cache.concurrency,
            "bytes_per_token": cache.bytes_per_token,
            "bytes_per_sequence": cache.bytes_per_sequence,
            "bytes": cache.bytes,
        })
    });
    let unknown = [weights.as_ref().err(), kv_cache.as_ref().err()];
    json!({
        "model": model.name,
        "parameters": model.parameters.as_ref().ok(),
        "context_tokens": model.context_tokens,
        "precision": estimate.precision,
        "quantization": quantization,
        "weights_bytes": weights.as_ref().ok().map(|weights| weights.bytes),
        "weights_exact": weights.as_ref().ok().map(|weights| weights.is_exact),
        "kv_cache": kv_cache_json,
        "runtime_bytes": [runtime.low_bytes, runtime.high_bytes],
        "total_bytes": total_bytes.map(|(low, high)| [low, high]),
        "rule_of_thumb_bytes": estimate.rule_of_thumb_bytes,
        "gpu_memory_utilization": estimate.utilization,
        "unknown": unknown.into_iter().flatten().collect::<Vec<_>>(),
        "placement": estimate.placement.as_ref().map(placement_json),
        "common": common.collect::<Vec<_>>(),
        "notes": notes,
    })
}

fn placement_json(placement: &Placement) -> Value {
    let Placement { gpu, runtime, .. } = placement;
    json!({
        "gpu": gpu.name,
        "gpu_memory_bytes": gpu.memory_bytes,
        "unified_memory": gpu.has_unified_memory,
        "gpus": placement.gpus,
        "verdict": placement.verdict.name(),
        "usable_bytes_per_gpu": placement.usable_bytes,
        "weights_bytes_per_gpu": placement.weights_bytes,
        "kv_cache_bytes_per_gpu": placement.kv_cache_bytes,
        "runtime_bytes_per_gpu": [runtime.low_bytes, runtime.high_bytes],
        "sequences": placement.sequences,
        "longest_context_tokens": placement.longest_context_tokens,
    })
}
