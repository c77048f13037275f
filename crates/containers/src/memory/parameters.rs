//! How many numbers a model consists of, counted from its `config.json`.

use super::{
    ModelError, Precision, Quantization,
    config::{Config, Known},
    kv_cache::Heads,
    layers::{Layer, layers},
    precision,
};

/// The numbers that a model consists of, by what they are for. Norms and biases are left out: some 0.1 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// From tokens to numbers, and of positions that are learned.
    pub embedding: u64,
    /// From numbers back to tokens; 0 where these are the embeddings.
    pub output: u64,
    /// Attention.
    pub attention: u64,
    /// What each token goes through between: dense layers, and experts that all tokens share.
    pub dense: u64,
    /// Experts, all of them.
    pub experts: u64,
    /// What sends tokens to experts.
    pub routers: u64,
    /// What sees pictures.
    pub vision: u64,
}

/// More than any model has; the bytes of as many numbers do not overflow.
const MOST: u128 = 1 << 56;

impl Parameters {
    /// All together.
    pub const fn total(&self) -> u64 {
        let Self { embedding, output, attention, dense, experts, routers, vision } = *self;
        embedding + output + attention + dense + experts + routers + vision
    }

    /// What they take in a precision. In one of linear layers, the rest keeps 16 bits, and so does what
    /// `quantization` leaves out.
    pub(super) fn bytes(&self, at: Precision, quantization: Option<&Quantization>) -> u64 {
        if !at.is_of_linear_layers() {
            return at.bytes(self.total());
        }
        let kept = |part: &str| quantization.is_some_and(|known| known.leaves_out(part));
        let of =
            |numbers, is_kept| precision::bytes(numbers, if is_kept { 16.0 } else { at.bits() });
        let sixteen = self.embedding + self.output + self.routers + self.vision;
        of(sixteen, true)
            + of(self.attention, kept("self_attn"))
            + of(self.dense, kept("mlp"))
            + of(self.experts, kept("experts"))
    }

    pub(super) fn of(config: &Config) -> Result<Known<Self>, ModelError> {
        let counted = match Counting::of(config)? {
            Ok(counting) => counting.counted()?,
            Err(why) => return Ok(Err(why)),
        };
        let [embedding, output, attention, dense, experts, routers, vision] = counted;
        if counted.iter().sum::<u128>() > MOST {
            return Ok(Err("config.json has more numbers than any model".to_owned()));
        }
        let small = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(Ok(Self {
            embedding: small(embedding),
            output: small(output),
            attention: small(attention),
            dense: small(dense),
            experts: small(experts),
            routers: small(routers),
            vision: small(vision),
        }))
    }
}

/// What is counted with.
struct Counting<'a> {
    config: &'a Config,
    layers: u128,
    hidden: u128,
    vocabulary: u128,
    heads: Heads,
}

impl<'a> Counting<'a> {
    fn of(config: &'a Config) -> Result<Known<Self>, ModelError> {
        if config.is("is_encoder_decoder") == Some(true) {
            return Ok(Err("a model with an encoder is not counted".to_owned()));
        }
        let layers = match layers(config)? {
            Ok(layers) => layers,
            Err(why) => return Ok(Err(why)),
        };
        if layers.iter().any(|layer| matches!(layer, Layer::State | Layer::Nothing)) {
            let why = "layers that are no attention (Mamba, linear attention) are not counted";
            return Ok(Err(why.to_owned()));
        }
        let hidden = config.needed(&["hidden_size", "n_embd", "d_model"])?;
        let vocabulary = config.needed(&["vocab_size"])?;
        Ok(match (hidden, vocabulary, Heads::of(config)?) {
            (Ok(hidden), Ok(vocabulary), Ok(heads)) => Ok(Self {
                config,
                layers: layers.len() as u128,
                hidden: hidden.into(),
                vocabulary: vocabulary.into(),
                heads,
            }),
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => Err(why),
        })
    }

    fn number(&self, names: &[&str]) -> Result<u128, ModelError> {
        Ok(self.config.number(names)?.unwrap_or_default().into())
    }

