//! Tells the binary where to look for the oneDNN library when it runs.
//!
//! First beside itself (`bin/colloquy` and `lib/`, as in the container image), then in the asset
//! cache of the machine that built it. Only x86_64 Linux uses a shared oneDNN.

use std::env;

#[allow(
    unreachable_pub,
    reason = "the file is a public module of colloquy-assets"
)]
#[path = "platform/assets/src/location.rs"]
mod location;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=platform/assets/src/location.rs");
    let target = |variable| env::var(variable).unwrap_or_default();
    if target("CARGO_CFG_TARGET_OS") != "linux" || target("CARGO_CFG_TARGET_ARCH") != "x86_64" {
        return;
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    let cache = location::cache_root(|variable| {
        println!("cargo::rerun-if-env-changed={variable}");
        env::var_os(variable)
    });
    if let Some(cache) = cache {
        let library = location::onednn_folder(&cache).join("lib");
        println!(
            "cargo::rustc-link-arg-bins=-Wl,-rpath,{}",
            library.display()
        );
    }
}
