//! What passes by itself, and is worth waiting for: servers that have no leader yet, or too few of
//! them.

use async_nats::{
    ConnectError, ConnectErrorKind,
    jetstream::{
        ErrorCode,
        context::{
            ConsumerInfoError, ConsumerInfoErrorKind, CreateStreamError, CreateStreamErrorKind,
            GetStreamError, GetStreamErrorKind,
        },
        stream::{ConsumerError, ConsumerErrorKind},
    },
};

use crate::BusError;

/// What the broker answers while its servers have not agreed, or too many of them are away.
const UNDECIDED: [ErrorCode; 10] = [
    ErrorCode::CLUSTER_INCOMPLETE,
    ErrorCode::CLUSTER_NO_PEERS,
    ErrorCode::CLUSTER_NOT_ACTIVE,
    ErrorCode::CLUSTER_NOT_ASSIGNED,
    ErrorCode::CLUSTER_NOT_AVAILABLE,
    ErrorCode::CLUSTER_NOT_LEADER,
    ErrorCode::CLUSTER_SERVER_MEMBER_CHANGE_INFLIGHT,
    ErrorCode::STREAM_OFFLINE,
    ErrorCode::CONSUMER_OFFLINE,
    ErrorCode::STREAM_OFFLINE_REASON,
];

/// Whether an error of provisioning may be gone soon: no answer, or none that decides anything.
pub(super) fn passes(error: &BusError) -> bool {
    let BusError::Provision { source, .. } = error else {
        return false;
    };
    let undecided = |said: &async_nats::jetstream::Error| UNDECIDED.contains(&said.error_code());
    if let Some(error) = source.downcast_ref::<GetStreamError>() {
        return match error.kind() {
            GetStreamErrorKind::Request => true,
            GetStreamErrorKind::JetStream(said) => undecided(&said),
            _ => false,
        };
    }
    if let Some(error) = source.downcast_ref::<CreateStreamError>() {
        return match error.kind() {
            CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::JetStreamUnavailable => true,
            CreateStreamErrorKind::JetStream(said) => undecided(&said),
            _ => false,
        };
    }
    if let Some(error) = source.downcast_ref::<ConsumerInfoError>() {
        use ConsumerInfoErrorKind::{JetStream, NoResponders, Offline, Request, TimedOut};
        return match error.kind() {
            NoResponders | Offline | Request | TimedOut => true,
            JetStream(said) => undecided(&said),
            _ => false,
        };
    }
    if let Some(error) = source.downcast_ref::<ConsumerError>() {
        return match error.kind() {
            ConsumerErrorKind::Request | ConsumerErrorKind::TimedOut => true,
            ConsumerErrorKind::JetStream(said) => undecided(&said),
            _ => false,
        };
    }
    false
}

/// Whether a connection may come about soon that did not: nobody listens yet. Who is refused stays so.
pub(crate) fn connects_later(error: &BusError) -> bool {
    let BusError::Connect { source, .. } = error else {
        return false;
    };
    let kind = source
        .downcast_ref::<ConnectError>()
        .map(ConnectError::kind);
    matches!(
        kind,
        Some(ConnectErrorKind::Dns | ConnectErrorKind::Io | ConnectErrorKind::TimedOut)
    )
}
