//! A name server of a few lines: UDP alone, one answer for every name, which the test changes as it likes.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::poll;

const A: u16 = 1;
const AAAA: u16 = 28;

/// What the server says of any name.
#[derive(Clone, Debug)]
pub enum Says {
    /// It has these addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// It doesn't exist.
    NoSuchName,
    /// The server has a fault.
    Fault,
    /// Nothing at all.
    Nothing,
}

#[derive(Default)]
struct Shared {
    says: Mutex<Option<Says>>,
    asked: Mutex<Vec<String>>,
}

/// The server; stops when dropped.
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl NameServer {
    /// Starts one on a free port.
    pub async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("a bound socket");
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(serve(socket, Arc::clone(&shared)));
        let server = Self { address, shared, task };
        server.say(says);
        server
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it says from now on.
    pub fn say(&self, says: Says) {
        *self.shared.says.lock().unwrap_or_else(PoisonError::into_inner) = Some(says);
    }

    /// The names that it was asked for, each as often.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it was asked so many times more.
    pub async fn is_asked(&self, times: usize) {
        let wanted = self.asked().len() + times;
        poll::until_true("the name server is asked", async || self.asked().len() >= wanted).await;
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, shared: Arc<Shared>) {
    let mut buffer = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        let Some(query) = Query::read(&buffer[..length]) else { continue };
        shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(query.name.clone());
        let says = shared.says.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(answer) = says.and_then(|says| query.answer(&says)) {
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

/// A question (RFC 1035 section 4).
struct Query<'a> {
    id: &'a [u8],
    name: String,
    kind: u16,
    /// Its bytes: name, type and class.
    question: &'a [u8],
}

impl<'a> Query<'a> {
    /// `None`: whatever that was.
    fn read(message: &'a [u8]) -> Option<Self> {
        let (id, rest) = (message.get(..2)?, message.get(12..)?);
        let (mut labels, mut at) = (Vec::new(), 0);
        while let length @ 1.. = usize::from(*rest.get(at)?) {
            labels.push(String::from_utf8_lossy(rest.get(at + 1..=at + length)?).into_owned());
            at += 1 + length;
        }
        let question = rest.get(..at + 5)?;
        let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
        Some(Self { id, name: labels.join("."), kind, question })
    }

    fn answer(&self, says: &Says) -> Option<Vec<u8>> {
        let (code, addresses, ttl) = match says {
            Says::Addresses(addresses, ttl) => (0, addresses.as_slice(), *ttl),
            Says::NoSuchName => (3, &[][..], 0),
            Says::Fault => (2, &[][..], 0),
            Says::Nothing => return None,
        };
        let records: Vec<u8> = addresses.iter().filter_map(|ip| self.record(*ip, ttl)).flatten().collect();
        let count = addresses.iter().filter(|ip| self.record(**ip, ttl).is_some()).count();
        // A response to a recursive query, recursion available.
        let mut out = [self.id, &[0x81, 0x80 | code, 0, 1, 0, u8::try_from(count).ok()?, 0, 0, 0, 0]].concat();
        out.extend(self.question);
        out.extend(records);
        Some(out)
    }

    /// An address as a record, where it is of the kind that was asked for. Its name is that of the question, 12 bytes in.
    fn record(&self, ip: IpAddr, ttl: u32) -> Option<Vec<u8>> {
        let octets = match ip {
            IpAddr::V4(ip) if self.kind == A => ip.octets().to_vec(),
            IpAddr::V6(ip) if self.kind == AAAA => ip.octets().to_vec(),
            _ => return None,
        };
        let kind = self.kind.to_be_bytes();
        let length = u8::try_from(octets.len()).ok()?;
        let head = [&[0xc0, 12][..], &kind, &[0, 1], &ttl.to_be_bytes(), &[0, length]].concat();
        Some([head, octets].concat())
    }
}
