//! What engines say of a start.

use super::{Known, known};
use crate::Cause;

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
const OTHER_PROGRAM: &str = "see what it has: {program} image inspect {image}; and give the arguments, or an image, that fit";

/// What is said of a start.
pub(in crate::docker) const STARTING: [Known; 26] = [
    known(
        &["port is already allocated"],
        Cause::PortTaken,
        "port {port} belongs to another container",
        "`{program} ps` shows which; take that down, or give another with --port",
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
        "take it down: inferbench down {name}, or {program} rm -f {name} if it is not inferbench's; or give another with --name",
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

#[cfg(test)]
mod tests {
    use super::{super::testing::about, *};
    use crate::docker::refusal::Refusal;

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
}
