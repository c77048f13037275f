//! Which request gets which reply.

use crate::{
    config::Fault,
    generation::{Endpoint, Generation},
    request::Request,
    response::{ApiError, Response},
    simulation::Simulation,
};

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

/// The reply to `request`.
pub(crate) fn reply(simulation: &Simulation, request: &Request) -> Reply {
    let (allowed, route): (_, fn(&Simulation, &Request) -> Reply) = match request.path.as_str() {
        "/v1/chat/completions" => ("POST", |s, r| generate(s, r, Endpoint::Chat)),
        "/v1/completions" => ("POST", |s, r| generate(s, r, Endpoint::Completions)),
        "/v1/models" => ("GET", |s, _| Reply::Now(models(s))),
        "/health" => ("GET", |_, _| Reply::Now(Response::empty(200))),
        "/version" => ("GET", |_, _| Reply::Now(version())),
        path => return Reply::Now(ApiError::new(404, format!("no such path: {path}")).into()),
    };
    if request.method != allowed {
        let message = format!("{} allows {allowed} only", request.path);
        return Reply::Now(Response::from(ApiError::new(405, message)).header("allow", allowed));
    }
    route(simulation, request)
}

fn generate(simulation: &Simulation, request: &Request, endpoint: Endpoint) -> Reply {
    match simulation.config.fault {
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
    match Generation::parse(&simulation.config, endpoint, &request.body) {
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
