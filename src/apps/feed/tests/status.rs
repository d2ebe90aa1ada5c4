//! What others see of the feed.

use std::time::SystemTime;

use super::super::status::LastLoad;
use super::*;

#[tokio::test(start_paused = true)]
async fn staleness_grows_from_the_start_and_from_the_last_contact() {
    let status = Status::new(SourceKind::MongoDb);
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(status.staleness(), Duration::from_secs(7));
    status.contact();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(status.staleness(), Duration::from_secs(2));
    assert!(status.stale(Duration::from_secs(1)) && !status.stale(Duration::from_secs(2)));
}

#[test]
fn the_reason_for_not_being_ready_names_the_last_error() {
    let status = Status::new(SourceKind::File);
    status.enter(Phase::Loading);
    assert_eq!(status.not_ready().unwrap(), "apps are not loaded yet: loading (file)");
    status.failed("no such file".into());
    assert_eq!(status.not_ready().unwrap(), "apps are not loaded yet: no such file; trying again");
    let load = LastLoad { at: SystemTime::now(), cause: ReloadCause::Start, documents: 0, took: Duration::ZERO };
    status.loaded(load);
    assert!(status.not_ready().is_none() && status.last_error().is_none() && status.ready_since().is_some());
}

#[test]
fn alarms_stand_one_by_one() {
    let status = Status::new(SourceKind::MongoDb);
    status.raise(Alarm::LostHalf);
    status.raise(Alarm::FileBroken);
    status.clear(Alarm::FileBroken);
    assert_eq!(status.alarms(), [Alarm::LostHalf]);
}
