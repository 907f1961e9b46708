//! Sign-ups: the only part of the API that takes no key.
//!
//! A password is hashed here, at once, and only its hash is stored, under the id of the account to
//! be, before the fact that asks for the account is stated. Neither is ever part of a fact.

use std::time::Duration;

use argon2::{Argon2, PasswordHasher, password_hash::SaltString};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use colloquy_contract::{
    AccountId, Envelope, Fact, FactId, FactType, Scope, facts::AccountSignupRequested,
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversations::{REPLAYED, SERVICE};
use crate::{
    idempotency::{self, IdempotencyKey, SignupClaim},
    params::{Params, json},
    problem::{Kind, Problem, ProblemDocument},
    room::HasRoom,
    state::{App, Shared},
    view::{Signup, SignupStatus},
};

/// Lengths of a password, in characters. The upper one bounds the work of hashing.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 12..=128;

/// Longest name of a person or a company, in characters.
const MAX_NAME_CHARS: usize = 200;

/// Longest e-mail address (RFC 5321), in bytes.
const MAX_EMAIL_BYTES: usize = 254;

/// What clients are told to wait when too many sign up at once.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Namespace of the ids of sign-up facts.
const SIGNUP_FACTS: Uuid = Uuid::from_u128(0x2d1f_7a52_9c0b_4f0e_8a77_51d0_66a3_0c4d);

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "email": "ada@example.com",
    "name": "Ada Example",
    "company": "Example Ltd",
    "password": "correct horse battery"
}))]
pub(crate) struct NewSignup {
    /// The e-mail address to sign in with.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// The person's name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The company.
    #[schema(max_length = 200)]
    company: Option<String>,
    /// 12 to 128 characters.
    #[schema(format = Password, min_length = 12, max_length = 128)]
    password: String,
}

/// Sign up for an account.
///
/// 202 means that the request is stored; whether there will be an account is decided after it, so
/// that nobody can find out here who has one.
#[utoipa::path(
    post,
    path = "/v1/signups",
    tag = "signups",
    operation_id = "postSignup",
    security(()),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII \
            characters. Repeating a request with the same key makes no second sign-up."),
    ),
    request_body = NewSignup,
    responses(
        (status = 202, description = "Accepted", body = Signup, headers(
            ("Location" = String, description = "The sign-up"),
            ("Idempotent-Replayed" = Option<String>, description = "`true` for a repetition"),
        )),
        (status = 413, description = "Too large", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "A field that cannot be used", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many at once", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    _: HasRoom,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let key = IdempotencyKey::of(&headers)?;
    let signup = NewSignup::read(&headers, &body)?;
    let accepted = match key {
        Some(key) => accept_once(&app, &key, signup).await,
        None => {
            let account = AccountId::generate();
            let accepted = accept(&app, &account, signup).await;
            accepted.map(|repeated| (account, repeated))
        }
    };
    let (account, replayed) = accepted.inspect_err(|problem| app.gate.heed(problem))?;
    let location =
        HeaderValue::try_from(format!("/v1/signups/{account}")).map_err(|_| Problem::internal())?;
    let mut response = (StatusCode::ACCEPTED, Json(pending(&account))).into_response();
    response.headers_mut().insert(header::LOCATION, location);
    if replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl NewSignup {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let takes = "the texts email, name, password and, if you like, company";
        json::<Self>(headers, body, takes)?.checked()
    }

    fn checked(self) -> Result<Self, Problem> {
        let email = self.email.trim().to_owned();
        let name = self.name.trim().to_owned();
        let company = self
            .company
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        if !is_email(&email) {
            return Err(Problem::invalid(
                "'email' takes an address such as ada@example.com.",
            ));
        }
        if name.is_empty() || !is_name(&name) || company.as_deref().is_some_and(|c| !is_name(c)) {
            return Err(Problem::invalid(format!(
                "'name' takes 1 to {MAX_NAME_CHARS} printable characters, 'company' at most as many."
            )));
        }
        if !PASSWORD_CHARS.contains(&self.password.chars().count()) {
            return Err(Problem::invalid(format!(
                "'password' takes {} to {} characters.",
                PASSWORD_CHARS.start(),
                PASSWORD_CHARS.end()
            )));
        }
        Ok(Self {
            email,
            name,
            company,
            password: self.password,
        })
    }
}

/// Whether a text has the shape of an e-mail address. Whether it is one, only an e-mail can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= MAX_EMAIL_BYTES
        && (1..=64).contains(&local.len())
        && local.chars().all(plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain.split('.').all(label)
}

fn is_name(text: &str) -> bool {
    text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control)
}

/// The same under an idempotency key. See [`idempotency`]. The password is no part of what is
/// compared: the first one stands.
async fn accept_once(
    app: &App,
    key: &IdempotencyKey,
    signup: NewSignup,
) -> Result<(AccountId, bool), Problem> {
    let (kv, entry) = (app.idempotency().await?, key.signup_entry());
    let company = signup.company.as_deref().unwrap_or_default();
    let fingerprint = key.salted(&[&signup.email, &signup.name, company]);
    let new = SignupClaim {
        account: AccountId::generate(),
        fingerprint: fingerprint.clone(),
        accepted: false,
    };
    let claim = idempotency::claim(kv, &entry, new).await?;
    if claim.fingerprint != fingerprint {
        return Err(idempotency::mismatch());
    }
    if claim.accepted {
        return Ok((claim.account, true));
    }
    let repeated = accept(app, &claim.account, signup).await?;
    let done = SignupClaim {
        accepted: true,
        ..claim.clone()
    };
    // It is accepted, whether this can be noted or not: without the note a repetition states the
    // same fact, which stands.
    if let Err(error) = kv.put(&entry, &done).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "a claim could not be marked as accepted");
    }
    Ok((claim.account, repeated))
}

