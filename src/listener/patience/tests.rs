//! Deadlines under a paused clock.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::advance;

use super::*;

const IDLE: Duration = Duration::from_mins(1);
const HEAD: Duration = Duration::from_secs(10);

/// A connection with deadlines, and the client's end of it.
fn connection() -> (Stream, DuplexStream) {
    let (server, client) = tokio::io::duplex(1024);
    (Box::new(Timed::new(Box::new(server), Times::new(IDLE, HEAD))), client)
}

fn of(stream: &Stream) -> &Timed {
    stream.as_any().downcast_ref().unwrap()
}

/// What a read that waits as long as it takes comes to, and after how long.
async fn waited(stream: &mut Stream) -> (io::Result<usize>, Duration) {
    let began = Instant::now();
    let result = stream.read(&mut [0; 64]).await;
    (result, began.elapsed())
}

async fn times_out_after(stream: &mut Stream, seconds: u64) {
    let (result, after) = waited(stream).await;
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    // The timer counts whole milliseconds.
    let expected = Duration::from_secs(seconds);
    assert!(after >= expected && after < expected + Duration::from_millis(5), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_ends_after_the_idle_time() {
    let (mut stream, _client) = connection();
    times_out_after(&mut stream, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_ends_after_the_head_time_however_many_bytes_come() {
    let (mut stream, mut client) = connection();
    let began = Instant::now();
    let trickle = tokio::spawn(async move {
        while client.write_all(b"x").await.is_ok() {
            // Virtual time, as the clock is paused.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    });
    let mut bytes = 0;
    let error = loop {
        match stream.read(&mut [0; 64]).await {
            Ok(n) => bytes += n,
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), bytes), (io::ErrorKind::TimedOut, 4));
    assert!(began.elapsed() >= HEAD && began.elapsed() < HEAD + Duration::from_millis(5));
    drop(stream);
    trickle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_complete_head_ends_the_deadline_and_the_next_one_begins_anew() {
    let (mut stream, mut client) = connection();
    for _ in 0..3 {
        advance(Duration::from_secs(50)).await;
        client.write_all(b"head").await.unwrap();
        assert_eq!(waited(&mut stream).await.0.unwrap(), 4);
        of(&stream).deadline.store(NEVER, Ordering::Relaxed);
        // A body takes as long as it takes.
        assert!(tokio::time::timeout(Duration::from_hours(1), waited(&mut stream)).await.is_err());
        of(&stream).await_head();
    }
    times_out_after(&mut stream, 60).await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deadline_wins_over_a_timer_that_was_set_later() {
    let (mut stream, mut client) = connection();
    assert!(tokio::time::timeout(Duration::from_secs(1), waited(&mut stream)).await.is_err());
    client.write_all(b"x").await.unwrap();
    assert_eq!(waited(&mut stream).await.0.unwrap(), 1);
    times_out_after(&mut stream, 10).await;
}

#[tokio::test(start_paused = true)]
async fn http_2_is_timed_until_its_preface_is_there() {
    let (mut stream, mut client) = connection();
    of(&stream).preface.store(PREFACE.len(), Ordering::Relaxed);
    client.write_all(&[0; PREFACE.len() - 1]).await.unwrap();
    waited(&mut stream).await.0.unwrap();
    assert!(of(&stream).deadline().is_some());
    client.write_all(&[0]).await.unwrap();
    waited(&mut stream).await.0.unwrap();
    assert!(tokio::time::timeout(Duration::from_hours(1), waited(&mut stream)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_is_passed_on() {
    let (mut stream, client) = connection();
    drop(client);
    assert_eq!(waited(&mut stream).await.0.unwrap(), 0);
}
