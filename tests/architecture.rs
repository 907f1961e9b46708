//! The arrows of ARCHITECTURE.md, read from the manifests: who may depend on whom.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// For each of our packages, those of ours it depends on (tests' dependencies aside), and the
/// names of all packages it can reach.
struct Graph {
    direct: BTreeMap<String, BTreeSet<String>>,
    reachable: BTreeMap<String, BTreeSet<String>>,
    folder: BTreeMap<String, String>,
}

fn graph() -> Graph {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata runs");
    let resolve = metadata.resolve.as_ref().expect("the graph is resolved");
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &resolve.nodes {
        let normal = node.deps.iter().filter(|dependency| {
            dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal)
        });
        edges
            .entry(names[&node.id].clone())
            .or_default()
            .extend(normal.map(|dependency| names[&dependency.pkg].clone()));
    }
    let members: Vec<_> = metadata.workspace_packages();
    let ours: BTreeSet<String> = members
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let direct = ours
        .iter()
        .map(|name| {
            (
                name.clone(),
                edges[name].intersection(&ours).cloned().collect(),
            )
        })
        .collect();
    let reachable = ours
        .iter()
        .map(|name| (name.clone(), reach(&edges, name)))
        .collect();
    let folder = members
        .iter()
        .map(|package| {
            let path = package
                .manifest_path
                .strip_prefix(&metadata.workspace_root)
                .unwrap();
            (package.name.to_string(), path.as_str().to_owned())
        })
        .collect();
    Graph {
        direct,
        reachable,
        folder,
    }
}

fn reach(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(name) = next.pop() {
        for dependency in edges.get(&name).into_iter().flatten() {
            if seen.insert(dependency.clone()) {
                next.push(dependency.clone());
            }
        }
    }
    seen
}

#[test]
fn invariant_dependencies_point_one_way() {
    let graph = graph();
    for (name, dependencies) in &graph.direct {
        let folder = &graph.folder[name];
        let allowed: &[&str] = match name.as_str() {
            "colloquy" => continue,
            "colloquy-contract" | "colloquy-runtime" | "colloquy-audio" | "onednn-src" => &[],
            "colloquy-assets" | "colloquy-ner" => &[],
            "colloquy-formats" => &["colloquy-contract"],
            "colloquy-entities" => &["colloquy-contract", "colloquy-ner"],
            "colloquy-bus" => &["colloquy-contract"],
            "colloquy-testkit" => &["colloquy-assets", "colloquy-bus", "colloquy-contract"],
            "colloquy-audit" => &["colloquy-contract", "colloquy-bus"],
            _ if folder.starts_with("workers/") || folder.starts_with("gateway/") => &[
                "colloquy-contract",
                "colloquy-bus",
                "colloquy-runtime",
                "colloquy-audio",
                "colloquy-entities",
                "colloquy-formats",
            ],
            _ => panic!("{name} in {folder} is new: say here what it may depend on"),
        };
        for dependency in dependencies {
            assert!(
                allowed.contains(&dependency.as_str()),
                "invariant: {name} never depends on {dependency}"
            );
        }
    }
}

#[test]
fn invariant_workers_never_depend_on_each_other() {
    let graph = graph();
    let is_worker = |name: &String| graph.folder[name].starts_with("workers/");
    for (worker, dependencies) in graph.direct.iter().filter(|(name, _)| is_worker(name)) {
        let others: Vec<_> = dependencies.iter().filter(|name| is_worker(name)).collect();
        assert!(others.is_empty(), "{worker} depends on {others:?}");
    }
}

#[test]
fn invariant_only_the_bus_speaks_to_the_broker() {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata runs");
    for package in &metadata.packages {
        let speaks = package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "async-nats");
        assert!(
            !speaks || ["colloquy-bus", "colloquy-testkit"].contains(&package.name.as_str()),
            "{} speaks NATS",
            package.name
        );
    }
}

#[test]
fn invariant_the_test_kit_is_for_tests_only() {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata runs");
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            assert!(
                dependency.name != "colloquy-testkit"
                    || dependency.kind == DependencyKind::Development,
                "{} ships the test kit",
                package.name
            );
        }
    }
}

#[test]
fn invariant_the_contract_has_no_runtime_and_the_gateway_no_engines() {
    let graph = graph();
    for (package, foreign) in [
        ("colloquy-contract", &["tokio", "async-nats", "axum"][..]),
        ("colloquy-gateway", &["tantivy", "ct2rs", "symphonia"]),
    ] {
        for name in foreign {
            assert!(
                !graph.reachable[package].contains(*name),
                "{package} reaches {name}"
            );
        }
    }
}
