//! `/status` in a browser: it is drawn, it follows what happens, and it says when the gateway is gone.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::session::Tab;
use crate::support::client::get;
use crate::support::gateway::{Gateway, gateway, to_peers};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, ports, tls, tokens};

fn address(gateway: &Gateway) -> String {
    format!("http://{}/status", gateway.admin())
}

async fn open(gateway: &Gateway) -> Tab {
    Tab::open(&address(gateway)).await
}

/// Nothing but the page and its JSON was asked for, and nobody complained.
fn in_order(tab: &Tab, gateway: &Gateway) {
    assert!(tab.complaints().is_empty(), "{:#?}", tab.complaints());
    let own = |url: &String| *url == address(gateway) || *url == format!("http://{}/status.json", gateway.admin());
    let foreign: Vec<String> = tab.asked().into_iter().filter(|url| !own(url) && url != "data:,").collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test]
async fn it_follows_the_database_and_shows_rejections_as_they_happen() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    mongo.insert_app(APP, SECRET).await;
    let gateway = gateway(&upstream).mongo(&mongo).start().await;
    let mut tab = open(&gateway).await;
    tab.shows("#says", &["Ready"]).await;
    tab.shows("#apps h2", &["1 document"]).await;
    tab.shows("#rejections", &["none since the start"]).await;
    tab.value("window.same = true").await;

    mongo.insert_app("TR_NEW", SECRET).await;
    tab.shows("#apps h2", &["2 documents"]).await;
    gateway.verdict(APP, &tokens::expired()).await;
    gateway.verdict(APP, &tokens::of(APP, USER, "another")).await;
    tab.shows("#rejections", &["token_expired", "signature_invalid", "38", "40"]).await;
    tab.shows("#traffic", &["rejected"]).await;

    mongo.set("TR_NEW", mongodb::bson::doc! { "jwt_secretkey": 5 }).await;
    tab.shows("#apps", &["unusable apps", "TR_NEW"]).await;
    tab.shows("#look", &["1 app is unusable"]).await;
    assert_eq!(tab.value("window.same").await, json!(true), "the page was loaded again");
    in_order(&tab, &gateway);
}

#[tokio::test]
async fn a_peer_that_goes_down_and_a_refused_reload_are_shown() {
    let (stays, goes) = (Upstream::start().await, Upstream::start().await);
    let check = json!({ "path": "/health", "interval": "50ms", "timeout": "1s", "unhealthy_after": 1 });
    let peers = to_peers(&[stays.address(), goes.address()]).customer();
    let gateway = peers.set("/upstreams/rtms/health_check", check).start().await;
    let mut tab = open(&gateway).await;
    tab.shows("#says", &["Ready"]).await;
    let down = goes.address().to_string();
    drop(goes);
    tab.shows("#upstreams", &[&down, "unhealthy"]).await;
    tab.shows("#look", &["1 of 2 peers out of use"]).await;
    std::fs::write(gateway.dir().join("gateway.yaml"), "listeners: 5\nroute: []\n").unwrap();
    gateway.signal(Signal::SIGHUP);
    tab.shows("#configuration", &["invalid", "listeners"]).await;
    tab.shows("#look", &["The last reload was refused"]).await;
    in_order(&tab, &gateway);
}

#[tokio::test]
async fn a_gateway_that_drains_and_then_is_gone_is_shown_with_since_when() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway(&upstream).customer().set("/server/drain", json!("5s")).start().await;
    let mut tab = open(&gateway).await;
    tab.shows("#says", &["Ready"]).await;
    in_order(&tab, &gateway);
    gateway.signal(Signal::SIGTERM);
    tab.shows("#says", &["Draining"]).await;
    gateway.ends(Duration::from_secs(30)).await;
    let said = tab.shows("#says", &["No answer from the gateway since "]).await;
    let since = said.rsplit(' ').next().unwrap();
    assert_eq!(since.split(':').count(), 3, "{said}");
    tab.shows("#since", &["What follows is what it said then"]).await;
    tab.shows("#live", &["Trying again in"]).await;
    // What was known stays readable.
    assert!(tab.text("#apps").await.contains("JWT"));
}

#[tokio::test]
async fn it_rests_while_nobody_sees_it() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut tab = open(&gateway).await;
    tab.shows("#live", &["Live"]).await;
    let hidden = |is: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {is}, configurable: true }}); \
                 document.dispatchEvent(new Event('visibilitychange'));"
        )
    };
    tab.value(&hidden(true)).await;
    tab.shows("#live", &["Paused"]).await;
    // Longer than it waits between two looks, by its own clock.
    tab.value("new Promise((done) => setTimeout(done, 2500))").await;
    let before = tab.asked().len();
    tab.value("new Promise((done) => setTimeout(done, 2500))").await;
    assert_eq!(tab.asked().len(), before);
    tab.value(&hidden(false)).await;
    tab.shows("#live", &["Live"]).await;
    assert!(tab.asked().len() > before);
}

