//! One check: a GET over a connection of its own, as the upstream's settings say.

use http::{Uri, Version, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

use crate::upstream::peer::Peer;

/// A body is read up to here, so that a server isn't cut off while it writes; more is nobody's health.
const MOST_BODY: usize = 64 * 1024;

/// What is sent to one peer.
pub(super) struct Exchange(RequestHeader);

impl Exchange {
    pub(super) fn new(peer: &Peer, path: &str) -> Result<Self> {
        let host = peer.authority();
        let mut request = RequestHeader::build("GET", path.as_bytes(), None)?;
        if peer.speaks_http2() {
            // There the host is part of the target.
            let scheme = if peer.is_tls() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
            request.set_uri(uri.map_err(|e| Error::because(pingora::ErrorType::InternalError, "health check", e))?);
            request.set_version(Version::HTTP_2);
        } else {
            request.insert_header(header::HOST, host)?;
            request.insert_header(header::CONNECTION, "close")?;
        }
        request.insert_header(header::USER_AGENT, "rtms-gateway")?;
        request.insert_header(header::ACCEPT, "*/*")?;
        Ok(Self(request))
    }

    /// Asks the peer at `target`.
    ///
    /// # Errors
    /// Why it isn't healthy, in a few words.
    pub(super) async fn run(&self, connector: &Connector, mut target: HttpPeer) -> Result<(), String> {
        // With room for no other stream the connection enters no pool: a kept one would prove less.
        target.options.max_h2_streams = 1;
        match self.status(connector, &target).await {
            Ok(status) if (200..400).contains(&status) => Ok(()),
            Ok(status) => Err(format!("status {status}")),
            Err(error) => Err(error.etype().as_str().to_owned()),
        }
    }

    async fn status(&self, connector: &Connector, target: &HttpPeer) -> Result<u16> {
        let (mut session, _) = connector.get_http_session(target).await?;
        session.write_request_header(Box::new(self.0.clone())).await?;
        session.finish_request_body().await?;
        let status = loop {
            session.read_response_header().await?;
            let status = session.response_header().map_or(0, |head| head.status.as_u16());
            if !(100..200).contains(&status) {
                break status;
            }
        };
        drain(&mut session).await?;
        Ok(status)
    }
}

async fn drain(session: &mut HttpSession) -> Result<()> {
    let mut read = 0;
    while read < MOST_BODY
        && let Some(piece) = session.read_response_body().await?
    {
        read += piece.len();
    }
    Ok(())
}
