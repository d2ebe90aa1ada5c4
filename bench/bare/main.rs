//! A bare Pingora pass-through, nothing but `upstream_peer`: the share of the framework in what a request costs.
//!
//! `bare LISTEN UPSTREAM`; one thread, settings as the gateway has them.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::expect_used, reason = "a bench may fail loudly")]

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use pingora::Result;
use pingora::prelude::HttpPeer;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// The gateway's: what is compared is what comes on top of the framework.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.0, false, String::new());
        // Pingora keeps a connection only where this is set.
        peer.options.idle_timeout = Some(Duration::from_mins(1));
        Ok(Box::new(peer))
    }
}

fn main() {
    let mut given = std::env::args().skip(1);
    let listen = given.next().expect("the address to listen on");
    let upstream = given.next().and_then(|a| a.parse().ok()).expect("the upstream's address");
    let conf =
        ServerConf { threads: 1, work_stealing: false, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(upstream));
    service.add_tcp(&listen);
    server.add_service(service);
    server.run_forever();
}
