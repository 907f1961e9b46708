//! Objects and chunks as their bucket and the log know them now: whether anything refers to them, and
//! whether they are whole.
//!
//! Promise: what cannot be read is an error, never a finding.

use std::{
    collections::{HashMap, HashSet},
    io,
    time::Duration,
};

use colloquy_bus::{
    Bus, BusError,
    scan::{ChunksHeld, StoredObject},
};
use colloquy_contract::{ArtifactRef, Scope};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::{
    AuditError, Result,
    collect::StrayChunks,
    story::{Story, Zone, owner},
    survey::is_older,
};

/// The object, if no fact references it and it is older than the grace time.
pub(crate) async fn orphan(
    bus: &Bus,
    zone: Zone,
    name: &str,
    grace: Duration,
) -> Result<Option<StoredObject>> {
    let found = bus.find_object(zone.bucket(), name).await?;
    let Some(object) = found.filter(|object| !object.deleted) else {
        return Ok(None);
    };
    if !is_older(object.at, Timestamp::now(), grace) {
        return Ok(None);
    }
    // What a conversation references lies under its own name, or its reference is a finding.
    if let Some(scope) = owner(name) {
        let full = format!("{}:{name}", zone.bucket());
        let story = story(bus, scope).await?;
        let referenced = story
            .references
            .iter()
            .any(|reference| reference.zone == zone && reference.name(&story.scope) == name);
        if referenced || story.misnamed.contains(&full) {
            return Ok(None);
        }
    }
    Ok(Some(object))
}

/// Those chunks that no object refers to and that are older than the grace time.
pub(crate) async fn unclaimed(
    bus: &Bus,
    stray: Vec<StrayChunks>,
    grace: Duration,
) -> Result<Vec<(StrayChunks, ChunksHeld)>> {
    let now = Timestamp::now();
    let mut held = HashMap::new();
    for chunks in stray {
        let found = bus.find_chunks(chunks.zone.bucket(), &chunks.nuid).await?;
        if found.count > 0 && is_older(found.newest, now, grace) {
            held.insert((chunks.zone, chunks.nuid), found);
        }
    }
    let zones: HashSet<Zone> = held.keys().map(|(zone, _)| *zone).collect();
    for zone in zones {
        let mut objects = bus.scan_objects(zone.bucket());
        while let Some(object) = objects.next().await? {
            if !object.deleted {
                held.remove(&(zone, object.nuid));
            }
        }
    }
    Ok(held
        .into_iter()
        .map(|((zone, nuid), found)| (StrayChunks { zone, nuid }, found))
        .collect())
}

/// What the log says now. A message that cannot be read was reported when the log was read.
pub(crate) async fn story(bus: &Bus, scope: Scope) -> Result<Story> {
    let mut story = Story::new(scope);
    for entry in bus.history_entries(&story.scope).await? {
        if let Ok(logged) = &entry.fact {
            story.add(entry.sequence, &logged.envelope, &logged.fact);
        }
    }
    Ok(story)
}

/// Whether the content of an artifact is not all there or does not have its digest.
///
/// # Errors
/// If it could not be read: that says nothing about it.
pub(crate) async fn is_damaged(bus: &Bus, artifact: &ArtifactRef) -> Result<bool> {
    let mut content = match bus.artifacts().open(artifact).await {
        Ok(content) => content,
        Err(BusError::ArtifactDamaged { .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let mut digest = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        match content.read(&mut block).await {
            Ok(0) => return Ok(hex::encode(digest.finalize()) != artifact.sha256),
            Ok(read) => digest.update(&block[..read]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            Err(error) => {
                return Err(AuditError::Bus(BusError::ArtifactRead {
                    bucket: artifact.bucket.as_str(),
                    source: error.into(),
                }));
            }
        }
    }
}
