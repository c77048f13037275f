//! Before anything is measured: who answers, with which models, for whose key.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
};

use insta::assert_snapshot;

use crate::{
    program::Place,
    server::{Server, models, refusal, whole},
    simulator::Simulator,
};

/// Checks that `run` against `url` ends with `code` before it begins; returns what it says, without
/// the address.
#[track_caller]
fn refused(url: &str, words: &str, code: i32) -> String {
    let place = Place::new();
    let ended = place.run("-u").arg(url).words(words).exits(code);
    assert_eq!(ended.stdout, "");
    assert!(place.run_directories().is_empty(), "nothing was measured");
    let said = ended.stderr.replace(url, "URL");
    // macOS counts its errors in another way.
    said.replace(url.trim_start_matches("http://"), "HOST")
        .replace("(os error 61)", "(os error 111)")
}

/// A server which answers everything with the same bytes.
fn saying(bytes: String) -> Server {
    Server::answering(move |_, to| to.write_all(bytes.as_bytes()))
}

#[test]
fn nobody_at_the_address() {
    // Its port is free again, and unlikely to be taken so soon.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_snapshot!(refused(&url, "", 5), @r"
    error[IB201] URL cannot be reached
      said     refused: HOST: Connection refused (os error 111)
      fix      start the server, check --url, or wait for it: --wait-ready 10m
      more     inferbench explain IB201
    ");
}

#[test]
fn somebody_who_hangs_up() {
    let server = Server::answering(|_, _| Err(std::io::ErrorKind::ConnectionReset.into()));
    let said = refused(&server.url, "", 5);
    assert!(said.starts_with("error[IB201] URL cannot be reached\n"), "{said}");
}

#[test]
fn something_else_than_an_inference_server() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let said = refused(&saying(page.to_owned()).url, "", 5);
    assert!(said.starts_with("error[IB202] URL gives no list of models\n"), "{said}");
    let said = refused(&saying("SSH-2.0-OpenSSH_9.2p1\r\n".to_owned()).url, "", 5);
    assert!(said.starts_with("error[IB20"), "{said}");
}

