//! What engines and registries say, and what each of it means.

use super::refusal::About;
use crate::{Cause, Trouble};

/// Words that are known.
#[derive(Debug)]
pub(super) struct Known {
    /// All of these are said, in whatever case.
    words: &'static [&'static str],
    pub(super) cause: Cause,
    /// With `{image}`, `{registry}`, `{name}`, `{port}` and `{engine}`.
    what: &'static str,
    fix: &'static str,
}

impl Known {
    /// What it means here.
    pub(super) fn trouble(&self, said: &str, about: &About<'_>) -> Trouble {
        let port =
            about.port.map_or_else(|| "that it asks for".to_owned(), |port| port.to_string());
        let filled = |text: &str| {
            text.replace("{image}", about.image)
                .replace("{registry}", about.registry)
                .replace("{name}", about.name)
                .replace("{port}", &port)
                .replace("{engine}", about.engine)
        };
        let is_ngc = self.cause == Cause::ImageDenied && about.registry == "nvcr.io";
        let fix = if is_ngc { NGC_LOGIN } else { self.fix };
        Trouble::new(self.cause, filled(self.what)).said(said).fix(filled(fix))
    }
}

/// The first of a table that is said.
pub(super) fn find<'t>(table: &'t [Known], said: &str) -> Option<&'t Known> {
    let said = said.to_lowercase();
    table.iter().find(|known| known.words.iter().all(|words| said.contains(words)))
}

const fn known(
    words: &'static [&'static str],
    cause: Cause,
    what: &'static str,
    fix: &'static str,
) -> Known {
    Known { words, cause, what, fix }
}

const NGC_LOGIN: &str = "set NGC_API_KEY to a key of https://org.ngc.nvidia.com/setup/api-keys whose account may use \
                         {image}, or log in: docker login nvcr.io, as the user $oauthtoken";
const LOGIN: &str = "log in with an account that may have it: docker login {registry}; or mend the name, for registries \
                     say the same of what they do not have";
const DENIED: &str = "{registry} does not let {image} be pulled without another login";
const NETWORK: &str = "see whether this machine reaches it: curl -I https://{registry}/v2/; behind a proxy, the engine \
                       needs it set: https://docs.docker.com/engine/daemon/proxy/. An image that is here already \
                       starts without";
const UNREACHABLE: &str = "{engine} could not reach {registry}";

