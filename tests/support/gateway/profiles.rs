//! A gateway with the app profiles API, and calls to it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Builder, Gateway};
use crate::support::client::{self, Request, Response, get, post};
use crate::support::{poll, ports};

/// The token that may write.
pub const WRITER: &str = "a-token-that-may-write";
/// The token that may only read.
pub const READER: &str = "a-token-that-may-read";

/// A call with the token that may write.
pub fn call(method: &str, path: &str) -> Request {
    get(format!("/api/v1/{path}")).method(method).token(WRITER)
}

/// A call with a body.
pub fn call_with(method: &str, path: &str, body: &Value) -> Request {
    let request = post(format!("/api/v1/{path}"), body.to_string()).method(method);
    request.token(WRITER).header("Content-Type: application/json")
}

impl Builder {
    /// The app profiles API, on a free port.
    pub fn profiles(mut self) -> Self {
        let address = ports::free();
        self.profiles = Some(address);
        let tokens = json!([
            { "name": "writer", "token": WRITER, "scope": "write" },
            { "name": "reader", "token": READER, "scope": "read" },
        ]);
        self.set("/profiles", json!({ "address": address.to_string(), "tokens": tokens }))
    }
}

impl Builder {
    /// Starts it and waits until it has made the index, in a database that has none: `SecantusDB` may spin for ever over
    /// writes that meet the making of an index.
    pub async fn start_indexed(self) -> Gateway {
        let gateway = self.start().await;
        poll::until_true("the unique index", async || gateway.printed().contains("made the unique index")).await;
        gateway
    }
}

impl Gateway {
    /// Where its app profiles API is.
    pub fn profiles(&self) -> SocketAddr {
        self.profiles.expect("a gateway with the API")
    }

    /// What its audit log says so far.
    pub fn audit(&self) -> Vec<Value> {
        let printed = self.printed();
        let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["target"] == "rtms_gateway::audit").collect()
    }

    /// A call of the API, over a connection of its own.
    pub async fn call(&self, request: &Request) -> Response {
        client::once(self.profiles(), request).await
    }

    /// A call that must give this status; its JSON.
    pub async fn called(&self, request: &Request, status: u16) -> Value {
        let response = self.call(request).await;
        assert_eq!(response.status, status, "{}", response.text());
        if response.body.is_empty() { Value::Null } else { serde_json::from_slice(&response.body).expect("JSON") }
    }
}