    fn is_of(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.config.kind().starts_with(kind))
    }

    /// In the order of [`Parameters`].
    fn counted(&self) -> Result<[u128; 7], ModelError> {
        let embedding = (self.vocabulary + self.positions()?) * self.hidden;
        let output = if self.is_tied() { 0 } else { self.vocabulary * self.hidden };
        let attention = self.attention()? * self.layers;
        let of_experts = self.layers_of_experts()?;
        let dense = self.dense()? * (self.layers - of_experts) + self.shared()? * of_experts;
        let experts = self.experts()? * self.expert()? * of_experts;
        let routers = self.experts()? * self.hidden * of_experts;
        Ok([embedding, output, attention, dense, experts, routers, self.vision()?])
    }

    /// Positions that are learned, of models from before rotary ones.
    fn positions(&self) -> Result<u128, ModelError> {
        match self.is_of(&["gpt2", "gpt_bigcode", "opt"]) {
            true => self.number(&["max_position_embeddings", "n_positions"]),
            false => Ok(0),
        }
    }

    /// Whether the output's layer is the embeddings; where nothing is said, as the kind's class has it.
    fn is_tied(&self) -> bool {
        const TIED: [&str; 8] =
            ["gemma", "gpt2", "gpt_bigcode", "opt", "bloom", "falcon", "cohere", "starcoder2"];
        self.config.is("tie_word_embeddings").unwrap_or_else(|| self.is_of(&TIED))
    }

    fn attention(&self) -> Result<u128, ModelError> {
        let Heads { attention, kv, head_dim } = self.heads;
        let (heads, kv, head_dim) = (u128::from(attention), u128::from(kv), u128::from(head_dim));
        let latent = self.number(&["kv_lora_rank"])?;
        if latent == 0 {
            return Ok(2 * self.hidden * (heads + kv) * head_dim);
        }
        let rope = self.number(&["qk_rope_head_dim"])?;
        let nope = self.number(&["qk_nope_head_dim"])?;
        let values = self.number(&["v_head_dim"])?;
        let query = match self.number(&["q_lora_rank"])? {
            0 => self.hidden * heads * (nope + rope),
            rank => rank * (self.hidden + heads * (nope + rope)),
        };
        let keys = self.hidden * (latent + rope) + latent * heads * (nope + values);
        Ok(query + keys + heads * values * self.hidden)
    }

    /// Matrices of a dense layer or an expert: one goes in, one comes out, and one is a gate.
    fn matrices(&self) -> u128 {
        const WITHOUT_GATE: [&str; 10] = [
            "gpt2",
            "gpt_bigcode",
            "gpt_neox",
            "gptj",
            "opt",
            "bloom",
            "falcon",
            "phi",
            "starcoder2",
            "nemotron",
        ];
        // Phi-3 has one.
        let has_gate = self.is_of(&["phi3", "phi4", "phimoe"]) || !self.is_of(&WITHOUT_GATE);
        if has_gate { 3 } else { 2 }
    }

    fn between(&self, width: u128) -> u128 {
        self.matrices() * self.hidden * width
    }

    fn dense(&self) -> Result<u128, ModelError> {
        // Llama 4's experts have the name that others' dense layers have.
        let names =
            ["intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"];
        Ok(match self.number(&names)? {
            0 => self.between(4 * self.hidden),
            width => self.between(width),
        })
    }

    fn experts(&self) -> Result<u128, ModelError> {
        self.number(&["num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"])
    }

    fn expert(&self) -> Result<u128, ModelError> {
        let width =
            self.number(&["moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size"])?;
        Ok(self.between(width))
    }

    /// Experts that all tokens go through.
    fn shared(&self) -> Result<u128, ModelError> {
        let width =
            match self.number(&["shared_expert_intermediate_size", "shared_intermediate_size"])? {
                0 if self.is_of(&["llama4"]) => self.number(&["intermediate_size"])?,
                0 => {
                    let shared = self.number(&["n_shared_experts", "num_shared_experts"])?;
                    shared * self.number(&["moe_intermediate_size"])?
                }
                width => width,
            };
        Ok(self.between(width))
    }

    fn layers_of_experts(&self) -> Result<u128, ModelError> {
        if self.experts()? == 0 {
            return Ok(0);
        }
        let first = self.config.number(&["first_k_dense_replace"])?.unwrap_or_default();
        let step = ["decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq"];
        let list = self.config.numbers("moe_layer_freq");
        let step = if list.is_some() { None } else { self.config.number(&step)? };
        let step = step.filter(|step| *step > 0).unwrap_or(1);
        let dense = self.config.numbers("mlp_only_layers").unwrap_or_default();
        let is_of_experts = |layer: u64| match &list {
            Some(list) => usize::try_from(layer).ok().and_then(|n| list.get(n)) == Some(&1),
            None => layer >= first && (layer + 1).is_multiple_of(step) && !dense.contains(&layer),
        };
        let layers = u64::try_from(self.layers).unwrap_or_default();
        Ok((0..layers).filter(|layer| is_of_experts(*layer)).count() as u128)
    }

    /// Its transformer: a vision part of another kind is counted by its width and depth all the same.
    fn vision(&self) -> Result<u128, ModelError> {
        let number = |names: &[&str]| {
            self.config.of_vision(names).map(|number| u128::from(number.unwrap_or_default()))
        };
        let hidden = number(&["embed_dim", "hidden_size", "vt_hidden_size", "width"])?;
        let width = number(&["intermediate_size", "vt_intermediate_size"])?;
        let layers = number(&["num_hidden_layers", "vt_num_hidden_layers", "depth", "layers"])?;
        Ok(layers * (4 * hidden * hidden + 2 * hidden * width))
    }
}
