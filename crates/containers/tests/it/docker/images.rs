//! Images that are made from nothing: a program, or a file of any size.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    process::Command,
};

use bollard::{
    Docker as Client,
    auth::DockerCredentials,
    body_full,
    query_parameters::{
        CreateImageOptionsBuilder, ListImagesOptions, PushImageOptionsBuilder,
        RemoveImageOptionsBuilder,
    },
};
use futures_util::TryStreamExt;
use tokio::sync::Mutex;

const SOURCE: &str = include_str!("../../data/server.rs");

/// The image of the server, made where it is not there. It stays, for the next time.
pub(crate) async fn server(client: &Client) -> String {
    static MAKING: Mutex<()> = Mutex::const_new(());
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    let (name, tag) = ("inferbench-test/server", format!("{:016x}", hasher.finish()));
    let image = format!("{name}:{tag}");
    let _making = MAKING.lock().await;
    if client.inspect_image(&image).await.is_err() {
        import(client, name, &tag, "server", &program()).await;
    }
    image
}

/// The server, linked so that it needs no file beside.
fn program() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let [source, program] = ["server.rs", "server"].map(|name| folder.path().join(name));
    fs::write(&source, SOURCE).unwrap();
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let built = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
        ])
        .args(["--target", host.trim(), "-o"])
        .args([&program, &source])
        .status();
    assert!(built.unwrap().success());
    fs::read(program).unwrap()
}

/// An image of one file, which it starts.
pub(crate) async fn import(client: &Client, name: &str, tag: &str, file: &str, bytes: &[u8]) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, file, bytes).unwrap();
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(name)
        .tag(tag)
        .changes(vec![format!("ENTRYPOINT [\"/{file}\"]")])
        .build();
    let body = body_full(archive.into_inner().unwrap().into());
    client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.unwrap();
}

/// Brings an image to the registry that its name says, and removes it here.
pub(crate) async fn push(client: &Client, name: &str, tag: &str, login: Option<DockerCredentials>) {
    let options = PushImageOptionsBuilder::new().tag(tag).build();
    client.push_image(name, Some(options), login).try_collect::<Vec<_>>().await.unwrap();
    remove(client, &format!("{name}:{tag}")).await;
}

pub(crate) async fn remove(client: &Client, image: &str) {
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    client.remove_image(image, Some(options), None).await.unwrap();
}

/// Removes all whose names hold a word.
pub(crate) async fn remove_all(client: &Client, word: &str) {
    for image in client.list_images(None::<ListImagesOptions>).await.unwrap() {
        if image.repo_tags.iter().chain(&image.repo_digests).any(|name| name.contains(word)) {
            remove(client, &image.id).await;
        }
    }
}

/// Bytes that no compression makes fewer, the same for a seed.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = 2 * seed + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next()).collect()
}
