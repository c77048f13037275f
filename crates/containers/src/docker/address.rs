//! Where an engine answers: what the user says, the environment, or Docker's own configuration.

use std::{
    fmt, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Cause, Environment, Trouble};

/// Where an engine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket of this machine.
    Socket(PathBuf),
    /// A port of this machine.
    Plain(String),
    /// A port of any machine.
    Tls {
        /// Host and port.
        place: String,
        /// Where `ca.pem`, `cert.pem` and `key.pem` are.
        certificates: PathBuf,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Plain(place) | Self::Tls { place, .. } => write!(f, "tcp://{place}"),
        }
    }
}

/// Where Docker may answer, the likeliest first: one place alone, unless nothing says which.
pub(super) fn docker(
    asked: Option<&str>,
    environment: &Environment,
) -> Result<Vec<Address>, Trouble> {
    let folder = docker_folder(environment);
    let certificates = environment.var("DOCKER_CERT_PATH").map(PathBuf::from);
    let is_verified = environment.var("DOCKER_TLS_VERIFY").is_some();
    let certificates = certificates.or(folder.clone()).filter(|_| is_verified);
    let named = asked.map(str::to_owned).or_else(|| environment.var("DOCKER_HOST"));
    if let Some(named) = named {
        return Ok(vec![address(&named, certificates)?]);
    }
    let Some(folder) = folder else { return Ok(vec![socket("/var/run/docker.sock")]) };
    if let Some(context) = chosen_context(&folder, environment) {
        return Ok(vec![of_context(&folder, &context)?]);
    }
    let of_user =
        environment.var("XDG_RUNTIME_DIR").map(|dir| socket(&format!("{dir}/docker.sock")));
    Ok([Some(socket("/var/run/docker.sock")), of_user].into_iter().flatten().collect())
}

/// The same for Podman, whose own way of remembering connections is another.
pub(super) fn podman(
    asked: Option<&str>,
    environment: &Environment,
) -> Result<Vec<Address>, Trouble> {
    let named = asked.map(str::to_owned).or_else(|| environment.var("CONTAINER_HOST"));
    if let Some(named) = named {
        return Ok(vec![address(&named, None)?]);
    }
    let of_user =
        environment.var("XDG_RUNTIME_DIR").map(|dir| socket(&format!("{dir}/podman/podman.sock")));
    Ok([of_user, Some(socket("/run/podman/podman.sock"))].into_iter().flatten().collect())
}

fn socket(path: &str) -> Address {
    Address::Socket(path.into())
}

/// What an address means; with TLS where there are certificates.
fn address(text: &str, certificates: Option<PathBuf>) -> Result<Address, Trouble> {
    let (scheme, place) = match text.split_once("://") {
        Some((scheme, place)) => (scheme, place),
        None if text.starts_with('/') => ("unix", text),
        None => ("tcp", text),
    };
    match scheme {
        "unix" if place.starts_with('/') => Ok(socket(place)),
        "tcp" => tcp(place.trim_end_matches('/'), certificates),
        "ssh" => Err(refused(text, "over ssh is not spoken here").fix(format!(
            "make a tunnel, and name its end: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock {place} &\n\
             DOCKER_HOST=unix:///tmp/docker.sock"
        ))),
        _ => Err(refused(text, "is no address of an engine")
            .fix("give one such as unix:///var/run/docker.sock or tcp://gpu1:2376")),
    }
}

fn tcp(place: &str, certificates: Option<PathBuf>) -> Result<Address, Trouble> {
    // An IPv6 address is in brackets.
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = |usual: u16| match has_port {
        true => place.to_owned(),
        false => format!("{place}:{usual}"),
    };
    if let Some(certificates) = certificates {
        return Ok(Address::Tls { place: with_port(2376), certificates });
    }
    let host =
        if has_port { place.rsplit_once(':').map_or(place, |(host, _)| host) } else { place };
    let is_loopback = host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    if host == "localhost" || host == "[::1]" || is_loopback {
        return Ok(Address::Plain(with_port(2375)));
    }
    Err(refused(&format!("tcp://{place}"), "without TLS would let everybody on the way rule that machine").fix(
        "use TLS: DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH=FOLDER with ca.pem, cert.pem and key.pem, as \
         https://docs.docker.com/engine/security/protect-access/ says; or a tunnel over ssh",
    ))
}

fn refused(address: &str, why: &str) -> Trouble {
    Trouble::new(Cause::BackendUnreachable, format!("{address} {why}"))
}

/// Where Docker keeps its configuration.
pub(super) fn docker_folder(environment: &Environment) -> Option<PathBuf> {
    let home = || environment.var("HOME").map(|home| Path::new(&home).join(".docker"));
    environment.var("DOCKER_CONFIG").map(PathBuf::from).or_else(home)
}

/// The context that Docker is to use, unless that is what it does anyway.
fn chosen_context(folder: &Path, environment: &Environment) -> Option<String> {
    let of_file = || {
        let text = fs::read_to_string(folder.join("config.json")).ok()?;
        let config: Value = serde_json::from_str(&text).ok()?;
        Some(config.get("currentContext")?.as_str()?.to_owned())
    };
    let name = environment.var("DOCKER_CONTEXT").or_else(of_file)?;
    (!name.is_empty() && name != "default").then_some(name)
}

