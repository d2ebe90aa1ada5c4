//! The cache file in the state machine: used only where nothing better is, and always whole.

use std::time::SystemTime;

use super::super::cache::{Cached, Place, Refusal};
use super::*;

const PATIENCE: Duration = Duration::from_secs(3);
const HALF_MINUTE: Duration = Duration::from_secs(30);
const FIVE_MINUTES: Duration = Duration::from_mins(5);

fn with_cache() -> Rig {
    let mut rig = Rig::new();
    rig.supervisor = std::mem::replace(&mut rig.supervisor, Rig::new().supervisor).with_cache();
    rig.status.has_cache("apps.cache".into());
    rig
}

/// Started, and no position yet.
fn started() -> Rig {
    let mut rig = with_cache();
    assert_eq!(rig.supervisor.start(), [Command::Position, Command::CacheIn(PATIENCE)]);
    rig
}

/// What the file holds: these apps, current `age` ago, events up to time 100 perhaps in them.
fn cached(apps: &[(u8, &str)], age: Duration) -> Input {
    let documents = documents(apps, 100);
    let (at, newest) = (documents.at, OpTime(120));
    let contact = SystemTime::now() - age;
    let place = Place { token: token(5), horizon: at, newest, owed: Vec::new(), contact };
    Input::CacheRead(Ok(Some(Cached { place, written: contact, found: documents.found })))
}

/// Serving what the file held.
fn restored(apps: &[(u8, &str)]) -> Rig {
    let mut rig = started();
    assert_eq!(rig.give(Input::CacheDue), [Command::ReadCache]);
    let commands = rig.give(cached(apps, Duration::from_mins(10)));
    let expected = [Command::Close, Command::NotBefore(OpTime(120)), Command::Follow(token(5))];
    assert_eq!(commands[..3], expected);
    assert!(compare_in(&commands).unwrap() <= PACE.resync_delay);
    rig
}

/// Loaded, written, following.
fn following() -> Rig {
    let mut rig = started();
    let commands = rig.load(&[(1, "A:s"), (2, "B")], 100);
    assert_eq!(cache_in(&commands), Some(Duration::ZERO), "a load is written at once");
    rig.give(Input::Opened(None));
    assert_eq!(rig.give(Input::CacheDue), [Command::WriteCache]);
    rig.give(Input::CacheWritten(Ok(SystemTime::now())));
    rig
}