/// What is said of a pull.
pub(super) const PULLING: [Known; 26] = [
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
        "see whether the name is right; if it is, log in: docker login {registry}",
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
const LATER: &str = "log in, which raises the limit: docker login {registry}; or wait. An image that is here already \
                     starts without";
const AGAIN: &str = "try again: layers that are here already are not pulled again";

const TOOLKIT: &str = "install the NVIDIA Container Toolkit (package nvidia-container-toolkit), then: \
                       sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker. \
                       Without a GPU: --gpus none";
const CDI: &str = "have the GPUs described: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; \
                   `nvidia-ctk cdi list` shows them";
const NO_GPUS: &str = "{engine} cannot give containers GPUs";
const DRIVER: &str = "the driver of the GPUs does not work on this machine";
const DRIVER_FIX: &str = "`nvidia-smi` has to work here first: install the driver, load it (sudo modprobe nvidia), or \
                          reboot after it was updated";
const LIMIT: &str = "this machine does not let containers have the limit that {name} asks for";
const LIMIT_FIX: &str = "raise the engine's own: sudo systemctl edit docker, with LimitMEMLOCK=infinity and \
                         LimitNOFILE=infinity under [Service], and restart it; or ask for less";
const NO_PROGRAM: &str = "{image} has no program of the name that it is to start";
const OTHER_PROGRAM: &str =
    "see what it has: docker image inspect {image}; and give the arguments, or an image, that fit";

/// What is said of a start.
pub(super) const STARTING: [Known; 26] = [
    known(
        &["port is already allocated"],
        Cause::PortTaken,
        "port {port} belongs to another container",
        "`docker ps` shows which; take that down, or give another with --port",
    ),
    known(
        &["address already in use"],
        Cause::PortTaken,
        "something on this machine listens on port {port} already",
        "`ss -ltnp` shows what; end that, or give another with --port",
    ),
    known(
        &["container name", "already in use"],
        Cause::NameTaken,
        "there is a container called {name} already",
        "take it down: inferbench down {name}, or docker rm -f {name} if it is not inferbench's; or give another with --name",
    ),
    known(
        &["no such image"],
        Cause::ImageMissing,
        "{image} is not on this machine",
        "let it be pulled: --pull missing",
    ),
    known(&["could not select device driver"], Cause::NoGpuRuntime, NO_GPUS, TOOLKIT),
    known(
        &["unknown runtime specified"],
        Cause::NoGpuRuntime,
        "{engine} has no runtime of the name that is asked for",
        TOOLKIT,
    ),
    known(
        &["unknown or invalid runtime name"],
        Cause::NoGpuRuntime,
        "{engine} has no runtime of the name that is asked for",
        TOOLKIT,
    ),
    known(&["unresolvable cdi device"], Cause::NoGpuRuntime, NO_GPUS, CDI),
    known(&["cdi device injection failed"], Cause::NoGpuRuntime, NO_GPUS, CDI),
    known(
        &["nvidia-container-cli", "unknown device"],
        Cause::Recipe,
        "this machine has no such GPU as is asked for",
        "`nvidia-smi -L` lists those that there are; give them with --gpus",
    ),
    known(
        &["unsatisfied condition"],
        Cause::GpuDriver,
        "the driver of the GPUs is too old for {image}",
        "update it, or give an older image with --image; `nvidia-smi` shows which it is",
    ),
    known(&["nvidia-container-cli"], Cause::GpuDriver, DRIVER, DRIVER_FIX),
    known(&["nvml"], Cause::GpuDriver, DRIVER, DRIVER_FIX),
    known(&["libnvidia-ml"], Cause::GpuDriver, DRIVER, DRIVER_FIX),
    known(&["error setting rlimit"], Cause::LimitDenied, LIMIT, LIMIT_FIX),
    known(&["setrlimit"], Cause::LimitDenied, LIMIT, LIMIT_FIX),
    known(
        &["exec format error"],
        Cause::BadEntrypoint,
        "{image} is made for another kind of processor",
        "give an image that is made for this machine's, with --image",
    ),
    known(
        &["exec: ", "no such file or directory"],
        Cause::BadEntrypoint,
        NO_PROGRAM,
        OTHER_PROGRAM,
    ),
    known(&["executable file", "not found"], Cause::BadEntrypoint, NO_PROGRAM, OTHER_PROGRAM),
    known(
        &["no command specified"],
        Cause::BadEntrypoint,
        "{image} does not say what to start",
        OTHER_PROGRAM,
    ),
    known(
        &["exec: ", "permission denied"],
        Cause::BadEntrypoint,
        "the program that is to be started in {image} cannot be run",
        OTHER_PROGRAM,
    ),
    known(
        &["bind source path does not exist"],
        Cause::Recipe,
        "a folder that {name} is to see is not on the engine's machine",
        "make it, or mend its path; the engine sees its own machine's folders alone",
    ),
    known(
        &["invalid container name"],
        Cause::Recipe,
        "{name} cannot be the name of a container",
        "give one of letters, digits, dots, dashes and underscores with --name",
    ),
    known(
        &["minimum memory limit"],
        Cause::Recipe,
        "{name} is to have less memory than a container can",
        "give more with --memory",
    ),
    known(
        &["iptables"],
        Cause::Backend,
        "the engine's rules of the firewall are gone",
        "restart it, which makes them anew: sudo systemctl restart docker",
    ),
    known(
        &["cannot expose privileged port"],
        Cause::PortTaken,
        "port {port} is for root alone",
        "give one above 1023 with --port",
    ),
];

/// What may be said of anything.
pub(super) const ANYWHERE: [Known; 2] = [
    known(&["no space left on device"], Cause::DiskFull, FULL, FREE),
    known(&["disk quota exceeded"], Cause::DiskFull, FULL, FREE),
];

const FULL: &str = "no space is left on the disk where {engine} keeps images";
const FREE: &str = "`docker system df` shows what takes it, `docker image prune` removes images that nothing uses; \
                    \"data-root\" in /etc/docker/daemon.json moves them to a larger disk";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::refusal::Refusal;

    fn about<'a>(registry: &'a str, image: &'a str) -> About<'a> {
        About {
            engine: "Docker",
            at: "unix:///d.sock",
            name: "a",
            image,
            registry,
            port: Some(18002),
        }
    }

    /// Engines' own words: Docker Engine 20.10, 26.1 and 28.5, Podman 4.3.
    #[test]
    fn what_is_said_of_a_start_is_known() {
        use Cause::*;
        let cases = [
            (
                "driver failed programming external connectivity on endpoint a (1f): Bind for 127.0.0.1:18002 failed: \
                 port is already allocated",
                PortTaken,
                "docker ps",
            ),
            (
                "driver failed programming external connectivity on endpoint a (1f): Error starting userland proxy: \
                 listen tcp4 127.0.0.1:18003: bind: address already in use",
                PortTaken,
                "ss -ltnp",
            ),
            (
                "Conflict. The container name \"/a\" is already in use by container \"9f\". You have to remove (or \
                 rename) that container to be able to reuse that name.",
                NameTaken,
                "inferbench down a",
            ),
            (
                "creating container storage: the container name \"a\" is already in use by 5f. You have to remove \
                 that container to be able to reuse that name: that name is already in use",
                NameTaken,
                "--name",
            ),
            ("No such image: nope:1", ImageMissing, "--pull missing"),
            (
                "could not select device driver \"\" with capabilities: [[gpu]]",
                NoGpuRuntime,
                "nvidia-ctk runtime configure --runtime=docker",
            ),
            ("Unknown runtime specified nvidia", NoGpuRuntime, "nvidia-container-toolkit"),
            ("unknown or invalid runtime name: nvidia", NoGpuRuntime, "nvidia-container-toolkit"),
            (
                "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all",
                NoGpuRuntime,
                "nvidia-ctk cdi generate",
            ),
            (
                "OCI runtime create failed: runc create failed: unable to start container process: error during \
                 container init: error running hook #0: error running hook: exit status 1, stdout: , stderr: \
                 nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown",
                GpuDriver,
                "nvidia-smi",
            ),
            (
                "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.9, please update your driver",
                GpuDriver,
                "update it",
            ),
            (
                "nvidia-container-cli: device error: 7: unknown device: unknown",
                Recipe,
                "nvidia-smi -L",
            ),
            (
                "runc create failed: unable to start container process: error setting rlimits for ready process: error \
                 setting rlimit type 8: operation not permitted: unknown",
                LimitDenied,
                "LimitMEMLOCK",
            ),
            (
                "crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted",
                LimitDenied,
                "LimitNOFILE",
            ),
            (
                "runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or \
                 directory: unknown",
                BadEntrypoint,
                "docker image inspect",
            ),
            (
                "runc create failed: unable to start container process: exec: \"nope\": executable file not found in \
                 $PATH: unknown",
                BadEntrypoint,
                "docker image inspect",
            ),
            (
                "failed to mkdir /var/lib/docker/overlay2/1f: no space left on device",
                DiskFull,
                "docker system df",
            ),
        ];
        for (said, cause, fix) in cases {
            let trouble =
                Refusal::Said(Some(500), said.to_owned()).of_start(&about("docker.io", "i"));
            assert_eq!(trouble.cause, cause, "{said}");
            assert!(trouble.fix.contains(fix), "{trouble:?}");
            assert_eq!(trouble.said, said);
        }
    }

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
