//! `colloquy reprocess`: a conversation goes through the services again.

use anyhow::{Context, bail};
use clap::Args;
use colloquy_contract::{
    AccountId, ConversationId, Scope,
    services::{self, Reading},
};

use super::{options::BrokerOptions, say, up::DEFAULT_ACCOUNT};

/// Options of `colloquy reprocess`.
#[derive(Debug, Args)]
pub(crate) struct Reprocess {
    /// The conversation
    conversation: ConversationId,

    /// First service that does its work again, such as transcribe; all after it follow
    #[arg(long, value_name = "SERVICE")]
    from: String,

    /// Account that the conversation belongs to
    #[arg(long, default_value = DEFAULT_ACCOUNT)]
    account: AccountId,

    #[command(flatten)]
    broker: BrokerOptions,
}

impl Reprocess {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stages = || {
            services::ALL
                .iter()
                .filter(|known| known.reading != Reading::Nothing && !known.states.is_empty())
        };
        let Some(stage) = stages().find(|known| known.name == self.from) else {
            let names: Vec<&str> = stages().map(|known| known.name).collect();
            bail!("'{}' is not one of {}", self.from, names.join(", "));
        };
        let bus = self.broker.connect("colloquy-reprocess").await?;
        let scope = Scope::Conversation {
            account: self.account.clone(),
            conversation: self.conversation,
        };
        let restated = bus.reprocess(&scope, stage.reacts).await?;
        bus.close().await;
        let restated = restated.with_context(|| {
            format!(
                "conversation {} of account {} never got to {}; is the account right?",
                self.conversation, self.account, self.from
            )
        })?;
        say(format!(
            "{} is stated anew as revision {}; {} and what follows do their work again",
            restated.fact, restated.revision, self.from
        ));
        Ok(())
    }
}
