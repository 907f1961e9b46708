//! The settings of a server, in its own language.

use std::{
    fmt::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use super::{BrokerOptions, Sync, tls::Certificates};

/// The ports of one server, all on the loopback interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) client: u16,
    pub(super) monitoring: u16,
    pub(super) route: u16,
}

/// The name of a server.
pub(super) fn name(index: usize) -> String {
    format!("testkit-n{index}")
}

/// Ports that were free a moment ago. They must be known before the start, so that a server that
/// comes back is found again.
pub(super) fn free_ports(nodes: usize) -> Vec<Ports> {
    // All are held until the last is known, so that none is given twice.
    let listeners: Vec<_> = (0..3 * nodes)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"))
        .collect();
    let numbers: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().expect("it has an address").port())
        .collect();
    numbers
        .chunks_exact(3)
        .map(|ports| Ports {
            client: ports[0],
            monitoring: ports[1],
            route: ports[2],
        })
        .collect()
}

pub(super) struct Settings<'a> {
    pub(super) index: usize,
    pub(super) ports: &'a [Ports],
    /// Where the servers reach each other, if there are several.
    pub(super) route_addresses: Option<&'a [SocketAddr]>,
    pub(super) data: &'a Path,
    /// What it proves itself with, if it speaks TLS.
    pub(super) certificates: Option<&'a Certificates>,
    pub(super) options: &'a BrokerOptions,
}

impl Settings<'_> {
    pub(super) fn text(&self) -> String {
        let (name, ports) = (name(self.index), self.ports[self.index]);
        let store = self.data.join(&name);
        let store = store.display();
        let sync = match self.options.sync {
            Sync::Always => ", sync_interval: always",
            Sync::Periodic => "",
        };
        let mut text = format!(
            "server_name: {name}\n\
             listen: \"127.0.0.1:{}\"\n\
             http: \"127.0.0.1:{}\"\n\
             max_payload: 1048576\n\
             lame_duck_grace_period: \"500ms\"\n\
             jetstream {{ store_dir: \"{store}\"{sync} }}\n",
            ports.client, ports.monitoring
        );
        text.push_str(&self.tls(false));
        if let Some(addresses) = self.route_addresses {
            self.cluster(&mut text, addresses);
        }
        if let Some(authorization) = &self.options.authorization {
            text.push_str(authorization.config());
            text.push('\n');
        }
        text
    }

    /// The servers of a cluster prove themselves to each other, clients do with their password.
    fn tls(&self, verify: bool) -> String {
        let Some(certificates) = self.certificates else {
            return String::new();
        };
        format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: {verify} }}\n",
            certificates.certificate.display(),
            certificates.key.display(),
            certificates.authority.display(),
        )
    }

    /// The servers reach each other through a go-between, so that they can be cut off, and do not
    /// tell clients of each other, so that those stay behind their proxies.
    fn cluster(&self, text: &mut String, addresses: &[SocketAddr]) {
        let others = addresses
            .iter()
            .enumerate()
            .filter(|&(index, _)| index != self.index);
        let routes: Vec<_> = others
            .map(|(_, address)| format!("\"nats-route://{address}\""))
            .collect();
        let _ = writeln!(
            text,
            "cluster {{\n  name: testkit\n  listen: \"127.0.0.1:{}\"\n  advertise: \"{}\"\n  \
             no_advertise: true\n  routes: [{}]\n{}}}",
            self.ports[self.index].route,
            addresses[self.index],
            routes.join(", "),
            self.tls(true)
        );
    }
}
