//! Turns a requested sign-up into an account, or says why not.
//!
//! An e-mail address belongs to one account. The claim is a compare-and-set create of a key that
//! is the address's digest: whoever creates it first owns the address, and a redelivery finds its
//! own claim again.

#![warn(missing_docs)]

use colloquy_bus::{
    Bus, Kv, Result,
    worker::{Context, Failure, Service},
};
use colloquy_contract::{
    AccountId, Fact,
    facts::{AccountCreated, AccountSignupRejected, AccountSignupRequested},
    streams,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The service.
#[derive(Debug)]
pub struct AccountsService {
    directory: Kv,
}

/// Who owns an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    account: AccountId,
}

impl AccountsService {
    /// Opens the directory of accounts.
    pub async fn new(bus: &Bus) -> Result<Self> {
        Ok(Self {
            directory: bus.kv(streams::ACCOUNT_DIRECTORY.name).await?,
        })
    }

    /// Claims an address for an account, and says whose it is then.
    async fn claim(&self, email: &str, account: &AccountId) -> Result<Owner> {
        let key = claim_key(email);
        let claim = Claim {
            account: account.clone(),
        };
        if self.directory.create(&key, &claim).await? {
            return Ok(Owner::Ours);
        }
        let found = self.directory.get::<Claim>(&key).await?;
        Ok(Owner::of(found.map(|found| found.value), &claim))
    }
}

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Ours,
    Another,
    /// The copy of the directory that answered does not have the claim yet: on a cluster any copy
    /// may answer. It may well be our own, of the attempt before.
    NotKnownYet,
}

impl Owner {
    /// Of an address that somebody has claimed, after what was found of the claim.
    fn of(found: Option<Claim>, ours: &Claim) -> Self {
        match found {
            Some(found) if found == *ours => Self::Ours,
            Some(_) => Self::Another,
            None => Self::NotKnownYet,
        }
    }
}

impl Service for AccountsService {
    const NAME: &'static str = "accounts";
    type Input = AccountSignupRequested;

    async fn handle(
        &self,
        signup: AccountSignupRequested,
        context: &Context,
    ) -> std::result::Result<Vec<Fact>, Failure> {
        let AccountSignupRequested {
            email,
            name,
            company,
        } = signup;
        let follows = match self.claim(&email, context.scope().account()).await? {
            Owner::Ours => AccountCreated {
                email,
                name,
                company,
            }
            .into(),
            Owner::Another => AccountSignupRejected {
                code: "email_taken".to_owned(),
                reason: "this e-mail address has an account already; sign in, or use another"
                    .to_owned(),
            }
            .into(),
            Owner::NotKnownYet => {
                let reason = "the copy of the directory that answered lags behind".to_owned();
                return Err(Failure::Retry { reason });
            }
        };
        Ok(vec![follows])
    }
}

/// Addresses differ by case only in theory; the key does not show the address.
fn claim_key(email: &str) -> String {
    let digest = Sha256::digest(email.trim().to_lowercase().as_bytes());
    format!("email.{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_do_not_make_another_address() {
        assert_eq!(claim_key(" Ann@Example.com"), claim_key("ann@example.com"));
        assert_ne!(claim_key("ann@example.com"), claim_key("bob@example.com"));
        assert!(!claim_key("ann@example.com").contains("ann"));
    }

    #[test]
    fn an_address_is_refused_only_to_those_who_know_its_owner() {
        let claim = |account: &str| Claim {
            account: account.parse().unwrap(),
        };
        let ours = claim("acme");
        assert_eq!(Owner::of(Some(claim("acme")), &ours), Owner::Ours);
        assert_eq!(Owner::of(Some(claim("other")), &ours), Owner::Another);
        // It stands, for it could not be made, and is not seen: whose it is is open.
        assert_eq!(Owner::of(None, &ours), Owner::NotKnownYet);
    }
}
