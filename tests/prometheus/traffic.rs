//! Requests of all kinds, good and bad, one after the other as long as the run lasts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ring::hmac;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::support::client::{Client, Request, get, post, set_user};
use crate::support::tokens::{self, claims, good_claims};
use crate::support::{APP, SECRET, USER, plain, setuserid};

/// Apps that differ in nothing but how much they ask.
pub const CROWD: [&str; 6] = ["TR_ALPHA", "TR_BETA", "TR_GAMMA", "TR_DELTA", "TR_EPSILON", "TR_ZETA"];
/// An app that asks more than it may.
pub const GREEDY: &str = "TR_GREEDY";
/// An app in a rotation: tokens by its previous secret are still good.
pub const ROTATED: &str = "TR_ROTATED";
/// No secret; switched off; nonsense; revoked.
pub const ODD: [&str; 4] = ["TR_OPEN", "TR_DISABLED", "TR_BROKEN", "TR_REVOKED"];
/// Requests that run side by side.
const CLIENTS: u64 = 4;
/// Between the beginnings of a client's requests.
const PACE: Duration = Duration::from_millis(30);

/// A request, and how often it is drawn.
type Weighted = (u32, Request);

fn good() -> Vec<Weighted> {
    let mut all = vec![
        (40, get(plain(APP)).token(tokens::good())),
        (25, set_user(APP, USER).token(tokens::good())),
        (10, get(plain(ROTATED)).token(tokens::of(ROTATED, USER, SECRET))),
        (4, get(plain(ROTATED)).token(tokens::of(ROTATED, USER, "the-new-secret-of-a-rotation-in-progress"))),
        (8, get(plain(ODD[0]))),
        (8, get("/public/x")),
        (6, get("/broken/x")),
        (2, get("/slow/x")),
        (1, get(plain(APP)).token(good_claims(r#","exp":1900000000000"#).mint())),
        (
            1,
            post(setuserid(APP), r#"{"encrypted":"x"}"#).header("Content-Type: application/json").token(tokens::good()),
        ),
    ];
    for (app, weight) in CROWD.iter().zip([14, 9, 6, 4, 3, 2]) {
        all.push((weight, get(plain(app)).token(tokens::of(app, USER, SECRET))));
    }
    all
}

/// One request for each reason that a request alone can be rejected for.
fn rejected() -> Vec<Weighted> {
    let with = |token: String| get(plain(APP)).token(token);
    let body = |body: &str| post(setuserid(APP), body).header("Content-Type: application/json").token(tokens::good());
    let future = tokens::now(3600);
    vec![
        (4, get(plain(APP))),
        (8, with(tokens::expired())),
        (1, with("x".into())),
        (1, get(plain(APP)).header("Authorization: Basic eDp5")),
        (1, with(good_claims("").header(r#"{"alg":"HS512"}"#).algorithm(hmac::HMAC_SHA512).mint())),
        (2, with(tokens::of(APP, USER, "another-secret-that-is-long-enough-for-it"))),
        (1, with(good_claims(&format!(r#","nbf":{future}"#)).mint())),
        (1, with(claims(format!(r#"{{"appId":"{APP}"}}"#)).mint())),
        (1, with(claims(format!(r#"{{"appId":"TR_ALPHA","userId":"{USER}"}}"#)).mint())),
        (2, set_user(APP, "another").token(tokens::good())),
        (1, post(customer(), format!(r#"{{"customerId":"c1","clientId":"{APP}/nobody/x"}}"#)).token(tokens::good())),
        (2, get(plain("TR_NOBODY")).token(tokens::of("TR_NOBODY", USER, SECRET))),
        (1, get(plain(ODD[1])).token(tokens::of(ODD[1], USER, SECRET))),
        (2, get(plain(ODD[2])).token(tokens::of(ODD[2], USER, SECRET))),
        (1, get(plain(ODD[3])).token(tokens::of(ODD[3], USER, SECRET))),
        (1, body("[]")),
        (1, body(&"x".repeat(70_000))),
        (1, get("/rtmsAPI/../x")),
        (2, get("/nowhere")),
        (1, get(setuserid(APP)).token(tokens::good())),
        (1, get(format!("/rtmsAPI/api/v1/{APP}/lookup?userId=%zz")).token(tokens::good())),
        (1, get("/public/x").header(format!("X-Large: {}", "y".repeat(40_000)))),
    ]
}

fn customer() -> String {
    format!("/rtmsAPI/api/v1/{APP}/setCustomerId")
}

/// Traffic on a gateway; ends when dropped.
pub struct Traffic {
    wrong: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Traffic {
    /// Starts it; `secure` is a listener with TLS.
    pub fn start(address: SocketAddr, secure: SocketAddr) -> Self {
        let wrong = Arc::new(AtomicBool::new(false));
        let all: Arc<Vec<Weighted>> = Arc::new(good().into_iter().chain(rejected()).collect());
        let mut tasks = JoinSet::new();
        for seed in 0..CLIENTS {
            tasks.spawn(mixed(address, Arc::clone(&all), seed));
        }
        let greedy = get(plain(GREEDY)).token(tokens::of(GREEDY, USER, SECRET));
        tasks.spawn(steady(address, greedy, Duration::from_millis(15), None));
        let bad = get(plain(CROWD[1])).token(tokens::of(CROWD[1], USER, "the-secret-of-yesterday-that-nobody-has"));
        tasks.spawn(steady(address, bad, Duration::from_millis(8), Some(Arc::clone(&wrong))));
        tasks.spawn(strangers(address, secure));
        Self { wrong, _tasks: tasks }
    }

    /// Whether an app signs by a secret that isn't its own any more.
    pub fn sign_wrongly(&self, yes: bool) {
        self.wrong.store(yes, Ordering::Relaxed);
    }
}

/// Draws one request after the other; more of them, then fewer, as of people.
async fn mixed(address: SocketAddr, all: Arc<Vec<Weighted>>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let total: u32 = all.iter().map(|(weight, _)| weight).sum();
    let began = Instant::now();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let wave = 0.5 + 0.25 * (began.elapsed().as_secs_f64() / 17.0).sin();
        if random.f64() > wave {
            continue;
        }
        let mut drawn = random.u32(0..total);
        let request = all.iter().find(|(weight, _)| drawn.checked_sub(*weight).map(|left| drawn = left).is_none());
        ask(address, &request.expect("within the total").1).await;
    }
}

/// The same request again and again, while `on` says so.
async fn steady(address: SocketAddr, request: Request, pace: Duration, on: Option<Arc<AtomicBool>>) {
    let mut pace = interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        if on.as_ref().is_none_or(|on| on.load(Ordering::Relaxed)) {
            ask(address, &request).await;
        }
    }
}

/// A request over a connection of its own, whatever comes of it: a process that is relieved may close it.
async fn ask(address: SocketAddr, request: &Request) {
    let Ok(stream) = TcpStream::connect(address).await else { return };
    let mut client = Client::over(stream, address);
    let bytes = request.bytes(client.host());
    client.send(&bytes).await;
    let _ = client.response().await;
}

/// Connections that ask nothing, or nothing that can be understood; and a body that never comes.
async fn strangers(address: SocketAddr, secure: SocketAddr) {
    let token = tokens::good();
    let promised = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n",
        setuserid(APP)
    );
    let mut pace = interval(Duration::from_millis(300));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        for (to, bytes) in
            [(secure, "no TLS at all\r\n\r\n"), (address, "no HTTP\r\n\r\n"), (address, ""), (address, &promised)]
        {
            let Ok(mut stream) = TcpStream::connect(to).await else { continue };
            let _ = stream.write_all(bytes.as_bytes()).await;
            if bytes.starts_with("POST") {
                let _ = Client::over(stream, to).response().await;
            }
        }
    }
}
