//! The tag worker: a transcript's names, numbers and places become a document of entities.
//!
//! What is found and how is [`colloquy_entities`]; this is the service around it.
#![warn(missing_docs)]

mod service;

pub use service::TagService;
