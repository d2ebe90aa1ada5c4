//! Latency at a steady rate. Requests leave at even distances whatever the answers do, and each is timed from when it
//! should have left. The upstream is in here too, in the same thread: neither waits for the other to be given the core.
//!
//! `pace UPSTREAM TARGET REQUESTS RATE SECONDS`: the address to answer at, the one to ask, a file of requests without
//! bodies, how many of them a second, and for how long. Prints the times in microseconds that half of the answers and 99 of
//! a hundred took at most.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may fail loudly, and says what it found"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::yield_now;

const CONNECTIONS: usize = 64;
const END: &[u8] = b"\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: pace\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\n\
Content-Type: application/json\r\nContent-Length: 32\r\nConnection: keep-alive\r\n\r\n{\"code\":\"0\",\"status\":\"Success\"}\n";

/// A request, and when it should leave.
struct Due {
    at: Instant,
    request: Vec<u8>,
}

/// Which connection has its answer, and after how long.
type Answered = (usize, Duration);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Also where a task fails: nothing good comes of waiting for its answer.
    std::panic::set_hook(Box::new(|what| {
        eprintln!("{what}");
        std::process::exit(1);
    }));
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [upstream, target, file, rate, seconds] = &*given else {
        eprintln!("usage: pace UPSTREAM TARGET REQUESTS RATE SECONDS");
        return;
    };
    let upstream: SocketAddr = upstream.parse().expect("the upstream's address");
    let target = target.parse().expect("the address to ask");
    let text = std::fs::read_to_string(file).expect("the file of requests");
    let requests: Vec<Vec<u8>> = text.split_inclusive("\r\n\r\n").map(|request| request.as_bytes().to_vec()).collect();
    let rate: u32 = rate.parse().expect("a rate");
    let seconds: u32 = seconds.parse().expect("seconds");
    let listener = TcpListener::bind(upstream).await.expect("the upstream's address is free");
    tokio::spawn(serve(listener));
    let mut took = pace(target, &requests, rate, seconds).await;
    took.sort_unstable();
    let percentile = |n: usize| took.get(took.len() * n / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    println!("{:.1} {:.1}", percentile(50), percentile(99));
}

/// The upstream.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut had = Vec::with_capacity(4096);
    while let Ok(1..) = stream.read_buf(&mut had).await {
        if had.ends_with(END) {
            had.clear();
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

/// How long each answer took, those of the first tenth aside.
async fn pace(target: SocketAddr, requests: &[Vec<u8>], rate: u32, seconds: u32) -> Vec<Duration> {
    let (tell, mut answered) = channel(CONNECTIONS);
    let connections: Vec<Sender<Due>> = (0..CONNECTIONS)
        .map(|number| {
            let (sender, work) = channel(1);
            tokio::spawn(connection(number, target, work, tell.clone()));
            sender
        })
        .collect();
    let mut free: VecDeque<usize> = (0..CONNECTIONS).collect();
    let mut late: VecDeque<Due> = VecDeque::new();
    let total = (rate * seconds) as usize;
    let mut due = requests.iter().cycle().take(total);
    let mut took = Vec::with_capacity(total);
    let gap = Duration::from_secs(1) / rate;
    let mut next = Instant::now() + Duration::from_millis(100);
    while took.len() < total {
        while let Ok((number, time)) = answered.try_recv() {
            free.push_back(number);
            took.push(time);
        }
        while next <= Instant::now() {
            let Some(request) = due.next() else { break };
            late.push_back(Due { at: next, request: request.clone() });
            next += gap;
        }
        while !late.is_empty()
            && let Some(number) = free.pop_front()
            && let Some(due) = late.pop_front()
        {
            connections.get(number).expect("one of ours").try_send(due).expect("it waits for more");
        }
        // Lets the others run, and the sockets be looked at; then again at once, as no timer is exact enough.
        yield_now().await;
    }
    took.split_off(total / 10)
}

/// One connection: one request after the other.
async fn connection(number: usize, target: SocketAddr, mut work: Receiver<Due>, tell: Sender<Answered>) {
    let mut stream = TcpStream::connect(target).await.expect("the subject listens");
    stream.set_nodelay(true).expect("a socket");
    let mut had = Vec::with_capacity(4096);
    while let Some(due) = work.recv().await {
        stream.write_all(&due.request).await.expect("the subject reads");
        had.clear();
        while !had.ends_with(b"}\n") {
            let read = stream.read_buf(&mut had).await.expect("the subject answers");
            assert_ne!(read, 0, "the subject closed a connection");
        }
        assert!(had.starts_with(b"HTTP/1.1 200 "), "the subject refused a request");
        if tell.try_send((number, due.at.elapsed())).is_err() {
            return;
        }
    }
}
