use rtms_gateway::apps::SecretEncoding;
use rtms_gateway::apps::feed::*;
use rtms_gateway::config::settings;
use std::sync::Arc;
use std::time::Duration;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let uri = std::env::var("W_URI").unwrap();
    let secs: u64 = std::env::var("W_SECS").unwrap().parse().unwrap();
    let settings = settings::Apps {
        source: settings::AppsSource::MongoDb { uri, database: "rtms".into(), collection: "apps".into() },
        max_staleness: Duration::from_mins(1),
        reject_when_stale: false,
        resync_delay: Duration::from_millis(200),
        resync_min_interval: Duration::from_millis(100),
        reconcile_every: Duration::from_hours(1),
    };
    let feed = Feed::new(&settings, SecretEncoding::Raw, Arc::new(()));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let status = feed.status();
    let task = tokio::spawn(feed.run(stopped, || println!("READY")));
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(secs) {
        println!(
            "{:5.1} {:?} server={:?} not_ready={:?} err={:?} stale={:?} pos={:?} alarms={:?} n={} fails={} resumes={}",
            began.elapsed().as_secs_f32(),
            status.phase(),
            status.server(),
            status.not_ready(),
            status.last_error().map(|e| e.0),
            status.staleness(),
            status.position_age(),
            status.alarms(),
            status.counts().total(),
            status.failures(),
            status.resumes()
        );
        tokio::time::sleep(Duration::from_millis(1000)).await;
    }
    let b = std::time::Instant::now();
    stop.send_replace(true);
    task.await.unwrap();
    println!("stopped in {:?}", b.elapsed());
}
