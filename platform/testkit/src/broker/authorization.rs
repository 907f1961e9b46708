//! Users of a broker, each with what it may do.

use std::collections::BTreeMap;

use colloquy_bus::Credentials;
use colloquy_contract::permissions::{Permissions, User, nats_config};

/// The kit's own user, who may do everything.
pub const KIT: &str = "testkit";

/// Who may do what at the broker.
#[derive(Debug, Clone)]
pub struct Authorization {
    config: String,
    variables: Vec<(String, String)>,
    passwords: BTreeMap<String, String>,
}

impl Authorization {
    /// Every service of the contract under its own user, who may do what the service declares, as
    /// `colloquy contract permissions` says.
    pub fn of_contract() -> Self {
        Self::of(&User::all())
    }

    /// These users, and the kit's own.
    pub fn of(users: &[User]) -> Self {
        let anything = || vec![">".to_owned()];
        let kit = User {
            name: KIT.to_owned(),
            description: "The test itself".to_owned(),
            permissions: Permissions {
                publish: anything(),
                subscribe: anything(),
                ..Permissions::default()
            },
        };
        let users: Vec<_> = users.iter().cloned().chain([kit]).collect();
        let password = |user: &User| format!("{}-{:032x}", user.name, rand::random::<u128>());
        let passwords: BTreeMap<_, _> = users
            .iter()
            .map(|user| (user.name.clone(), password(user)))
            .collect();
        Self {
            config: nats_config(&users),
            variables: users
                .iter()
                .map(|user| (user.password_variable(), passwords[&user.name].clone()))
                .collect(),
            passwords,
        }
    }

    /// The server's `authorization` block.
    pub(super) fn config(&self) -> &str {
        &self.config
    }

    /// The passwords, as the server finds them in its environment.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, password)| (name.as_str(), password.as_str()))
    }

    pub(super) fn credentials(&self, user: &str) -> Credentials {
        let user = match self.passwords.contains_key(user) {
            true => user,
            false => KIT,
        };
        Credentials::Password {
            user: user.to_owned(),
            password: self.passwords[user].clone(),
        }
    }
}