fn cache_in(commands: &[Command]) -> Option<Duration> {
    commands.iter().find_map(|c| match c {
        Command::CacheIn(wait) => Some(*wait),
        _ => None,
    })
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_at_start_is_replaced_by_the_cache_with_its_age() {
    let mut rig = started();
    let commands = rig.give(Input::Positioned(Err(failure(FailureKind::Transient))));
    assert!(commands.contains(&Command::ReadCache) && wake(&commands).is_some());
    assert!(!rig.status.ready() && rig.publishes() == 0);
    let commands = rig.give(cached(&[(1, "A:s"), (2, "B")], Duration::from_mins(10)));
    assert_eq!(commands[2], Command::Follow(token(5)));
    assert_eq!((rig.states(&["A", "B", "C"]).as_str(), rig.publishes()), ("jwt open -", 1));
    assert!(rig.status.ready() && rig.status.last_error().is_some());
    assert_eq!(rig.status.alarms(), [Alarm::FromCache]);
    assert_eq!(rig.reloads(), [ReloadCause::Cache]);
    let age = rig.status.staleness();
    assert!(age >= Duration::from_mins(10) && age < Duration::from_mins(11), "{age:?}");
    assert_eq!(rig.status.position_age(), Some(age));
    pass(Duration::from_secs(5)).await;
    assert_eq!(rig.status.staleness(), age + Duration::from_secs(5));
    let cache = rig.status.cache().unwrap();
    assert!(cache.in_use_since.is_some() && cache.written_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_says_nothing_for_three_seconds_is_replaced_and_an_old_wait_means_nothing() {
    let mut rig = restored(&[(1, "A:s")]);
    assert_eq!(rig.states(&["A"]), "jwt");
    // The first attempt was given up, its wait too.
    assert!(rig.give(Input::Woke).is_empty());
    assert_eq!(rig.status.phase(), Phase::Opening);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_us_is_replaced_but_a_standalone_one_is_not() {
    let mut rig = started();
    let commands = rig.give(Input::Positioned(Err(failure(FailureKind::Unauthorised))));
    assert!(commands.contains(&Command::ReadCache));
    let mut rig = started();
    let commands = rig.give(Input::Positioned(Err(failure(FailureKind::Standalone))));
    assert!(!commands.contains(&Command::ReadCache));
    assert!(rig.give(Input::CacheDue).is_empty());
    // Nor where that is found out while the file is read.
    let mut rig = started();
    assert_eq!(rig.give(Input::CacheDue), [Command::ReadCache]);
    rig.give(Input::Positioned(Err(failure(FailureKind::Standalone))));
    assert!(rig.give(cached(&[(1, "A")], PATIENCE)).is_empty());
    assert!(!rig.status.ready() && rig.publishes() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_load_on_its_way_wins_and_the_file_is_read_again_should_it_fail() {
    let mut rig = started();
    assert_eq!(rig.give(Input::CacheDue), [Command::ReadCache]);
    assert_eq!(rig.give(Input::Positioned(Ok(token(0)))), [Command::Load]);
    assert!(rig.give(cached(&[(1, "A!")], PATIENCE)).is_empty());
    assert!(!rig.status.ready());
    let commands = rig.give(Input::Loaded(Err(failure(FailureKind::Transient))));
    assert!(commands.contains(&Command::ReadCache));
    rig.give(Input::Woke);
    rig.load(&[(1, "A:s")], 100);
    assert!(rig.give(cached(&[(1, "A!"), (2, "B")], PATIENCE)).is_empty());
    assert_eq!(rig.states(&["A", "B"]), "jwt -");
    assert_eq!(rig.reloads(), [ReloadCause::Start]);
    assert!(rig.status.alarms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_read_too_late_replaces_nothing_that_was_loaded() {
    let mut rig = started();
    assert_eq!(rig.give(Input::CacheDue), [Command::ReadCache]);
    rig.load(&[(1, "A:s")], 100);
    rig.fails(FailureKind::Transient);
    rig.give(cached(&[(1, "A!"), (2, "B")], PATIENCE));
    assert_eq!(rig.states(&["A", "B"]), "jwt -");
    assert!(!rig.status.alarm(Alarm::FromCache));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_used_leaves_the_gateway_not_ready_and_is_told_of_once() {
    let mut rig = started();
    rig.give(Input::CacheDue);
    assert!(rig.give(Input::CacheRead(Err(Refusal::Key))).is_empty());
    assert!(!rig.status.ready() && rig.publishes() == 0);
    assert_eq!(rig.status.alarms(), [Alarm::CacheBroken]);
    assert_eq!(rig.reloads(), [ReloadCause::CacheRefused]);
    assert!(rig.status.cache().unwrap().refused.unwrap().starts_with("apps.cache was written with another key"));
    assert!(rig.status.not_ready().unwrap().contains("apps.cache was written with another key"));
    let commands = rig.give(Input::Positioned(Err(failure(FailureKind::Transient))));
    assert!(!commands.contains(&Command::ReadCache));
    // The source comes, and the file is written anew.
    rig.give(Input::Woke);
    rig.load(&[(1, "A")], 100);
    assert_eq!(rig.give(Input::CacheDue), [Command::WriteCache]);
    rig.give(Input::CacheWritten(Ok(SystemTime::now())));
    assert!(rig.status.alarms().is_empty() && rig.status.cache().unwrap().refused.is_none());
}

#[tokio::test(start_paused = true)]
async fn no_file_is_no_alarm() {
    let mut rig = started();
    rig.give(Input::CacheDue);
    assert!(rig.give(Input::CacheRead(Ok(None))).is_empty());
    assert!(rig.status.alarms().is_empty() && rig.reloads().is_empty());
    assert!(rig.status.not_ready().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_taken_up_at_the_token_and_old_events_are_read_not_applied() {
    let mut rig = restored(&[(1, "A:s"), (2, "B")]);
    rig.reloads();
    assert!(rig.give(Input::Opened(None)).is_empty());
    let commands = rig.batch(vec![remove(99, 1), remove(100, 2), insert(101, 3, "C")]);
    let Some(Command::Read(asked)) = commands.first() else { panic!("no read: {commands:?}") };
    assert_eq!(asked.len(), 2);
    assert_eq!(rig.states(&["A", "B", "C"]), "jwt open open");
    assert!(rig.status.alarm(Alarm::FromCache), "in doubt is no contact");
    rig.give(Input::Read(Ok(documents(&[(1, "A!")], 150))));
    assert_eq!(rig.states(&["A", "B", "C"]), "disabled - open");
    assert!(rig.status.alarms().is_empty());
    assert_eq!(rig.status.staleness(), Duration::ZERO);
    assert!(rig.status.cache().unwrap().in_use_since.is_none());
    assert!(rig.reloads().is_empty(), "no full load was needed");
}

#[tokio::test(start_paused = true)]
async fn documents_that_were_owed_a_read_are_read_before_the_stream_is_listened_to() {
    let mut rig = started();
    rig.give(Input::CacheDue);
    let Input::CacheRead(Ok(Some(mut file))) = cached(&[(1, "A:s")], PATIENCE) else { panic!("no file") };
    file.place.owed = vec![id(1)];
    rig.give(Input::CacheRead(Ok(Some(file))));
    assert_eq!(rig.give(Input::Opened(None)), [Command::Read(vec![id(1)])]);
    assert!(!rig.supervisor.listens());
    rig.give(Input::Read(Ok(documents(&[(1, "A!")], 150))));
    assert_eq!(rig.states(&["A"]), "disabled");
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_lost_means_a_full_load_under_the_guard_while_the_cache_serves() {
    let mut rig = restored(&[(1, "A:s"), (2, "B"), (3, "C")]);
    let commands = rig.give(Input::Ended(failure(FailureKind::HistoryLost)));
    assert!(wake(&commands).is_some());
    assert_eq!(rig.give(Input::Woke), [Command::Position]);
    rig.load(&[(1, "A!")], 200);
    assert!(rig.status.alarm(Alarm::LostHalf) && rig.states(&["A", "B"]) == "jwt open");
    assert_eq!(rig.give(Input::Woke), [Command::Position]);
    rig.load(&[(1, "A!")], 200);
    assert_eq!(rig.states(&["A", "B"]), "disabled -");
    assert!(rig.status.alarms().is_empty());
    assert_eq!(rig.reloads(), [ReloadCause::Cache, ReloadCause::Refused, ReloadCause::HistoryLost]);
}

#[tokio::test(start_paused = true)]
async fn a_contact_from_the_near_future_counts_as_now() {
    let mut rig = started();
    rig.give(Input::CacheDue);
    let Input::CacheRead(Ok(Some(mut file))) = cached(&[(1, "A")], PATIENCE) else { panic!("no file") };
    file.place.contact = SystemTime::now() + Duration::from_mins(2);
    rig.give(Input::CacheRead(Ok(Some(file))));
    assert_eq!(rig.status.staleness(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_stands_at_the_token_and_names_what_is_owed() {
    let mut rig = following();
    let commands = rig.batch(vec![event(130, What::Doubtful(id(1))), insert(131, 3, "C")]);
    assert!(matches!(commands.first(), Some(Command::Read(_))));
    let place = rig.supervisor.image().unwrap().place;
    assert_eq!((place.token, place.owed, place.horizon), (token(9), vec![id(1)], OpTime(100)));
    rig.give(Input::Read(Ok(documents(&[(1, "A!")], 150))));
    let image = rig.supervisor.image().unwrap();
    assert_eq!((image.place.owed.len(), image.documents.len()), (0, 3));
    // The read may have seen what the stream is still to tell.
    assert_eq!((image.place.horizon, image.place.newest), (OpTime(150), OpTime(150)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_between_two_states_or_without_a_place_in_the_stream() {
    let mut rig = following();
    rig.give(Input::CompareDue);
    rig.supervisor.handle(Input::Compared(Ok(documents(&[(1, "A!"), (2, "B")], 150))));
    assert!(rig.supervisor.merges() && rig.supervisor.image().is_none());
    assert!(!rig.supervisor.last_write());
    while rig.supervisor.merges() {
        rig.supervisor.handle(Input::Slice);
    }
    assert!(rig.supervisor.image().is_some());
    rig.give(Input::Ended(failure(FailureKind::HistoryLost)));
    assert!(rig.supervisor.image().is_none() && !rig.supervisor.last_write());
}

#[tokio::test(start_paused = true)]
async fn changes_are_written_together_after_half_a_minute_and_a_failure_is_told_and_tried_again() {
    let mut rig = following();
    assert_eq!(cache_in(&rig.batch(vec![insert(131, 3, "C")])), Some(HALF_MINUTE));
    pass(Duration::from_secs(10)).await;
    assert_eq!(cache_in(&rig.batch(vec![insert(132, 4, "D")])), None);
    pass(Duration::from_secs(20)).await;
    assert_eq!(rig.give(Input::CacheDue), [Command::WriteCache]);
    for _ in 0..2 {
        let commands = rig.give(Input::CacheWritten(Err("disk full".to_owned())));
        assert_eq!(cache_in(&commands), Some(HALF_MINUTE));
        assert_eq!(rig.status.alarms(), [Alarm::CacheBroken]);
        assert_eq!(rig.status.cache().unwrap().write_error.unwrap().0, "disk full");
        assert!(rig.status.ready() && rig.states(&["D"]) == "open", "requests don't notice");
        pass(HALF_MINUTE).await;
        assert_eq!(rig.give(Input::CacheDue), [Command::WriteCache]);
    }
    rig.give(Input::CacheWritten(Ok(SystemTime::now())));
    assert!(rig.status.alarms().is_empty() && rig.status.cache().unwrap().write_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn contact_alone_is_written_every_five_minutes_and_no_contact_never() {
    let mut rig = following();
    pass(Duration::from_secs(1)).await;
    let wait = cache_in(&rig.batch(vec![])).unwrap();
    assert_eq!(wait + Duration::from_secs(1), FIVE_MINUTES);
    pass(wait).await;
    assert_eq!(rig.give(Input::CacheDue), [Command::WriteCache]);
    rig.give(Input::CacheWritten(Ok(SystemTime::now())));
    rig.fails(FailureKind::Transient);
    pass(FIVE_MINUTES * 3).await;
    assert!(rig.give(Input::CacheDue).is_empty() && !rig.supervisor.last_write());
    let mut rig = restored(&[(1, "A")]);
    pass(FIVE_MINUTES * 3).await;
    assert!(rig.give(Input::CacheDue).is_empty() && !rig.supervisor.last_write());
}
