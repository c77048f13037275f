//! How a registry is logged in to: as Docker's own configuration says, and with the key of NVIDIA's.

use std::{fs, path::Path, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::address::docker_folder;
use crate::Environment;

/// Docker Hub's name in Docker's configuration.
const HUB: &str = "https://index.docker.io/v1/";

/// A helper may ask its user something.
const HELPER_PATIENCE: Duration = Duration::from_secs(60);

/// What a registry is logged in to with, if there is anything, or why that could not be found out.
pub(super) async fn login(
    registry: &str,
    environment: &Environment,
) -> Result<Option<DockerCredentials>, String> {
    let key = environment.var("NGC_API_KEY").filter(|_| registry == "nvcr.io");
    if let Some(key) = key {
        return Ok(Some(with_password(registry, "$oauthtoken", key)));
    }
    let Some(folder) = docker_folder(environment) else { return Ok(None) };
    let path = folder.join("config.json");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let config: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let server = if registry == "docker.io" { HUB } else { registry };
    match helper(&config, server) {
        Some(helper) => of_helper(helper, server, environment).await,
        None => of_file(&config, server).map_err(|error| format!("{}: {error}", path.display())),
    }
}

fn with_password(registry: &str, user: &str, password: String) -> DockerCredentials {
    DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }
}

/// The program that keeps the login of a registry.
fn helper<'c>(config: &'c Value, server: &str) -> Option<&'c str> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(server));
    own.or_else(|| config.get("credsStore"))?.as_str().filter(|name| !name.is_empty())
}

/// A login that is in the configuration itself.
fn of_file(config: &Value, server: &str) -> Result<Option<DockerCredentials>, String> {
    let Some(logins) = config.get("auths").and_then(Value::as_object) else { return Ok(None) };
    // Old versions wrote a URL.
    let host = |name: &str| {
        let name = name.split_once("://").map_or(name, |(_, rest)| rest);
        name.split('/').next().unwrap_or(name).to_owned()
    };
    let login = logins.get(server).or_else(|| {
        logins.iter().find(|(name, _)| host(name) == host(server)).map(|(_, login)| login)
    });
    let Some(login) = login else { return Ok(None) };
    let text = |name: &str| login.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(with_token(server, token.to_owned())));
    }
    let Some(encoded) = text("auth") else { return Ok(None) };
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((user, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) else {
        return Err(format!("the login of {server} is no base64 of USER:PASSWORD"));
    };
    Ok(Some(with_password(server, user, password.trim_end_matches('\0').to_owned())))
}

