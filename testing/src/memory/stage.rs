//! The phases of nginx, with the names of `ngx.get_phase()`.

use kong_response::host::{Client, ServerPhase};

/// A phase of nginx.
#[derive(Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// The phase in the terms of the rules.
    pub server: ServerPhase,
    /// Whether there is a request of a client.
    pub client: Client,
}

const fn stage(name: &'static str, server: ServerPhase, client: Client) -> Stage {
    Stage { name, server, client }
}

static STAGES: [Stage; 17] = [
    stage("rewrite", ServerPhase::Active, Client::Real),
    stage("server_rewrite", ServerPhase::Active, Client::Real),
    stage("access", ServerPhase::Active, Client::Real),
    stage("content", ServerPhase::Content, Client::Real),
    stage("balancer", ServerPhase::Balancer, Client::Real),
    stage("header_filter", ServerPhase::HeaderFilter, Client::Real),
    stage("body_filter", ServerPhase::BodyFilter, Client::Real),
    stage("log", ServerPhase::Passive, Client::Real),
    stage("set", ServerPhase::Passive, Client::Real),
    stage("init", ServerPhase::Passive, Client::Absent),
    stage("init_worker", ServerPhase::Passive, Client::Fake),
    stage("exit_worker", ServerPhase::Passive, Client::Fake),
    stage("timer", ServerPhase::Active, Client::Fake),
    stage("ssl_cert", ServerPhase::Active, Client::Fake),
    stage("ssl_client_hello", ServerPhase::Active, Client::Fake),
    stage("ssl_session_fetch", ServerPhase::Active, Client::Fake),
    stage("ssl_session_store", ServerPhase::Active, Client::Fake),
];

impl Stage {
    /// The phase with this name.
    pub fn named(name: &[u8]) -> Option<&'static Self> {
        STAGES.iter().find(|stage| stage.name.as_bytes() == name)
    }

    /// The first phase that is `server` for the rules.
    pub fn of(server: ServerPhase) -> &'static Self {
        STAGES.iter().find(|stage| stage.server == server).unwrap_or(&STAGES[0])
    }
}
