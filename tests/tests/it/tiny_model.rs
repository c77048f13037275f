//! A model with random numbers for weights, for servers that others wrote: half a megabyte that says noise.
//!
//! The file is GGUF (version 3): a head of names and values, the shapes of the tensors, and their numbers.

use std::{fmt::Debug, iter};

/// Tokens that a sequence may have.
pub(crate) const CONTEXT: u32 = 8192;

const WIDTH: usize = 64;
const HIDDEN: usize = 128;
const LAYERS: usize = 2;

/// Tokens that stand for no text, then one for each byte, which a text without odd characters needs none of.
const CONTROL: [&str; 3] = ["<unk>", "<s>", "</s>"];
const BYTES: usize = 256;
const END: usize = 2;

/// Every token that it says is a character, never a byte, which might be half of one. After a letter it says
/// the end, unless it may not: so it is seen whether a server keeps to a length, and no answer is empty.
pub(crate) fn gguf() -> Vec<u8> {
    let mut tokens: Vec<String> = CONTROL.map(str::to_owned).into();
    tokens.extend((0..BYTES).map(|byte| format!("<0x{byte:02X}>")));
    tokens.push('\u{2581}'.to_string());
    tokens.extend(('!'..='~').map(String::from));
    // Unknown, control, byte, normal.
    let kinds = [2, 3, 3].into_iter().chain(iter::repeat_n(6, BYTES)).chain(iter::repeat(1));
    let kinds: Vec<i32> = kinds.take(tokens.len()).collect();

    let mut values = Values::default();
    values.text("general.architecture", "llama");
    values.number("llama.context_length", CONTEXT);
    values.number("llama.embedding_length", WIDTH);
    values.number("llama.block_count", LAYERS);
    values.number("llama.feed_forward_length", HIDDEN);
    values.number("llama.attention.head_count", 2_u32);
    values.put("llama.attention.layer_norm_rms_epsilon", 6, &1e-5_f32.to_le_bytes());
    values.text("tokenizer.ggml.model", "llama");
    values.list("tokenizer.ggml.tokens", 8, tokens.iter().map(|token| text(token)));
    values.list("tokenizer.ggml.scores", 6, tokens.iter().map(|_| [0; 4].into()));
    values.list("tokenizer.ggml.token_type", 5, kinds.iter().map(|kind| kind.to_le_bytes().into()));

    let tensors = tensors(&tokens);
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend(values.count.to_le_bytes());
    file.extend(values.bytes);
    let mut numbers = Vec::new();
    for (name, shape, tensor) in tensors {
        file.extend(text(&format!("{name}.weight")));
        file.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
        file.extend(shape.iter().flat_map(|&length| (length as u64).to_le_bytes()));
        // As they are: 32 bits each.
        file.extend(0_u32.to_le_bytes());
        file.extend((numbers.len() as u64).to_le_bytes());
        numbers.extend(tensor.iter().flat_map(|number| number.to_le_bytes()));
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(numbers);
    file
}

type Tensor = (String, Vec<usize>, Vec<f32>);

fn tensors(tokens: &[String]) -> Vec<Tensor> {
    let mut random = random();
    let mut matrix = |name: String, width: usize, height: usize, scale: f32| {
        let numbers = random.by_ref().take(width * height).map(|number| scale * number);
        (name, vec![width, height], numbers.collect::<Vec<_>>())
    };
    let ones = |name: String| (name, vec![WIDTH], vec![1.0; WIDTH]);
    let mut input = matrix("token_embd".to_owned(), WIDTH, tokens.len(), 0.3);
    let mut output = matrix("output".to_owned(), WIDTH, tokens.len(), 0.3);
    output.2[..WIDTH * (CONTROL.len() + BYTES)].fill(0.0);
    // The first number of a token tells whether it is a letter, and of that alone the end is made.
    for (row, token) in input.2.chunks_mut(WIDTH).zip(tokens) {
        let letter = token.len() == 1 && token.starts_with(|c: char| c.is_ascii_alphabetic());
        row[0] = if letter { 0.5 } else { -0.5 };
    }
    output.2[WIDTH * END] = 30.0;
    let mut tensors = vec![input, output, ones("output_norm".to_owned())];
    for layer in 0..LAYERS {
        let name = |part| format!("blk.{layer}.{part}");
        tensors.extend(["attn_norm", "ffn_norm"].map(|part| ones(name(part))));
        for part in ["attn_q", "attn_k", "attn_v"] {
            tensors.push(matrix(name(part), WIDTH, WIDTH, 0.3));
        }
        // What a layer adds is little, so that the first number stays what it was.
        tensors.push(matrix(name("attn_output"), WIDTH, WIDTH, 0.01));
        tensors.push(matrix(name("ffn_gate"), WIDTH, HIDDEN, 0.3));
        tensors.push(matrix(name("ffn_up"), WIDTH, HIDDEN, 0.3));
        tensors.push(matrix(name("ffn_down"), HIDDEN, WIDTH, 0.01));
    }
    tensors
}

/// Numbers from -1 to 1, always the same (xorshift).
fn random() -> impl Iterator<Item = f32> {
    let mut state = 42_u32;
    iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0
    })
}

/// Names and what they stand for, as GGUF writes them.
#[derive(Default)]
struct Values {
    count: u64,
    bytes: Vec<u8>,
}

impl Values {
    fn put(&mut self, name: &str, kind: u32, value: &[u8]) {
        self.count += 1;
        self.bytes.extend(text(name));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.put(name, 8, &text(value));
    }

    fn number(&mut self, name: &str, value: impl TryInto<u32, Error: Debug>) {
        self.put(name, 4, &value.try_into().unwrap().to_le_bytes());
    }

    fn list(&mut self, name: &str, kind: u32, items: impl ExactSizeIterator<Item = Vec<u8>>) {
        let mut list = kind.to_le_bytes().to_vec();
        list.extend((items.len() as u64).to_le_bytes());
        list.extend(items.flatten());
        self.put(name, 9, &list);
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}
