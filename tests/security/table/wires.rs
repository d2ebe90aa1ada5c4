//! How a row goes out, and what comes back.

use super::Field;
use crate::support::client::{Client, Last};
use crate::support::gateway::Gateway;
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake};

/// The answers that came back: status and code of each. None: the connection or stream ended without one.
pub type Came = Vec<(u16, String)>;

/// Stands for an answer where the connection should have ended, and didn't.
const LEFT_OPEN: u16 = 0;
/// As much as a DATA frame may hold where nothing else was agreed on (RFC 9113 section 4.2).
const FRAME: usize = 16 * 1024;

/// A request in frames.
pub struct Http2 {
    /// The header block's fields, in this order.
    pub fields: Vec<Field>,
    /// DATA frames.
    pub pieces: Vec<Vec<u8>>,
}

impl Http2 {
    /// A request whose body comes in frames as large as they may be.
    pub fn new(fields: Vec<Field>, body: &[u8]) -> Self {
        Self { fields, pieces: body.chunks(FRAME).map(<[u8]>::to_vec).collect() }
    }
}

/// Sends bytes over a connection of their own. `to_its_end`: where a head can't be trusted, nothing after it can, so
/// the connection must end after the answer.
pub async fn http_1(gateway: &Gateway, bytes: &[u8], to_its_end: bool) -> Came {
    let mut client: Client = gateway.connect().await;
    client.send(bytes).await;
    let mut came = Came::new();
    for _ in 0..=usize::from(to_its_end) {
        match client.last().await {
            Last::Answer(answer) => came.push(answer.verdict()),
            Last::Closed => break,
            Last::Open => came.push((LEFT_OPEN, "left open".into())),
        }
    }
    came
}

/// Sends a request over a connection of its own, to the second listener.
pub async fn http_2(gateway: &Gateway, authority: &Authority, request: &Http2) -> Came {
    let handshake = Handshake::trusting(authority).protocols(&["h2"]);
    let (client, protocol) = handshake.connect(gateway.second_address()).await.expect("a handshake");
    assert_eq!(protocol, "h2");
    let fields: Vec<(&[u8], &[u8])> = request.fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    let pieces: Vec<&[u8]> = request.pieces.iter().map(Vec::as_slice).collect();
    let answer = H2::start(client).await.send(&fields, &pieces).await;
    if answer.status == 0 { Came::new() } else { vec![(answer.status, answer.code().unwrap_or_default())] }
}