/// Stores the password's hash, then states the fact; returns whether it stood there before.
async fn accept(app: &App, account: &AccountId, signup: NewSignup) -> Result<bool, Problem> {
    let NewSignup {
        email,
        name,
        company,
        password,
    } = signup;
    let hash = hash(app, password).await?;
    // An entry that exists is from a repetition that broke off: the first password stands.
    app.credentials()
        .await?
        .create(account.as_str(), &hash)
        .await?;
    let kind = FactType::AccountSignupRequested;
    let scope = Scope::Account {
        account: account.clone(),
    };
    let id = Uuid::new_v5(&SIGNUP_FACTS, account.as_str().as_bytes());
    let envelope = Envelope {
        id: FactId::from(id),
        ..Envelope::first(SERVICE, scope, kind, Timestamp::now())
    };
    let fact: Fact = AccountSignupRequested {
        email,
        name,
        company,
    }
    .into();
    Ok(app.bus.state(&envelope, &fact).await?.repeated)
}

/// Argon2id with a random salt, off the async threads. Those that wait are few, and the rest are
/// told to come back: hashing is meant to be expensive, for us too.
async fn hash(app: &App, password: String) -> Result<String, Problem> {
    let busy = || {
        let detail = "Too many sign-ups at once; try again soon.";
        Problem::new(Kind::TooManyRequests, detail).retry_after(BUSY_WAIT)
    };
    let _waiting = app.signups.try_acquire().map_err(|_| busy())?;
    let permit = app
        .hashing
        .clone()
        .acquire_owned()
        .await
        .map_err(|_| busy())?;
    let hashing = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>())?;
        Ok::<_, argon2::password_hash::Error>(
            Argon2::default()
                .hash_password(password.as_bytes(), &salt)?
                .to_string(),
        )
    });
    match hashing.await {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(_)) | Err(_) => {
            tracing::error!("a password could not be hashed");
            Err(Problem::internal())
        }
    }
}

fn pending(account: &AccountId) -> Signup {
    Signup {
        id: account.to_string(),
        status: SignupStatus::Pending,
        code: None,
        reason: None,
    }
}

/// Show where a sign-up stands.
#[utoipa::path(
    get,
    path = "/v1/signups/{id}",
    tag = "signups",
    operation_id = "getSignup",
    security(()),
    params(("id" = Uuid, Path, description = "The id that the sign-up was answered with")),
    responses(
        (status = 200, description = "Where it stands", body = Signup),
        (status = 404, description = "No such sign-up", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Path(account): Path<String>,
    uri: Uri,
) -> Result<Json<Signup>, Problem> {
    Params::read(&uri, &[])?;
    // Ids of sign-ups are unguessable UUIDs; accounts that were made otherwise are not shown.
    Uuid::try_parse(&account).map_err(|_| Problem::not_found())?;
    let account: AccountId = account.parse().map_err(|_| Problem::not_found())?;
    let history = app
        .bus
        .history(&Scope::Account {
            account: account.clone(),
        })
        .await?;
    if history.is_empty() {
        return Err(Problem::not_found());
    }
    let mut signup = pending(&account);
    for logged in history {
        follow(&mut signup, logged.fact);
    }
    Ok(Json(signup))
}

fn follow(signup: &mut Signup, fact: Fact) {
    match fact {
        Fact::AccountCreated(_) if signup.status == SignupStatus::Pending => {
            signup.status = SignupStatus::Created;
        }
        Fact::AccountSignupRejected(data) => {
            signup.status = SignupStatus::Rejected;
            signup.code = Some(data.code);
            signup.reason = Some(data.reason);
        }
        Fact::AccountWelcomed(_) => signup.status = SignupStatus::Welcomed,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_shape() {
        for good in [
            "ada@example.com",
            "a.b+c@sub.example.co",
            "ünï@exämple.de",
            "o'x@a-b.io",
        ] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.com", "x".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "a b@example.com",
            "a@-x.com",
            "a@x..com",
            ".a@x.com",
            "a..b@x.com",
            "a@b@x.com",
            "a\n@x.com",
            "<a@x.com>",
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    fn signup(password: &str, name: &str) -> NewSignup {
        NewSignup {
            email: " ada@example.com ".to_owned(),
            name: name.to_owned(),
            company: Some("  ".to_owned()),
            password: password.to_owned(),
        }
    }

    #[test]
    fn fields_are_bounded() {
        let checked = signup("twelve chars", " Ada ")
            .checked()
            .map_err(drop)
            .unwrap();
        assert_eq!(
            (checked.email.as_str(), checked.name.as_str()),
            ("ada@example.com", "Ada")
        );
        assert_eq!(checked.company, None);
        assert!(signup("too short", "Ada").checked().is_err());
        assert!(signup(&"x".repeat(129), "Ada").checked().is_err());
        assert!(signup("twelve chars", "").checked().is_err());
        assert!(signup("twelve chars", &"x".repeat(201)).checked().is_err());
        assert!(signup("twelve chars", "A\nda").checked().is_err());
    }
}