fn with_token(server: &str, token: String) -> DockerCredentials {
    DockerCredentials {
        identitytoken: Some(token),
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    }
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

/// Asks a helper, as Docker does: the registry on standard input, the login on standard output.
async fn of_helper(
    name: &str,
    server: &str,
    environment: &Environment,
) -> Result<Option<DockerCredentials>, String> {
    let program = format!("docker-credential-{name}");
    // It names a program, and not a path.
    if Path::new(&program).components().count() != 1 {
        return Err(format!("{program} is no name of a program"));
    }
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let mut command = Command::new(&program);
    if let Some(path) = environment.var("PATH") {
        command.env("PATH", path);
    }
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut stdin = child.stdin.take();
    let answer = async {
        if let Some(mut stdin) = stdin.take() {
            stdin.write_all(server.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = timeout(HELPER_PATIENCE, answer).await;
    let output = output.map_err(|_| format!("{program} does not answer"))?.map_err(failed)?;
    if !output.status.success() {
        // That there is no login is said in words, on standard output, where a login would be.
        let says_none = String::from_utf8_lossy(&output.stdout).contains("not found");
        return if says_none {
            Ok(None)
        } else {
            Err(format!("{program} failed: {}", output.status))
        };
    }
    let kept: Kept = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{program} gave no login that can be read"))?;
    Ok(Some(match kept.username.as_str() {
        "<token>" => with_token(server, kept.secret),
        user => with_password(server, user, kept.secret),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User, password and token that are found with a configuration.
    async fn found(
        registry: &str,
        config: &str,
        variables: &[(&str, &str)],
    ) -> Result<Option<[Option<String>; 3]>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        let path = ("DOCKER_CONFIG", folder.path().to_str().unwrap());
        let environment = Environment::of(variables.iter().copied().chain([path]));
        let login = login(registry, &environment).await?;
        Ok(login.map(|login| [login.username, login.password, login.identitytoken]))
    }

    fn password(user: &str, password: &str) -> Option<[Option<String>; 3]> {
        Some([Some(user.to_owned()), Some(password.to_owned()), None])
    }

    #[tokio::test]
    async fn a_login_is_found_where_docker_keeps_it() {
        // `me:pass:word`.
        let auth = r#"{"auth": "bWU6cGFzczp3b3Jk"}"#;
        let of = |name: &str| format!(r#"{{"auths": {{"{name}": {auth}}}}}"#);
        let me = password("me", "pass:word");
        assert_eq!(found("gpu1:5000", &of("gpu1:5000"), &[]).await.unwrap(), me);
        assert_eq!(found("gpu1:5000", &of("https://gpu1:5000/v1/"), &[]).await.unwrap(), me);
        assert_eq!(found("docker.io", &of(HUB), &[]).await.unwrap(), me);
        assert_eq!(found("gpu2:5000", &of("gpu1:5000"), &[]).await.unwrap(), None);
        assert_eq!(found("gpu1", r#"{"auths": {"gpu1": {}}}"#, &[]).await.unwrap(), None);
        let token = r#"{"auths": {"gpu1": {"auth": "bWU6", "identitytoken": "t"}}}"#;
        let expected = Some([None, None, Some("t".to_owned())]);
        assert_eq!(found("gpu1", token, &[]).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_and_not_shown() {
        assert!(found("a", "no JSON", &[]).await.unwrap_err().contains("config.json"));
        let error = found("a", r#"{"auths": {"a": {"auth": "%%canary"}}}"#, &[]).await.unwrap_err();
        assert!(error.contains("base64") && !error.contains("canary"), "{error}");
        let error = found("a", r#"{"credsStore": "no-such-helper"}"#, &[]).await.unwrap_err();
        assert!(error.contains("docker-credential-no-such-helper"), "{error}");
        let error = found("a", r#"{"credHelpers": {"a": "/../x"}}"#, &[]).await.unwrap_err();
        assert!(error.contains("no name of a program"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_helper_is_asked_as_docker_asks_it() {
        let folder = tempfile::tempdir().unwrap();
        let [text, path] = ["text", "docker-credential-test"].map(|name| folder.path().join(name));
        let script = r#"#!/bin/sh
            read -r server
            case $1-$server in
                get-gpu1) echo '{"ServerURL": "gpu1", "Username": "me", "Secret": "pass"}' ;;
                get-gpu2) echo '{"ServerURL": "gpu2", "Username": "<token>", "Secret": "t"}' ;;
                get-gpu3) echo canary ;;
                *) echo 'credentials not found in native keychain'; exit 1 ;;
            esac"#;
        fs::write(&text, script).unwrap();
        // Written by another process: what another test starts at that moment would hold it open for writing.
        let installed = Command::new("install").args(["-m", "700"]).args([&text, &path]).status();
        assert!(installed.await.unwrap().success());
        let search = format!("{}:/usr/bin:/bin", folder.path().display());
        let ask = async |server: &str| {
            found(server, r#"{"credsStore": "test"}"#, &[("PATH", &search)]).await
        };
        assert_eq!(ask("gpu1").await.unwrap(), password("me", "pass"));
        assert_eq!(ask("gpu2").await.unwrap(), Some([None, None, Some("t".to_owned())]));
        assert_eq!(ask("gpu4").await.unwrap(), None);
        let error = ask("gpu3").await.unwrap_err();
        assert!(error.contains("can be read") && !error.contains("canary"), "{error}");
    }

    #[tokio::test]
    async fn nvidias_registry_takes_its_key() {
        let key = [("NGC_API_KEY", "nvapi-1")];
        let expected = password("$oauthtoken", "nvapi-1");
        assert_eq!(found("nvcr.io", "{}", &key).await.unwrap(), expected);
        assert_eq!(found("docker.io", "{}", &key).await.unwrap(), None);
        assert_eq!(found("nvcr.io", "{}", &[]).await.unwrap(), None);
    }
}
