//! Names of images.

/// The parts of an image's name.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// Such as `nvcr.io`; `None` where it is left out.
    registry: Option<&'a str>,
    /// Such as `nim/meta/llama-3.1-8b-instruct`.
    repository: &'a str,
    /// `:TAG`, `@DIGEST`, both or nothing.
    version: &'a str,
}

fn parts(image: &str) -> Parts<'_> {
    let digest = image.find('@').unwrap_or(image.len());
    let slash = image[..digest].rfind('/').unwrap_or(0);
    let version = image[slash..digest].find(':').map_or(digest, |colon| slash + colon);
    let (name, version) = image.split_at(version);
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, name),
    };
    Parts { registry, repository, version }
}

/// The whole name: in `registry` where it says none, with `suffix` at its end, with a tag.
pub(super) fn full(image: &str, registry: Option<&str>, suffix: Option<&str>) -> String {
    let Parts { registry: own, repository, version } = parts(image);
    let prefix = match own {
        Some(own) => format!("{own}/"),
        // `nim/meta/x` and `meta/x` both are within `nvcr.io/nim`.
        None => registry
            .map(|registry| match registry.rsplit_once('/') {
                Some((host, team)) if repository.starts_with(&format!("{team}/")) => {
                    format!("{host}/")
                }
                _ => format!("{registry}/"),
            })
            .unwrap_or_default(),
    };
    let suffix = suffix.filter(|suffix| !repository.ends_with(suffix)).unwrap_or_default();
    let version = if version.is_empty() { ":latest" } else { version };
    format!("{prefix}{repository}{suffix}{version}")
}

/// With the registry that Docker takes where none is named: Podman asks which one is meant.
pub(super) fn qualified(image: &str) -> String {
    match parts(image) {
        Parts { registry: Some(_), .. } => image.to_owned(),
        Parts { repository, .. } if repository.contains('/') => format!("docker.io/{image}"),
        Parts { .. } => format!("docker.io/library/{image}"),
    }
}

/// What the model in an image is called: `meta/llama-3.1-8b-instruct`.
pub(super) fn model_name(image: &str, suffix: Option<&str>) -> String {
    let repository = parts(image).repository;
    let mut last = repository.rsplit('/').take(2).collect::<Vec<_>>();
    last.reverse();
    let name = last.join("/");
    suffix.and_then(|suffix| name.strip_suffix(suffix)).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_in_a_registry() {
        let nim = |image: &str| full(image, Some("nvcr.io/nim"), None);
        assert_eq!(nim("meta/llama:1.2"), "nvcr.io/nim/meta/llama:1.2");
        assert_eq!(nim("nim/meta/llama"), "nvcr.io/nim/meta/llama:latest");
        assert_eq!(nim("localhost:5000/a/llama"), "localhost:5000/a/llama:latest");
        assert_eq!(nim("nvcr.io/nim/a/b@sha256:00"), "nvcr.io/nim/a/b@sha256:00");
        assert_eq!(nim("a.b/c:1@sha256:00"), "a.b/c:1@sha256:00");
        let spark = |image: &str| full(image, Some("nvcr.io/nim"), Some("-dgx-spark"));
        assert_eq!(spark("meta/llama"), "nvcr.io/nim/meta/llama-dgx-spark:latest");
        assert_eq!(spark("meta/llama-dgx-spark:1"), "nvcr.io/nim/meta/llama-dgx-spark:1");
    }

    #[test]
    fn a_registry_is_named_to_podman() {
        assert_eq!(qualified("vllm/vllm-openai:v1"), "docker.io/vllm/vllm-openai:v1");
        assert_eq!(qualified("alpine"), "docker.io/library/alpine");
        assert_eq!(qualified("nvcr.io/a/b:1"), "nvcr.io/a/b:1");
        assert_eq!(qualified("localhost/a"), "localhost/a");
    }

    #[test]
    fn a_model_is_named_after_its_image() {
        let name = |image| model_name(image, Some("-dgx-spark"));
        assert_eq!(name("nvcr.io/nim/meta/llama:1.2"), "meta/llama");
        assert_eq!(name("meta/llama-dgx-spark"), "meta/llama");
        assert_eq!(name("localhost:5000/llama@sha256:00"), "llama");
    }
}
