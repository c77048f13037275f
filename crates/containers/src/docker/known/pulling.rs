//! What engines and registries say of a pull.

use super::{Known, known};
use crate::Cause;

const LOGIN: &str = "log in with an account that may have it: {program} login {registry}; or mend the name, for registries \
                     say the same of what they do not have";
const DENIED: &str = "{registry} does not let {image} be pulled without another login";
const NETWORK: &str = "see whether this machine reaches it: curl -I https://{registry}/v2/; behind a proxy, the engine \
                       needs it set: https://docs.docker.com/engine/daemon/proxy/. An image that is here already \
                       starts without";
const UNREACHABLE: &str = "{engine} could not reach {registry}";

/// What is said of a pull.
pub(in crate::docker) const PULLING: [Known; 26] = [
    known(
        &["no matching manifest for"],
        Cause::ImageMissing,
        "there is no {image} for this machine's kind of processor",
        "give an image that is made for it, with --image",
    ),
    known(
        &["no image found in image index for architecture"],
        Cause::ImageMissing,
        "there is no {image} for this machine's kind of processor",
        "give an image that is made for it, with --image",
    ),
    known(
        &["may require 'docker login'"],
        Cause::ImageDenied,
        "{registry} has no {image}, or does not let it be pulled without a login",
        "see whether the name is right; if it is, log in: {program} login {registry}",
    ),
    known(&["manifest unknown"], Cause::ImageMissing, MISSING, NAME),
    known(&["name unknown"], Cause::ImageMissing, MISSING, NAME),
    known(&["manifest for", "not found"], Cause::ImageMissing, MISSING, NAME),
    known(
        &["invalid reference format"],
        Cause::ImageMissing,
        "{image} is no name of an image",
        NAME,
    ),
    known(&["toomanyrequests"], Cause::RateLimited, LIMITED, LATER),
    known(&["too many requests"], Cause::RateLimited, LIMITED, LATER),
    known(&["rate limit"], Cause::RateLimited, LIMITED, LATER),
    known(&["no basic auth credentials"], Cause::ImageDenied, DENIED, LOGIN),
    known(&["unauthorized"], Cause::ImageDenied, DENIED, LOGIN),
    known(&["authentication required"], Cause::ImageDenied, DENIED, LOGIN),
    known(&["incorrect username or password"], Cause::ImageDenied, DENIED, LOGIN),
    known(&["requested access to the resource is denied"], Cause::ImageDenied, DENIED, LOGIN),
    known(&["payment required"], Cause::ImageDenied, DENIED, LOGIN),
    known(&["forbidden"], Cause::ImageDenied, DENIED, LOGIN),
    known(
        &["server gave http response to https client"],
        Cause::RegistryUnreachable,
        "{registry} does not speak TLS",
        "let the engine do without: \"insecure-registries\": [\"{registry}\"] in /etc/docker/daemon.json, and restart it",
    ),
    known(
        &["x509:"],
        Cause::RegistryUnreachable,
        "{engine} does not trust the certificate of {registry}",
        "put the certificate of who signed it at /etc/docker/certs.d/{registry}/ca.crt; see that this machine's clock \
         is right",
    ),
    known(&["no such host"], Cause::RegistryUnreachable, UNREACHABLE, NETWORK),
    known(&["name resolution"], Cause::RegistryUnreachable, UNREACHABLE, NETWORK),
    known(&["connection re"], Cause::RegistryUnreachable, UNREACHABLE, NETWORK),
    known(&["timeout"], Cause::RegistryUnreachable, UNREACHABLE, NETWORK),
    known(&["unreachable"], Cause::RegistryUnreachable, UNREACHABLE, NETWORK),
    known(&["context deadline exceeded"], Cause::RegistryUnreachable, UNREACHABLE, NETWORK),
    known(&["eof"], Cause::RegistryUnreachable, "{registry} broke off the pull of {image}", AGAIN),
];

const MISSING: &str = "{registry} has no {image}";
const NAME: &str = "see whether the name and the tag are right, and give another with --image";
const LIMITED: &str = "{registry} gives this address no more images for now";
const LATER: &str = "log in, which raises the limit: {program} login {registry}; or wait. An image that is here already \
                     starts without";
const AGAIN: &str = "try again: layers that are here already are not pulled again";

#[cfg(test)]
mod tests {
    use super::{super::testing::about, *};
    use crate::docker::refusal::Refusal;

    #[test]
    fn what_is_said_of_a_pull_is_known() {
        use Cause::*;
        let cases = [
            (
                "manifest for r/i:9 not found: manifest unknown: manifest unknown",
                ImageMissing,
                "the tag",
            ),
            (
                "pull access denied for i, repository does not exist or may require 'docker login': denied: requested \
                 access to the resource is denied",
                ImageDenied,
                "docker login",
            ),
            (
                "no matching manifest for linux/arm64/v8 in the manifest list entries",
                ImageMissing,
                "--image",
            ),
            (
                "Head \"http://r/v2/i/manifests/1\": no basic auth credentials",
                ImageDenied,
                "docker login r",
            ),
            ("unauthorized: authentication required", ImageDenied, "docker login r"),
            (
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
                RateLimited,
                "docker login",
            ),
            (
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
                RegistryUnreachable,
                "proxy",
            ),
            (
                "Get \"http://127.0.0.1:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
                RegistryUnreachable,
                "curl -I",
            ),
            ("unexpected EOF", RegistryUnreachable, "try again"),
            (
                "http: server gave HTTP response to HTTPS client",
                RegistryUnreachable,
                "insecure-registries",
            ),
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                RegistryUnreachable,
                "/etc/docker/certs.d/r/ca.crt",
            ),
            (
                "failed to register layer: write /weights: no space left on device",
                DiskFull,
                "docker image prune",
            ),
            ("something new", Backend, "journalctl"),
        ];
        for (said, cause, fix) in cases {
            let trouble = Refusal::Said(None, said.to_owned()).of_pull(&about("r", "r/i:9"));
            assert_eq!(trouble.cause, cause, "{said}");
            assert!(trouble.fix.contains(fix), "{trouble:?}");
        }
    }

    #[test]
    fn ngc_wants_its_key() {
        let denied =
            "unauthorized: <html>\r\n<head><title>401 Authorization Required</title></head>";
        let about = about("nvcr.io", "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8");
        let trouble = Refusal::Said(Some(500), denied.to_owned()).of_pull(&about);
        assert_eq!(trouble.cause, Cause::ImageDenied);
        assert!(
            trouble.fix.contains("NGC_API_KEY") && trouble.fix.contains("docker login nvcr.io")
        );
    }
}
