//! What a response says before its body.

/// What a response's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// In lower case, without parameters; empty where there is none.
    pub(crate) content_type: String,
    /// A compression that was not asked for.
    pub(crate) content_encoding: Option<String>,
    /// Seconds after which to ask again, as the server says. A date it may say as well is of no use here.
    pub(crate) retry_after: Option<u32>,
    /// Where a redirection points to.
    pub(crate) location: Option<String>,
}

/// Bytes that a head may have.
pub(super) const MOST_BYTES: u32 = 64 << 10;

impl Head {
    /// The head with `status` and the fields that `field` finds by their names in lower case.
    pub(super) fn new<'f>(status: u16, field: impl Fn(&'static str) -> Option<&'f str>) -> Self {
        let text = |name| field(name).map(str::to_ascii_lowercase);
        let content_type = text("content-type").unwrap_or_default();
        Self {
            status,
            content_type: content_type.split(';').next().unwrap_or_default().trim().to_owned(),
            content_encoding: text("content-encoding").filter(|coding| coding != "identity"),
            retry_after: text("retry-after").and_then(|seconds| seconds.trim().parse().ok()),
            location: field("location").map(str::to_owned),
        }
    }
}
