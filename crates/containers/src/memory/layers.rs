//! What each layer of a model remembers of what came before.

use super::{
    ModelError,
    config::{Config, Known},
};

/// More layers than any model has.
const MOST_LAYERS: u64 = 1 << 12;

/// What a layer remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// All tokens.
    Full,
    /// The last so many tokens.
    Window(u64),
    /// A state that does not grow: linear attention, Mamba, convolutions.
    State,
    /// Nothing: a layer without attention.
    Nothing,
}

/// What each layer remembers, from the first on.
pub(super) fn layers(config: &Config) -> Result<Known<Vec<Layer>>, ModelError> {
    let count = match config.needed(&["num_hidden_layers", "n_layer", "n_layers", "num_layers"])? {
        Ok(count) if count <= MOST_LAYERS => count,
        Ok(count) => return Ok(Err(format!("{count} layers are more than any model has"))),
        Err(why) => return Ok(Err(why)),
    };
    if config.value(&["block_configs"]).is_some() {
        return Ok(Err("its layers differ from one another (`block_configs`)".to_owned()));
    }
    let window = config.number(&["sliding_window", "attention_window_size"])?;
    let chunk = config.number(&["attention_chunk_size"])?;
    let windowed = window.or(chunk).filter(|window| *window > 0).map_or(Layer::Full, Layer::Window);
    if let Some(kinds) = config.words("layer_types").or_else(|| config.words("layers_block_type")) {
        return Ok(by_words(&kinds, count, windowed));
    }
    if let Some(pattern) = config.value(&["hybrid_override_pattern"]).and_then(|v| v.as_str()) {
        return Ok(Ok(by_pattern(pattern)));
    }
    if let Some(kinds) = config.numbers("attn_type_list") {
        let layer = |kind| if kind == 0 { Layer::State } else { Layer::Full };
        return Ok(Ok(kinds.into_iter().map(layer).collect()));
    }
    if let Some(attention) = config.numbers("full_attn_idxs") {
        let layer = |n| if attention.contains(&n) { Layer::Full } else { Layer::State };
        return Ok(Ok((0..count).map(layer).collect()));
    }
    let every = config.number(&["full_attention_interval"])?;
    if let Some(every) = every.filter(|every| *every > 0) {
        let layer = |n: u64| if (n + 1).is_multiple_of(every) { Layer::Full } else { Layer::State };
        return Ok(Ok((0..count).map(layer).collect()));
    }
    if let Some(period) = config.number(&["attn_layer_period"])?.filter(|period| *period > 0) {
        let offset = config.number(&["attn_layer_offset"])?.unwrap_or_default();
        let layer = |n: u64| if n % period == offset { Layer::Full } else { Layer::State };
        return Ok(Ok((0..count).map(layer).collect()));
    }
    Ok(Ok(by_window(config, count, windowed)?))
}

fn by_words(kinds: &[&str], count: u64, windowed: Layer) -> Known<Vec<Layer>> {
    if kinds.len() as u64 != count {
        return Err(format!("config.json has {count} layers, and kinds of {}", kinds.len()));
    }
    let layer = |kind: &&str| match *kind {
        "full_attention" | "attention" | "global_attention" => Ok(Layer::Full),
        "sliding_attention" | "chunked_attention" | "local_attention" => Ok(windowed),
        "linear_attention" | "mamba" | "mamba2" | "conv" | "recurrent" | "linear" => {
            Ok(Layer::State)
        }
        "mlp" | "moe" | "-" => Ok(Layer::Nothing),
        other => {
            let shown: String = other.chars().take(40).collect();
            Err(format!("it has layers of a kind that is not known, `{shown}`"))
        }
    };
    kinds.iter().map(layer).collect()
}

/// Nemotron-H's: a letter for each layer.
fn by_pattern(pattern: &str) -> Vec<Layer> {
    let layer = |letter| match letter {
        '*' => Layer::Full,
        'M' => Layer::State,
        _ => Layer::Nothing,
    };
    pattern.chars().take(1 << 12).map(layer).collect()
}

/// Models from before `layer_types`, whose kind says which of their layers have the window.
fn by_window(config: &Config, count: u64, windowed: Layer) -> Result<Vec<Layer>, ModelError> {
    let kind = config.kind();
    let pattern = config.number(&["sliding_window_pattern", "_sliding_window_pattern"])?;
    let full_each = match kind {
        "gemma2" => Some(2),
        _ if kind.starts_with("gemma3") => Some(pattern.unwrap_or(6)),
        "cohere2" => Some(pattern.unwrap_or(4)),
        _ => pattern,
    };
    let is_used = config.is("use_sliding_window").unwrap_or(true);
    // Qwen's: layers below have the whole context.
    let from = config.number(&["max_window_layers"])?.filter(|_| kind.starts_with("qwen"));
    let layer = |n: u64| match full_each.filter(|each| *each > 0) {
        _ if !is_used => Layer::Full,
        Some(each) if (n + 1).is_multiple_of(each) => Layer::Full,
        None if from.is_some_and(|from| n < from) => Layer::Full,
        _ => windowed,
    };
    Ok((0..count).map(layer).collect())
}
