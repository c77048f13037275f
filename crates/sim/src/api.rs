//! Which request gets which reply.

use crate::{
    fault::Fault,
    generation::{Endpoint, Generation},
    request::Request,
    response::{ApiError, Response},
    simulation::Simulation,
};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const RERANK: &str = "/v1/rerank";

/// What to do about a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Answer at once.
    Now(Response),
    /// Answer token by token.
    Generate(Generation),
    /// Leave the client waiting.
    Never,
}

/// Whether `request` is one that the model has to work for, if perhaps a bad one.
pub(crate) fn is_completion(request: &Request) -> bool {
    let works = [CHAT, COMPLETIONS, EMBEDDINGS, RERANK];
    request.method == "POST" && works.contains(&request.path.as_str())
}

/// The reply to `request`, which `fault` strikes if the model has to work for it.
pub(crate) fn reply(simulation: &Simulation, request: &Request, fault: Fault) -> Reply {
    type Route = fn(&Simulation, &Request, Fault) -> Reply;
    let (allowed, route): (_, Route) = match request.path.as_str() {
        CHAT => ("POST", |s, r, f| generate(s, r, f, Endpoint::Chat)),
        COMPLETIONS => ("POST", |s, r, f| generate(s, r, f, Endpoint::Completions)),
        EMBEDDINGS => ("POST", |s, r, f| generate(s, r, f, Endpoint::Embeddings)),
        RERANK => ("POST", |s, r, f| generate(s, r, f, Endpoint::Rerank)),
        "/v1/models" => ("GET", |s, _, _| Reply::Now(models(s))),
        "/health" => ("GET", |_, _, _| Reply::Now(Response::empty(200))),
        "/metrics" => ("GET", |s, _, _| Reply::Now(Response::metrics(s.readings().to_text()))),
        "/reset_prefix_cache" => ("POST", |s, _, _| {
            s.forget_prefixes();
            Reply::Now(Response::empty(200))
        }),
        "/version" => ("GET", |_, _, _| Reply::Now(version())),
        path => return Reply::Now(ApiError::new(404, format!("no such path: {path}")).into()),
    };
    if request.method != allowed {
        let message = format!("{} allows {allowed} only", request.path);
        return Reply::Now(Response::from(ApiError::new(405, message)).header("allow", allowed));
    }
    route(simulation, request, fault)
}

fn generate(simulation: &Simulation, request: &Request, fault: Fault, endpoint: Endpoint) -> Reply {
    match fault {
        Fault::NeverAnswer => return Reply::Never,
        Fault::Status(status) => {
            return Reply::Now(ApiError::new(status, "simulated fault").into());
        }
        _ => {}
    }
    if !is_json(request.content_type.as_deref()) {
        let message = "Unsupported Media Type: Only 'application/json' is allowed";
        return Reply::Now(ApiError::new(415, message).into());
    }
    match Generation::parse(simulation, endpoint, &request.body) {
        Ok(generation) => Reply::Generate(generation),
        Err(error) => Reply::Now(error.into()),
    }
}

/// A request that does not say is believed to be.
fn is_json(content_type: Option<&str>) -> bool {
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_none_or(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

fn models(simulation: &Simulation) -> Response {
    let config = &simulation.config;
    let body = serde_json::json!({
        "object": "list",
        "data": [{
            "id": config.model,
            "object": "model",
            "created": simulation.unix_seconds(),
            "owned_by": "inferbench-sim",
            "root": config.model,
            "parent": null,
            "max_model_len": config.context_length,
        }],
    });
    Response::json(200, body.to_string().into_bytes())
}

fn version() -> Response {
    let body = concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");
    Response::json(200, body.as_bytes().to_vec())
}
