use proptest::prelude::*;

use super::*;
use crate::memory::Model;

/// A header in the making.
#[derive(Default)]
struct Making {
    entries: Vec<u8>,
    count: u64,
}

impl Making {
    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.entries.extend(text(key));
        self.entries.extend(kind.to_le_bytes());
        self.entries.extend(value);
        self.count += 1;
        self
    }

    fn number(self, key: &str, number: u32) -> Self {
        self.entry(key, 4, &number.to_le_bytes())
    }

    fn words(self, key: &str, words: &[&str]) -> Self {
        let list = [8_u32.to_le_bytes().to_vec(), (words.len() as u64).to_le_bytes().to_vec()];
        let words = words.iter().map(|word| text(word));
        self.entry(key, 9, &list.into_iter().chain(words).collect::<Vec<_>>().concat())
    }

    /// With one tensor of so many numbers, and so many bytes of it.
    fn file(self, numbers: u64, bytes: usize) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend(self.count.to_le_bytes());
        file.extend(self.entries);
        file.extend(text("token_embd.weight"));
        file.extend(2_u32.to_le_bytes());
        file.extend([numbers / 2, 2].map(u64::to_le_bytes).concat());
        file.extend([12_u32.to_le_bytes().as_slice(), &0_u64.to_le_bytes()].concat());
        file.resize(file.len().next_multiple_of(32) + bytes, 0);
        file
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// As llama.cpp's converter writes Llama 3.1 8B.
fn llama() -> Making {
    Making::default()
        .entry("general.architecture", 8, &text("llama"))
        .number("general.file_type", 15)
        .number("llama.block_count", 32)
        .number("llama.context_length", 131_072)
        .number("llama.embedding_length", 4_096)
        .number("llama.feed_forward_length", 14_336)
        .number("llama.attention.head_count", 32)
        .number("llama.attention.head_count_kv", 8)
        .entry("llama.rope.freq_base", 6, &500_000_f32.to_le_bytes())
        .words("tokenizer.ggml.tokens", &["<s>", "a", ""])
}

fn model(bytes: &[u8]) -> Result<Model, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    Model::named(&path)
}

#[test]
fn a_header_tells_the_model() {
    let model = model(&llama().file(1_000, 700)).unwrap();
    assert_eq!(model.weights.as_ref().unwrap().bytes, Some(700));
    assert_eq!((model.parameters, model.context_tokens), (Ok(1_000), Some(131_072)));
    let bf16 = "bf16".parse().unwrap();
    assert_eq!(model.kv_cache.unwrap().bytes_per_token(bf16, 1), 131_072);
    let quantization = model.quantization.unwrap();
    assert_eq!((quantization.label.as_str(), quantization.method.as_str()), ("q4_k_m", "gguf"));
}

#[test]
fn layers_may_differ_and_some_see_a_window_alone() {
    let list = |numbers: &[u32]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let count = numbers.len() as u64 / 4;
        [&4_u32.to_le_bytes()[..], &count.to_le_bytes(), &numbers].concat()
    };
    let made = Making::default()
        .entry("general.architecture", 8, &text("gemma3"))
        .number("gemma3.block_count", 6)
        .number("gemma3.embedding_length", 1_152)
        .number("gemma3.attention.key_length", 256)
        .number("gemma3.attention.value_length", 256)
        .number("gemma3.attention.sliding_window", 512)
        .entry("gemma3.attention.head_count", 9, &list(&[4; 6]))
        .entry("gemma3.attention.head_count_kv", 9, &list(&[1, 1, 1, 0, 1, 2]));
    let cache = model(&made.file(2, 32)).unwrap().kv_cache.unwrap();
    let bf16 = "bf16".parse().unwrap();
    assert_eq!(cache.layers_of_state, 1);
    assert_eq!(cache.bytes_per_token(bf16, 1), 2 * 512 * 2, "the last layer alone");
    let windows: Vec<_> = cache.groups.iter().filter_map(|group| group.window_tokens).collect();
    assert_eq!(windows, [512]);
}

#[test]
fn a_model_in_parts_is_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let part = |number| folder.path().join(format!("m-0000{number}-of-00002.gguf"));
    fs::write(part(1), llama().file(10, 100)).unwrap();
    let halved = Model::named(folder.path()).unwrap();
    assert_eq!(halved.weights.unwrap().bytes, None);
    assert_eq!(halved.notes, ["1 of its 2 files are not there"]);
    fs::write(part(2), Making::default().file(20, 60)).unwrap();
    let whole = Model::named(folder.path()).unwrap();
    assert_eq!((whole.weights.unwrap().bytes, whole.parameters), (Some(160), Ok(30)));
    fs::write(folder.path().join("other.gguf"), llama().file(10, 100)).unwrap();
    fs::write(folder.path().join("mmproj-f16.gguf"), llama().file(10, 100)).unwrap();
    let several = Model::named(folder.path()).unwrap_err().to_string();
    assert!(several.ends_with("several models: m-00001-of-00002.gguf, other.gguf"), "{several}");
}

#[test]
fn what_is_made_up_is_refused() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = llama().file(10, 100);
        change(&mut file);
        model(&file).unwrap_err().to_string()
    };
    let most = &u64::MAX.to_le_bytes();
    assert!(with(&|file| file[0] = b'X').contains("no GGUF file"));
    assert!(with(&|file| file[4] = 9).contains("version 9"));
    assert!(with(&|file| file[8..16].copy_from_slice(most)).contains("tensors"));
    assert!(with(&|file| file[16..24].copy_from_slice(most)).contains("entries"));
    assert!(with(&|file| file[24..32].copy_from_slice(most)).contains("a name of"));
    let unknown = Making::default().entry("a", 77, &[]).file(1, 1);
    assert!(model(&unknown).unwrap_err().to_string().contains("unknown kind"));
    let list = [&5_u32.to_le_bytes()[..], most].concat();
    let endless = Making::default().entry("a", 9, &list).file(1, 1);
    assert!(model(&endless).unwrap_err().to_string().contains("cut off"));
    let words = [&8_u32.to_le_bytes()[..], most].concat();
    let endless = Making::default().entry("a", 9, &words).file(1, 1);
    assert!(model(&endless).unwrap_err().to_string().contains("a list of"));
}

#[test]
fn a_file_that_is_cut_off_within_its_header_says_so() {
    let file = llama().file(10, 100);
    for length in 0..file.len() - 100 {
        let error = model(&file[..length]).unwrap_err().to_string();
        assert!(error.contains("cut off"), "{length}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_header_does_harm(changes in prop::collection::vec((0_usize..600, any::<u8>()), 1..8)) {
        let mut file = llama().file(10, 100);
        for (at, byte) in changes {
            let length = file.len();
            file[at % length] = byte;
        }
        if let Ok(model) = model(&file) {
            let asked = crate::memory::AskedMemory { gpu: "H100".parse().ok(), ..Default::default() };
            let _ = crate::memory::Estimate::of(&model, &asked);
        }
    }
}
