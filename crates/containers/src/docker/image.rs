//! Names of images.

/// The name of an image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Whom it comes from, such as `nvcr.io`; `docker.io` if it does not say.
    pub(super) registry: String,
    /// Without tag and digest.
    pub(super) repository: String,
    /// With a tag or a digest: without either, an engine would pull every tag.
    pub(super) whole: String,
}

impl Reference {
    /// Of a name as users write it.
    pub(super) fn of(image: &str) -> Self {
        let (name, is_pinned) = match image.split_once('@') {
            Some((name, _)) => (name, true),
            None => (image, false),
        };
        let after_path = name.rfind('/').map_or(0, |slash| slash + 1);
        let tag = name[after_path..].find(':').map(|colon| after_path + colon);
        let repository = &name[..tag.unwrap_or(name.len())];
        let whole = match tag.is_some() || is_pinned {
            true => image.to_owned(),
            false => format!("{image}:latest"),
        };
        let registry = match name.split_once('/') {
            Some((first, _)) if is_host(first) => first,
            _ => "docker.io",
        };
        Self { registry: registry.to_owned(), repository: repository.to_owned(), whole }
    }

    /// The digest under which the registry has it, of those that are known of an image.
    pub(super) fn digest(&self, known: &[String]) -> Option<String> {
        let pairs = || known.iter().filter_map(|known| known.split_once('@'));
        // An engine may write `docker.io/library/` before what users leave it out of.
        let is_own = |name: &str| {
            let before = name.strip_suffix(self.repository.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let own = pairs().find(|(name, _)| is_own(name)).or_else(|| pairs().next());
        own.map(|(_, digest)| digest.to_owned())
    }
}

/// Whether the first part of a name is a registry, as Docker tells.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        let cases = [
            ("ubuntu", "docker.io", "ubuntu", "ubuntu:latest"),
            (
                "vllm/vllm-openai:v0.15.1",
                "docker.io",
                "vllm/vllm-openai",
                "vllm/vllm-openai:v0.15.1",
            ),
            (
                "nvcr.io/nim/meta/llama:1",
                "nvcr.io",
                "nvcr.io/nim/meta/llama",
                "nvcr.io/nim/meta/llama:1",
            ),
            ("127.0.0.1:5000/a", "127.0.0.1:5000", "127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
            ("localhost/a:1", "localhost", "localhost/a", "localhost/a:1"),
            ("a:1@sha256:ab", "docker.io", "a", "a:1@sha256:ab"),
            ("a@sha256:ab", "docker.io", "a", "a@sha256:ab"),
            ("", "docker.io", "", ":latest"),
        ];
        for (image, registry, repository, whole) in cases {
            let expected = Reference {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                whole: whole.to_owned(),
            };
            assert_eq!(Reference::of(image), expected, "{image}");
        }
    }

    #[test]
    fn the_digest_is_of_the_registry_that_was_asked() {
        let known = ["mirror/ba@sha256:1", "docker.io/library/a@sha256:2"].map(str::to_owned);
        assert_eq!(Reference::of("a:1").digest(&known).unwrap(), "sha256:2");
        assert_eq!(Reference::of("c").digest(&known).unwrap(), "sha256:1");
        assert_eq!(Reference::of("c").digest(&[]), None);
    }
}
