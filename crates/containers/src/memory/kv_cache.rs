//! What a model remembers of each token, and what that takes.

use std::collections::BTreeMap;

use super::{
    ModelError, Precision,
    config::{Config, Known},
    layers::{Layer, layers},
};

/// What the KV cache holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvCache {
    /// Layers that remember alike.
    pub groups: Vec<LayerGroup>,
    /// Layers whose state is of one size however long a sequence is; it is not counted.
    pub layers_of_state: u64,
}

/// Layers that remember alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerGroup {
    /// How many.
    pub layers: u64,
    /// Numbers that each of them keeps of a token.
    pub numbers_per_token: u64,
    /// Tokens at the end that it keeps; all if `None`.
    pub window_tokens: Option<u64>,
    /// Heads of keys and values, which GPUs can divide among them; `None` where each GPU needs all, as of latent
    /// attention.
    pub kv_heads: Option<u64>,
}

impl LayerGroup {
    /// Bytes of a token in all its layers, on each of so many GPUs.
    fn bytes_per_token(&self, precision: Precision, gpus: u64) -> u64 {
        let numbers = match self.kv_heads {
            // A head is not divided: it is on several GPUs where there are more of them.
            Some(heads) => self.numbers_per_token / heads.max(1) * heads.div_ceil(gpus.max(1)),
            None => self.numbers_per_token,
        };
        precision.bytes(numbers.saturating_mul(self.layers))
    }
}

impl KvCache {
    /// Bytes that a sequence grows by with each token, on each of so many GPUs: those of layers with a window are not in
    /// it.
    pub fn bytes_per_token(&self, precision: Precision, gpus: u64) -> u64 {
        let growing = self.groups.iter().filter(|group| group.window_tokens.is_none());
        growing.map(|group| group.bytes_per_token(precision, gpus)).fold(0, u64::saturating_add)
    }

    /// Bytes of a sequence of so many tokens, on each of so many GPUs.
    pub fn bytes_per_sequence(&self, precision: Precision, gpus: u64, tokens: u64) -> u64 {
        let bytes = |group: &LayerGroup| {
            let kept = tokens.min(group.window_tokens.unwrap_or(u64::MAX));
            group.bytes_per_token(precision, gpus).saturating_mul(kept)
        };
        self.groups.iter().map(bytes).fold(0, u64::saturating_add)
    }

    /// How it comes about, in words: `32 layers x 2 x 8 KV heads x 128`.
    pub fn made_of(&self) -> String {
        let group = |group: &LayerGroup| {
            let LayerGroup { layers, numbers_per_token, window_tokens, kv_heads } = *group;
            let each = match kv_heads {
                Some(heads) if heads > 0 => {
                    format!("2 x {heads} KV heads x {}", numbers_per_token / heads / 2)
                }
                _ => format!("{numbers_per_token} latent"),
            };
            let kept = window_tokens.map(|tokens| format!(", of the last {tokens} tokens"));
            format!("{layers} layers x {each}{}", kept.unwrap_or_default())
        };
        self.groups.iter().map(group).collect::<Vec<_>>().join("; ")
    }

    /// What `config.json` says of it.
    pub(super) fn of(config: &Config) -> Result<Known<Self>, ModelError> {
        if config.is("is_encoder_decoder") == Some(true) {
            return Ok(Err("a model with an encoder is not counted".to_owned()));
        }
        let layers = match layers(config)? {
            Ok(layers) => layers,
            Err(why) => return Ok(Err(why)),
        };
        let each = match numbers_per_token(config)? {
            Ok(each) => each,
            Err(why) => return Ok(Err(why)),
        };
        // The last ones of Gemma 3n look at what others remember.
        let shared = config.number(&["num_kv_shared_layers"])?.unwrap_or_default();
        let own = layers.len().saturating_sub(usize::try_from(shared).unwrap_or(usize::MAX));
        Ok(Ok(Self::grouped(layers.into_iter().take(own).map(|layer| (layer, each)))))
    }

    /// Of layers, each with the numbers that it keeps of a token, and its heads.
    pub(super) fn grouped(layers: impl Iterator<Item = (Layer, (u64, Option<u64>))>) -> Self {
        let mut counts: BTreeMap<(Option<u64>, u64, Option<u64>), u64> = BTreeMap::new();
        let mut cache = Self::default();
        for (layer, (numbers, heads)) in layers {
            let window = match layer {
                Layer::Full => None,
                Layer::Window(tokens) => Some(tokens),
                Layer::State => {
                    cache.layers_of_state += 1;
                    continue;
                }
                Layer::Nothing => continue,
            };
            *counts.entry((window, numbers, heads)).or_default() += 1;
        }
        let group = |((window_tokens, numbers_per_token, kv_heads), layers)| LayerGroup {
            layers,
            numbers_per_token,
            window_tokens,
            kv_heads,
        };
        cache.groups = counts.into_iter().map(group).collect();
        cache
    }
}

/// What a layer keeps of a token, and how many heads that is of.
fn numbers_per_token(config: &Config) -> Result<Known<(u64, Option<u64>)>, ModelError> {
    if let Some(latent) = config.number(&["kv_lora_rank"])?.filter(|latent| *latent > 0) {
        let rope = config.number(&["qk_rope_head_dim"])?.unwrap_or_default();
        return Ok(Ok((latent + rope, None)));
    }
    let heads = match Heads::of(config)? {
        Ok(heads) => heads,
        Err(why) => return Ok(Err(why)),
    };
    Ok(Ok((2 * heads.kv * heads.head_dim, Some(heads.kv))))
}

/// The heads of a model's attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) attention: u64,
    pub(super) kv: u64,
    pub(super) head_dim: u64,
}

impl Heads {
    pub(super) fn of(config: &Config) -> Result<Known<Self>, ModelError> {
        let attention = config.needed(&["num_attention_heads", "n_head", "n_heads"])?;
        let hidden = config.needed(&["hidden_size", "n_embd", "d_model"])?;
        let (attention, hidden) = match (attention, hidden) {
            (Ok(attention), Ok(hidden)) => (attention, hidden),
            (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
        };
        let names = ["num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num"];
        let kv = match config.number(&names)? {
            Some(kv) if kv > 0 => kv,
            _ if config.is("multi_query") == Some(true) => 1,
            _ => config.needed(&["num_key_value_heads"])?.unwrap_or(attention),
        };
        let head_dim = match config.number(&["head_dim", "kv_channels"])? {
            Some(head_dim) if head_dim > 0 => head_dim,
            _ => config.needed(&["head_dim"])?.unwrap_or(hidden / attention),
        };
        Ok(Ok(Self { attention, kv, head_dim }))
    }
}