#[test]
fn a_server_without_a_list_of_models_needs_the_name_of_one() {
    let server = Server::answering(|request, to| match request.what.as_str() {
        "POST /v1/chat/completions" => write!(to, "{}", whole(request)),
        _ => write!(to, "{}", refusal(404, "Not Found")),
    });
    assert_snapshot!(refused(&server.url, "", 5), @r"
    error[IB202] URL gives no list of models
      said     http_404: Not Found
      fix      check the address; if the server has no /v1/models, name the model with -m
      more     inferbench explain IB202
    ");

    let place = Place::new();
    place.run(&format!("-u {} -m any -n 5", server.url)).measures();
    assert!(server.completions().iter().all(|request| request.body["model"] == "any"));
}

#[test]
fn a_model_that_is_not_offered() {
    let simulator = Simulator::start("--model meta/llama-3.1-8b-instruct");
    assert_snapshot!(refused(&simulator.url, "-m llama-3.1-8b", 5), @r#"
    error[IB203] URL does not offer the model "llama-3.1-8b"
      it has   meta/llama-3.1-8b-instruct
      fix      drop -m (only one model is offered) or use -m meta/llama-3.1-8b-instruct
      more     inferbench explain IB203
    "#);

    let server = saying(models(&["mistral-7b", "llama-3.1-8b", "llama-3.1-70b"]));
    assert_snapshot!(refused(&server.url, "-m llama-8b", 5), @r#"
    error[IB203] URL does not offer the model "llama-8b"
      it has   mistral-7b  llama-3.1-8b  llama-3.1-70b
      fix      -m llama-3.1-8b
      more     inferbench explain IB203
    "#);
}

#[test]
fn several_models_none_of_them_chosen() {
    let ids = ["mistral-7b", "llama-3.1-8b"];
    let server = Server::answering(move |request, to| match request.what.as_str() {
        "GET /v1/models" => write!(to, "{}", models(&ids)),
        "GET /version" => write!(to, "{}", refusal(404, "Not Found")),
        _ => write!(to, "{}", whole(request)),
    });
    assert_snapshot!(refused(&server.url, "", 2), @r"
    error[IB204] URL offers several models
      it has   mistral-7b  llama-3.1-8b
      fix      -m mistral-7b
      more     inferbench explain IB204
    ");

    let place = Place::new();
    place.run(&format!("-u {} -m llama-3.1-8b -n 5", server.url)).measures();
    assert_eq!(place.point().target, "llama-3.1-8b");
}

#[test]
fn no_model_at_all() {
    assert_snapshot!(refused(&saying(models(&[])).url, "", 2), @r"
    error[IB204] URL lists no model
      fix      -m NAME
      more     inferbench explain IB204
    ");
}

#[test]
fn a_key_that_is_missing_or_wrong_is_told_by_where_it_came_from() {
    let server = saying(refusal(401, "Unauthorized"));
    assert_snapshot!(refused(&server.url, "", 5), @r"
    error[IB205] URL wants a key
      said     http_401: Unauthorized
      fix      --api-key-file FILE
      more     inferbench explain IB205
    ");

    let place = Place::new();
    fs::write(place.path().join("key"), "sk-s3cret\n").unwrap();
    for (words, source) in
        [("--api-key-file key", "key"), ("", "INFERBENCH_API_KEY"), ("--ui none", "NGC_API_KEY")]
    {
        let call = place.run("-u").arg(&server.url).words(words).env(source, "sk-s3cret");
        let stderr = call.exits(5).stderr.replace(&server.url, "URL");
        let first = format!("error[IB205] URL does not take the key from {source}\n");
        assert!(stderr.starts_with(&first), "{stderr}");
        assert!(!stderr.contains("s3cret"), "{stderr}");
        let last = server.asked().pop().unwrap();
        assert_eq!(last.header("authorization"), Some("Bearer sk-s3cret"));
    }
}

#[test]
fn a_server_that_is_not_ready_is_waited_for_if_asked() {
    let looks = AtomicUsize::new(0);
    let server = Server::answering(move |request, to| match request.what.as_str() {
        "GET /v1/models" if looks.fetch_add(1, Ordering::Relaxed) < 5 => {
            write!(to, "{}", refusal(503, "loading the model"))
        }
        "GET /v1/models" => write!(to, "{}", models(&["m"])),
        "GET /version" => write!(to, "{}", refusal(404, "Not Found")),
        _ => write!(to, "{}", whole(request)),
    });
    assert_snapshot!(refused(&server.url, "", 5), @r"
    error[IB201] URL is not ready
      said     http_503: loading the model
      fix      wait for it: --wait-ready 10m
      more     inferbench explain IB201
    ");

    let place = Place::new();
    place.run(&format!("-u {} -n 5 --wait-ready 100s", server.url)).measures();
}

/// The ports at which servers are looked for, all of which must be free for these tests.
const WELL_KNOWN: [u16; 9] = [8000, 8001, 8080, 8888, 9000, 11434, 30000, 8355, 1234];

#[test]
fn without_an_address_the_server_on_this_machine_is_found_or_the_simulator_is_measured() {
    let taken = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
    if let Some(port) = WELL_KNOWN.iter().find(|port| taken(port)) {
        println!("skipped: somebody listens on port {port}");
        return;
    }
    let place = Place::new();
    let ended = place.run("-n 5").measures();
    let said = "no server on the ports 8000 8001 8080 8888 9000 11434 30000 8355 1234 of this machine: \
                measuring the simulator\n";
    assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    assert!(ended.stdout.contains("simulated"), "{}", ended.stdout);

    let simulator = Simulator::start("--port 1234 --ttft-ms 1 --itl-ms 0");
    let ended = Place::new().run("-n 5").measures();
    let said = format!("found inferbench-sim at {}\n", simulator.url);
    assert!(ended.stderr.starts_with(&said), "{}", ended.stderr);
}
