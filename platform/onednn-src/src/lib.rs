//! Links the prebuilt oneDNN of the asset cache.
//!
//! The crate of this name on crates.io compiles oneDNN from source, which takes half an hour on two
//! cores. `[patch.crates-io]` puts this one in its place; all that it does is in its build script.
