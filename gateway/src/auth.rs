//! Who is asking: every path under `/v1` but the sign-ups takes an API key.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use colloquy_contract::AccountId;

use crate::{
    keys::Secret,
    problem::{Kind, Problem},
    state::Shared,
};

const API_KEY_HEADER: &str = "x-api-key";

/// The account that a request's API key names.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let secret = presented(&parts.headers).ok_or_else(|| {
            unauthenticated(
                "Send an API key as 'Authorization: Bearer cq_…' or 'X-Api-Key: cq_…'.",
                "Bearer realm=\"colloquy\"",
            )
        })?;
        match app.keys.account(app.api_keys().await?, &secret).await? {
            Some(account) => Ok(Self { account }),
            None => Err(unauthenticated(
                "This API key is not known or was revoked; use another.",
                "Bearer realm=\"colloquy\", error=\"invalid_token\"",
            )),
        }
    }
}

/// The key that the request presents; `Authorization` wins over `X-Api-Key`.
fn presented(headers: &HeaderMap) -> Option<Secret> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| Secret::new(token.trim()));
    }
    let value = headers.get(API_KEY_HEADER)?.to_str().ok()?;
    Some(Secret::new(value.trim()))
}

fn unauthenticated(detail: &str, challenge: &'static str) -> Problem {
    Problem::new(Kind::Unauthenticated, detail).with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn keys_come_in_two_headers() {
        let secret = Secret::new("cq_abc");
        assert_eq!(
            presented(&headers("authorization", "Bearer cq_abc")),
            Some(secret.clone())
        );
        assert_eq!(
            presented(&headers("authorization", "bearer  cq_abc ")),
            Some(secret.clone())
        );
        assert_eq!(presented(&headers("x-api-key", "cq_abc")), Some(secret));
        assert_eq!(presented(&headers("authorization", "Basic Zm9v")), None);
        assert_eq!(presented(&headers("authorization", "cq_abc")), None);
        assert_eq!(presented(&HeaderMap::new()), None);
    }
}
