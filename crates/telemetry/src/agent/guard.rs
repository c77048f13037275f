//! Who may ask.

use std::{fmt, net::SocketAddr};

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, HOST, HeaderName, ORIGIN},
};
use subtle::ConstantTimeEq;

/// What an asker has to know. It has no `Display`, and its `Debug` hides it.
#[derive(Clone)]
pub struct Token(String);

/// A token that could be guessed, or cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakToken {
    /// It is too short.
    #[error("a token has at least {LEAST} characters")]
    Short,
    /// It has a character that a header has not.
    #[error("a token has visible ASCII characters alone")]
    Characters,
}

/// 128 bits in base64.
const LEAST: usize = 22;

impl Token {
    /// The token that `text` is, without white space around it.
    ///
    /// # Errors
    ///
    /// When it is too short to be a secret, or cannot be sent.
    pub fn new(text: &str) -> Result<Self, WeakToken> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakToken::Characters);
        }
        if text.len() < LEAST {
            return Err(WeakToken::Short);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `given` is it; how long that takes tells nothing but whether it is as long.
    fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Lets in who may ask, whatever is asked.
#[derive(Debug)]
pub(super) struct Guard {
    /// The names that the agent goes by, with their port; `None` for any: who asks from elsewhere has the token.
    hosts: Option<Vec<String>>,
    token: Option<Token>,
}

/// Sent by browsers with each request, and by nobody else.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Guard {
    /// Of an agent that listens on `addr`, by TLS or not.
    pub(super) fn new(addr: SocketAddr, tls: bool, token: Option<Token>) -> Self {
        let hosts = addr.ip().is_loopback().then(|| {
            let port = addr.port();
            let names = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
            let usual = if tls { 443 } else { 80 };
            let short = if port == usual { &["127.0.0.1", "localhost", "[::1]"][..] } else { &[] };
            let short = short.iter().map(|name| (*name).to_owned());
            names.into_iter().chain([addr.to_string()]).chain(short).collect()
        });
        Self { hosts, token }
    }

    /// Whether `request` may be answered; else the status and the words to refuse it with.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), (StatusCode, &'static str)> {
        let headers = request.headers();
        if !self.is_own_name(request) {
            let why =
                "asked by a name that is not this agent's: use 127.0.0.1 or localhost and its port";
            return Err((StatusCode::MISDIRECTED_REQUEST, why));
        }
        let site = headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
        if headers.contains_key(ORIGIN) || site.is_some_and(|site| site != b"none") {
            return Err((StatusCode::FORBIDDEN, "a page of another site may not ask"));
        }
        if !self.has_token(headers) {
            return Err((StatusCode::UNAUTHORIZED, "the token is missing or another one"));
        }
        if request.method() != Method::GET {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "there is nothing but GET"));
        }
        Ok(())
    }

    /// A page whose name was made to lead here (DNS rebinding) asks by its own.
    fn is_own_name<B>(&self, request: &Request<B>) -> bool {
        let Some(own) = &self.hosts else { return true };
        let is_own = |name: &str| own.iter().any(|own| own.eq_ignore_ascii_case(name));
        let mut named = request.headers().get_all(HOST).iter();
        let host = named.next().and_then(|host| host.to_str().ok());
        let of_path = request.uri().authority().map(|authority| authority.as_str());
        host.is_some_and(is_own) && named.next().is_none() && of_path.is_none_or(is_own)
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let (scheme, given) = given.split_at(given.len().min(b"bearer ".len()));
        scheme.eq_ignore_ascii_case(b"bearer ") && token.is(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn guard(addr: &str, token: Option<&str>) -> Guard {
        let token = token.map(|token| Token::new(token).unwrap());
        Guard::new(addr.parse().unwrap(), false, token)
    }

    fn checked(guard: &Guard, method: Method, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.check(&request.body(()).unwrap()).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn a_page_whose_name_leads_here_is_refused_whatever_it_asks() {
        let guard = guard("127.0.0.1:9467", None);
        let own = ["127.0.0.1:9467", "localhost:9467", "LOCALHOST:9467", "[::1]:9467"];
        let others = [
            "evil.example:9467",
            "127.0.0.1",
            "localhost",
            "localhost:80",
            "localhost.:9467",
            "127.0.0.1.evil.example:9467",
            "[::ffff:127.0.0.1]:9467",
            "2130706433:9467",
            "",
        ];
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            let expected = if method == Method::GET { 200 } else { 405 };
            for host in own {
                assert_eq!(checked(&guard, method.clone(), "/", &[("host", host)]), expected);
            }
            for host in others {
                assert_eq!(checked(&guard, method.clone(), "/", &[("host", host)]), 421, "{host}");
            }
            assert_eq!(checked(&guard, method.clone(), "/", &[]), 421);
            let twice = [("host", own[0]), ("host", "evil.example")];
            assert_eq!(checked(&guard, method.clone(), "/", &twice), 421);
            let absolute = "http://evil.example/v1/readings";
            assert_eq!(checked(&guard, method, absolute, &[("host", own[0])]), 421);
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let guard = guard("127.0.0.1:80", None);
        let host = ("host", "localhost");
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(checked(&guard, Method::GET, "/", &[host, (name, value)]), 403, "{value}");
        }
        let typed = [host, ("sec-fetch-site", "none")];
        assert_eq!(checked(&guard, Method::GET, "/", &typed), 200);
    }

    #[test]
    fn only_who_has_the_token_is_let_in() {
        for addr in ["0.0.0.0:9467", "127.0.0.1:9467"] {
            let guard = guard(addr, Some(TOKEN));
            let host = ("host", "localhost:9467");
            let with =
                |value: &str| checked(&guard, Method::GET, "/", &[host, ("authorization", value)]);
            assert_eq!(with(&format!("Bearer {TOKEN}")), 200);
            assert_eq!(with(&format!("bearer {TOKEN}")), 200);
            for wrong in ["", "Bearer", "Bearer ", TOKEN, &format!("Basic {TOKEN}")] {
                assert_eq!(with(wrong), 401, "{wrong}");
            }
            assert_eq!(with(&format!("Bearer {}", &TOKEN[1..])), 401);
            assert_eq!(with(&format!("Bearer {TOKEN}0")), 401);
            assert_eq!(checked(&guard, Method::GET, "/", &[host]), 401);
            assert_eq!(checked(&guard, Method::POST, "/", &[host]), 401);
        }
    }

    #[test]
    fn a_token_is_long_and_hidden() {
        assert_eq!(Token::new("short").unwrap_err(), WeakToken::Short);
        assert_eq!(Token::new("").unwrap_err(), WeakToken::Short);
        assert_eq!(Token::new(&"ä".repeat(30)).unwrap_err(), WeakToken::Characters);
        assert_eq!(Token::new(&"a b".repeat(30)).unwrap_err(), WeakToken::Characters);
        assert_eq!(format!("{:?}", Token::new(&format!(" {TOKEN}\n")).unwrap()), "***");
    }
}
