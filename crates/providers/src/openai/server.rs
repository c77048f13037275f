//! What the server says of itself.

use bench_core::{Model, Outcome, ProviderError, ServerInfo};
use serde_json::Value;

use crate::{inquiry::Inquiry, said};

pub(crate) async fn describe(server: &Inquiry) -> Result<ServerInfo, ProviderError> {
    let mut info = models(server).await?;
    // vLLM and SGLang say their version here; whoever does not has none to say.
    info.version = server.json("/version").await.ok().and_then(|version| text(&version, "version"));
    Ok(info)
}

/// What `/v1/models` says.
pub(crate) async fn models(server: &Inquiry) -> Result<ServerInfo, ProviderError> {
    let list = server.json("/v1/models").await?;
    let models = list.get("data").and_then(Value::as_array).ok_or_else(|| {
        let list = said::excerpt(&list.to_string());
        ProviderError::new(Outcome::Malformed, format!("/v1/models is no list of models: {list}"))
    })?;
    let mut info = ServerInfo::default();
    info.models = models.iter().filter_map(model).collect();
    info.engine = models.first().and_then(|model| text(model, "owned_by"));
    Ok(info)
}

fn model(model: &Value) -> Option<Model> {
    let length = [model.get("max_model_len"), model.pointer("/meta/n_ctx")];
    let length = length.into_iter().flatten().find_map(Value::as_u64);
    Some(Model {
        id: model.get("id")?.as_str()?.to_owned(),
        context_length: length.and_then(|n| u32::try_from(n).ok()),
    })
}

/// The text at `name`, if there is any.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().filter(|text| !text.is_empty()).map(said::excerpt)
}