/// Where a context leads. Its folder is called by a hash of its name, so all are looked through.
fn of_context(folder: &Path, name: &str) -> Result<Address, Trouble> {
    let contexts = fs::read_dir(folder.join("contexts/meta")).into_iter().flatten().flatten();
    for entry in contexts {
        let Ok(text) = fs::read_to_string(entry.path().join("meta.json")) else { continue };
        let Ok(meta) = serde_json::from_str::<Value>(&text) else { continue };
        if meta.get("Name").and_then(Value::as_str) != Some(name) {
            continue;
        }
        let host = meta.pointer("/Endpoints/docker/Host").and_then(Value::as_str);
        let tls = folder.join("contexts/tls").join(entry.file_name()).join("docker");
        return address(host.unwrap_or_default(), tls.join("ca.pem").exists().then_some(tls));
    }
    let what = format!("Docker is to use the context `{name}`, and there is none of that name");
    Err(Trouble::new(Cause::BackendUnreachable, what).fix(
        "`docker context ls` lists them; choose one by `docker context use`, or set DOCKER_HOST",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker_at(asked: Option<&str>, variables: &[(&str, &str)]) -> Result<Vec<String>, Trouble> {
        let found = docker(asked, &Environment::of(variables.iter().copied()))?;
        Ok(found.iter().map(Address::to_string).collect())
    }

    #[test]
    fn who_is_named_first_is_asked_alone() {
        let host = ("DOCKER_HOST", "unix:///b.sock");
        assert_eq!(docker_at(Some("unix:///a.sock"), &[host]).unwrap(), ["unix:///a.sock"]);
        assert_eq!(docker_at(Some("/a.sock"), &[host]).unwrap(), ["unix:///a.sock"]);
        assert_eq!(docker_at(None, &[host]).unwrap(), ["unix:///b.sock"]);
        assert_eq!(docker_at(None, &[]).unwrap(), ["unix:///var/run/docker.sock"]);
        let of_user = [("XDG_RUNTIME_DIR", "/run/user/1"), ("HOME", "/nowhere")];
        let expected = ["unix:///var/run/docker.sock", "unix:///run/user/1/docker.sock"];
        assert_eq!(docker_at(None, &of_user).unwrap(), expected);
    }

    #[test]
    fn podman_has_sockets_of_its_own() {
        let environment = Environment::of([("XDG_RUNTIME_DIR", "/run/user/1")]);
        let found = podman(None, &environment).unwrap();
        let expected = ["/run/user/1/podman/podman.sock", "/run/podman/podman.sock"].map(socket);
        assert_eq!(found, expected);
        let environment = Environment::of([("CONTAINER_HOST", "unix:///p.sock")]);
        assert_eq!(podman(None, &environment).unwrap(), [socket("/p.sock")]);
    }

    #[test]
    fn beyond_this_machine_it_takes_tls() {
        for local in ["tcp://127.0.0.1:2375", "tcp://localhost", "[::1]:7", "tcp://127.1.2.3:1/"] {
            assert!(matches!(address(local, None), Ok(Address::Plain(_))), "{local}");
        }
        for remote in ["tcp://gpu1:2375", "gpu1", "10.0.0.1", "127.example", "tcp://[fe80::1]:2375"]
        {
            let trouble = address(remote, None).unwrap_err();
            assert!(trouble.fix.contains("DOCKER_TLS_VERIFY=1"), "{remote}: {trouble:?}");
        }
        let tls = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/certs")];
        let found = docker(Some("tcp://gpu1"), &Environment::of(tls)).unwrap();
        let expected =
            Address::Tls { place: "gpu1:2376".to_owned(), certificates: "/certs".into() };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_is_not_spoken_says_what_is() {
        let ssh = address("ssh://me@gpu1", None).unwrap_err();
        assert!(ssh.fix.contains("ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock me@gpu1"));
        for wrong in ["http://gpu1", "unix://relative", "npipe:////./pipe/docker_engine", "://"] {
            assert!(address(wrong, None).unwrap_err().fix.contains("unix:///"), "{wrong}");
        }
    }

    #[test]
    fn a_context_of_docker_is_followed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".docker");
        let variables = [("HOME", home.path().to_str().unwrap())];
        let write = |path: &str, text: &str| {
            fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            fs::write(folder.join(path), text).unwrap();
        };
        write("config.json", r#"{"currentContext": "colima"}"#);
        let trouble = docker_at(None, &variables).unwrap_err();
        assert!(trouble.what.contains("`colima`"), "{trouble}");
        let meta = r#"{"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///c.sock"}}}"#;
        write("contexts/meta/f24f/meta.json", meta);
        write("contexts/meta/0000/meta.json", "no JSON");
        assert_eq!(docker_at(None, &variables).unwrap(), ["unix:///c.sock"]);
        let meta = r#"{"Name": "gpu1", "Endpoints": {"docker": {"Host": "tcp://gpu1:2376"}}}"#;
        write("contexts/meta/abcd/meta.json", meta);
        write("contexts/tls/abcd/docker/ca.pem", "");
        let variables = [variables[0], ("DOCKER_CONTEXT", "gpu1")];
        assert_eq!(docker_at(None, &variables).unwrap(), ["tcp://gpu1:2376"]);
        // Where nothing is chosen, it is as without.
        write("config.json", r#"{"currentContext": "default"}"#);
        assert_eq!(docker_at(None, &variables[..1]).unwrap(), ["unix:///var/run/docker.sock"]);
    }
}