/// Names that are markup, and one without a place to break it.
#[tokio::test]
async fn hostile_names_are_text_and_break_nothing() {
    let upstream = Upstream::start().await;
    let script = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>";
    let long = "A".repeat(600);
    let gateway = gateway(&upstream)
        .customer()
        .document(json!({ "_id": script, "appId": 5 }))
        .document(json!({ "appId": script, "jwt_secretkey": SECRET }))
        .document(json!({ "appId": long, "jwt_secretkey": SECRET }))
        .document(json!({ "appId": "TR4", "<img src=x onerror=alert(1)>": 1, "jwtSecretKey": SECRET }))
        .start()
        .await;
    let mut tab = open(&gateway).await;
    tab.shows("#apps", &["<script>window.hit = 1", "TR4"]).await;
    assert_eq!(tab.value("[window.hit, document.scripts.length, document.images.length]").await, json!([null, 1, 0]));
    tab.look_like(360, 800, "light").await;
    narrow(&mut tab).await;
    in_order(&tab, &gateway);
}

/// Nothing reaches out of the window.
async fn narrow(tab: &mut Tab) {
    let wide = "[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)\
                .map((e) => e.outerHTML.slice(0, 120))";
    assert_eq!(tab.value(wide).await, json!([]));
    assert_eq!(tab.value("document.documentElement.scrollWidth <= innerWidth").await, json!(true));
}

/// The least contrast of any text with what is behind it, as WCAG counts.
const CONTRAST: &str = r"(() => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const bright = (colour) => parts(colour).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = [99, ''];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || ['SCRIPT', 'NOSCRIPT'].includes(element.tagName)) continue;
    const [a, b] = [bright(getComputedStyle(element).color), bright(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least[0]) least = [contrast, element.outerHTML.slice(0, 200)];
  }
  return least;
})()";

/// A gateway with something to see: three peers of which one is down, an unusable app, a refused reload, traffic.
async fn busy(peers: &[&Upstream]) -> Gateway {
    let mut addresses: Vec<_> = peers.iter().map(|peer| peer.address()).collect();
    addresses.push(ports::free());
    let soon = std::time::SystemTime::now() + Duration::from_hours(90 * 24);
    let identity = tls::Authority::new("authority").expiring("localhost", soon);
    let mut gateway = to_peers(&addresses).customer();
    for n in 1..=9 {
        gateway = gateway.app(&format!("TR2106{n}"), SECRET);
    }
    let check = json!({ "path": "/health", "interval": "1s", "timeout": "1s", "unhealthy_after": 1 });
    let gateway = gateway
        .document(json!({ "appId": "TR21071" }))
        .document(json!({ "appId": "TR21072", "jwtSecretKey": SECRET }))
        .document(json!({ "appId": "TR21073", "jwt_secretkey": SECRET, "disabled": true }))
        .set("/upstreams/rtms/health_check", check)
        .file("server.pem", &identity.cert)
        .file("server.key", &identity.key)
        .listener(json!({ "tls": { "cert": "server.pem", "key": "server.key" } }))
        .start()
        .await;
    for token in [tokens::good(), tokens::expired(), tokens::of(APP, USER, "another")] {
        gateway.verdict(APP, &token).await;
    }
    gateway.verdict("TR21072", &tokens::good()).await;
    gateway.ask(&get(plain(APP))).await;
    gateway.signal(Signal::SIGHUP);
    poll::until_true("a reload", async || gateway.status().await["reloads"][0]["result"] == "ok").await;
    gateway
}

/// Waits until the page knows how many requests come a second.
async fn knows_the_pace(tab: &mut Tab) {
    let start = Instant::now();
    while tab.text("#traffic dd").await == "\u{2013}" {
        assert!(start.elapsed() < poll::DEADLINE, "no pace");
        tab.value("new Promise((done) => setTimeout(done, 200))").await;
    }
}

#[tokio::test]
async fn it_is_readable_in_light_and_dark_and_on_a_phone() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = busy(&[&first, &second]).await;
    let mut tab = Tab::open("about:blank").await;
    let history = json!({ "source": include_str!("history.js") });
    tab.call("Page.addScriptToEvaluateOnNewDocument", history).await;
    tab.call("Page.navigate", json!({ "url": address(&gateway) })).await;
    tab.shows("#upstreams", &["unhealthy"]).await;
    // A pace takes two looks.
    knows_the_pace(&mut tab).await;
    for (width, height, scheme, name) in [
        (1280, 900, "light", "light"),
        (1280, 900, "dark", "dark"),
        (360, 740, "light", "phone"),
        (360, 740, "dark", ""),
    ] {
        tab.look_like(width, height, scheme).await;
        narrow(&mut tab).await;
        let contrast = tab.value(CONTRAST).await;
        assert!(contrast[0].as_f64().unwrap() >= 4.5, "{scheme}: {contrast}");
        if std::env::var_os("RTMS_BLESS").is_some() && !name.is_empty() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
            tab.picture(&folder.join(format!("status-{name}.png"))).await;
        }
    }
    assert!(tab.complaints().is_empty(), "{:#?}", tab.complaints());
}
