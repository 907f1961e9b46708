//! Answers what operators ask of an index node: how it stands, what it holds, to rebuild it.

use std::sync::Arc;

use colloquy_contract::control::{
    Holding, Holdings, HoldingsRequest, MAX_HOLDINGS, ModelState, RebuildFrom, RebuildRequest,
};
use tokio::sync::mpsc;

use crate::{Result, error::chain, ingest::blocking, model::Model, rebuild::Status};

/// Answers operators.
pub(crate) struct Control {
    pub(crate) model: Arc<Model>,
    pub(crate) status: Arc<Status>,
    /// The node's name and share.
    pub(crate) label: String,
    pub(crate) partitions: Vec<u8>,
    pub(crate) requests: mpsc::Sender<RebuildFrom>,
}

impl Control {
    pub(crate) async fn state(self: Arc<Self>) -> ModelState {
        let model = self.model.clone();
        let standing = blocking(move || {
            let view = model.store().view();
            Ok((view.position.indexed_through, view.entries()?))
        });
        let standing = standing.await;
        let status = self.status.get();
        let unread = standing.as_ref().err().map(|error| chain(error));
        let (through, entries) = standing.unwrap_or_default();
        ModelState {
            node: self.label.clone(),
            through,
            entries,
            rebuilds: status.done,
            rebuild: status.under_way,
            error: status.error.or(unread),
        }
    }

    /// Begins a rebuild, or says why not.
    pub(crate) async fn rebuild(self: Arc<Self>, request: RebuildRequest) -> ModelState {
        let refused = if !self.status.begin() {
            Some("a rebuild is under way already; wait for its end")
        } else if self.requests.send(request.from).await.is_err() {
            Some("the node is about to stop; ask again when it runs")
        } else {
            None
        };
        let mut state = self.state().await;
        state.error = refused.map(str::to_owned);
        state
    }

    /// What is held of the conversations asked for. An answer that covers no partition says that
    /// the node cannot tell.
    pub(crate) async fn holdings(self: Arc<Self>, request: HoldingsRequest) -> Holdings {
        let found = self.held(request).await;
        let covers = found.is_ok();
        if let Err(error) = &found {
            tracing::warn!(error = chain(error), "holdings cannot be told");
        }
        let (through, entries, held) = found.unwrap_or_default();
        Holdings {
            node: self.label.clone(),
            partitions: if covers {
                self.partitions.clone()
            } else {
                Vec::new()
            },
            through,
            entries,
            held,
        }
    }

    async fn held(&self, request: HoldingsRequest) -> Result<(u64, u64, Vec<Holding>)> {
        let model = self.model.clone();
        blocking(move || {
            let view = model.store().view();
            let mut held = Vec::new();
            for conversation in request.conversations.into_iter().take(MAX_HOLDINGS) {
                held.extend(view.holding(conversation)?);
            }
            Ok((view.position.indexed_through, view.entries()?, held))
        })
        .await
    }
}
