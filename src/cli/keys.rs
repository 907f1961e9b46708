//! `colloquy keys`: API keys.

use clap::{Args, Subcommand};
use colloquy_contract::AccountId;
use colloquy_gateway::keys;
use uuid::Uuid;

use super::{options::BrokerOptions, say, up::DEFAULT_ACCOUNT};

/// Options of `colloquy keys`.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and show it, this once
    Create {
        /// Account that the key is for
        #[arg(long, default_value = DEFAULT_ACCOUNT)]
        account: AccountId,
        /// What the key is for, for people
        #[arg(long, default_value = "unnamed")]
        name: String,
    },
    /// List keys; their secrets are not kept
    List,
    /// Revoke a key
    Revoke {
        /// Id of the key, as listed
        id: Uuid,
    },
}

impl Keys {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let bus = self.broker.connect("colloquy-keys").await?;
        match self.action {
            Action::Create { account, name } => {
                say(keys::create(&bus, &account, &name).await?.secret);
            }
            Action::List => {
                for key in keys::list(&bus).await? {
                    let state = if key.revoked_at.is_some() {
                        "revoked"
                    } else {
                        "valid"
                    };
                    let (id, account, since) = (key.id, key.account, key.created_at);
                    say(format!(
                        "{id}  {state:<7}  {account}  {since}  {}",
                        key.name
                    ));
                }
            }
            Action::Revoke { id } => {
                keys::revoke(&bus, id).await?;
                say("revoked");
            }
        }
        bus.close().await;
        Ok(())
    }
}
