//! Events onto documents: by `_id`, exact, once a batch.

use std::time::SystemTime;

use super::*;

#[tokio::test(start_paused = true)]
async fn changes_are_applied_by_id_and_published_once_a_batch() {
    use Change::{Delete, Insert, Replace, Unchanged, Unknown, Update};
    let mut rig = Rig::following(&[(1, "A:s"), (2, "B")]);
    rig.publishes();
    let unset = Patch { unset: vec!["jwt_secretkey".into()], ..Patch::default() };
    let commands = rig.batch(vec![
        insert(101, 3, "C:s"),
        event(102, What::Patch(id(1), unset)),
        event(103, What::Put(id(2), document("B2:s"), Replace)),
        remove(104, 3),
        event(105, What::Unknown),
        set(106, 1, "jwt_secretkey", Value::Null),
        remove(107, 9),
    ]);
    assert!(commands.is_empty());
    assert_eq!(rig.states(&["A", "B", "B2", "C"]), "open - jwt -");
    assert_eq!(rig.publishes(), 1);
    assert_eq!(rig.changes(), [Insert, Update, Replace, Delete, Unknown, Update, Unchanged]);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_an_unknown_document_is_read() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.changes();
    assert_eq!(rig.batch(vec![set(101, 2, "disabled", Value::Bool(true))]), [Command::Read(vec![id(2)])]);
    rig.give(Input::Read(Ok(documents(&[(2, "B!")], 102))));
    assert_eq!(rig.states(&["A", "B"]), "open disabled");
    assert_eq!(rig.changes(), [Change::Update]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_does_not_say_all_is_read_and_changes_nothing_before() {
    let mut rig = Rig::following(&[(1, "A:s")]);
    let dotted = Patch { nested: vec!["jwt_secretkey".into()], ..Patch::default() };
    assert_eq!(rig.batch(vec![event(101, What::Patch(id(1), dotted))]), [Command::Read(vec![id(1)])]);
    assert_eq!(rig.states(&["A"]), "jwt");
    rig.give(Input::Read(Err(failure(FailureKind::Transient))));
    assert_eq!(rig.states(&["A"]), "jwt");
}

#[tokio::test(start_paused = true)]
async fn two_documents_with_one_app_id_are_unusable_and_listed_until_one_is_gone() {
    let mut rig = Rig::following(&[(1, "A:s")]);
    rig.batch(vec![insert(101, 2, "A")]);
    assert_eq!(rig.states(&["A"]), "unusable");
    assert_eq!(rig.status.unusable().first().unwrap().app, "A");
    assert_eq!(*rig.told.unusable.lock().unwrap(), ["A: two documents have this `appId`"]);
    // The first one goes: the second one was only listed because of it.
    rig.batch(vec![remove(102, 1)]);
    assert_eq!(rig.states(&["A"]), "open");
    assert!(rig.status.unusable().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_senseless_document_is_listed_by_app_or_by_id_and_told_once() {
    let mut rig = Rig::following(&[(1, "A:s")]);
    let nameless = What::Put(id(2), Document::default(), Change::Insert);
    rig.batch(vec![set(101, 1, "jwt_secretkey", Value::string("")), event(102, nameless)]);
    assert_eq!(rig.states(&["A"]), "unusable");
    let listed: Vec<String> = rig.status.unusable().into_iter().map(|u| u.app).collect();
    assert_eq!(listed, ["A".to_owned(), format!("{:?}", id(2))]);
    rig.batch(vec![set(103, 1, "appName", Value::string("x"))]);
    assert_eq!(rig.told.unusable.lock().unwrap().len(), 2);
    rig.batch(vec![set(104, 1, "jwt_secretkey", Value::string("t")), remove(105, 2)]);
    assert!(rig.status.unusable().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_proves_contact_and_moves_the_position() {
    let mut rig = Rig::following(&[(1, "A")]);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(rig.status.staleness(), Duration::from_secs(9));
    rig.publishes();
    rig.batch(vec![]);
    assert_eq!(rig.status.staleness(), Duration::ZERO);
    assert_eq!(rig.status.position_age(), Some(Duration::ZERO));
    assert_eq!(rig.publishes(), 0);
    tokio::time::advance(Duration::from_secs(3)).await;
    rig.batch(vec![]);
    assert_eq!(rig.status.staleness(), Duration::ZERO);
    assert_eq!(rig.status.position_age(), Some(Duration::from_secs(3)), "the same token again");
}

#[tokio::test(start_paused = true)]
async fn a_document_in_doubt_is_no_contact() {
    let mut rig = Rig::following(&[(1, "A")]);
    tokio::time::advance(Duration::from_secs(4)).await;
    rig.batch(vec![event(101, What::Doubtful(id(1)))]);
    assert_eq!(rig.status.staleness(), Duration::from_secs(4));
    rig.give(Input::Read(Ok(documents(&[(1, "A")], 102))));
    assert_eq!(rig.status.staleness(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_lag_is_told_for_changes_alone_and_never_below_zero() {
    let mut rig = Rig::following(&[(1, "A")]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut late = insert(101, 2, "B");
    late.wrote = Some(now - 2_000);
    let mut early = insert(102, 3, "C");
    early.wrote = Some(now + 60_000);
    let mut nothing = set(103, 1, "disabled", Value::Bool(false));
    nothing.wrote = Some(now);
    nothing.what = What::Remove(id(77));
    rig.batch(vec![late, early, nothing]);
    let lags = rig.told.lags.lock().unwrap().clone();
    assert_eq!(lags.len(), 2);
    assert!(lags[0] >= Duration::from_secs(2) && lags[0] < Duration::from_secs(10));
    assert_eq!(lags[1], Duration::ZERO);
}

/// What a stream says that the driver resumed.
fn after_a_resume(events: Vec<Event>) -> Input {
    Input::Batch(Batch { events, token: Some(token(3)), resumed: true })
}

#[tokio::test(start_paused = true)]
async fn what_a_resume_below_us_brings_is_counted_and_asked_for_again_from_our_own_token() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.batch(vec![insert(110, 2, "B")]);
    let commands = rig.give(after_a_resume(vec![event(105, What::Remove(id(2)))]));
    assert_eq!(commands[..2], [Command::Close, Command::Wake(Duration::ZERO)]);
    assert_eq!((rig.status.resumes(), *rig.told.resumes.lock().unwrap()), (1, 1));
    assert_eq!(rig.states(&["A", "B"]), "open open");
    assert_eq!(rig.give(Input::Woke), [Command::Follow(token(9))]);
}

#[tokio::test(start_paused = true)]
async fn streams_that_break_again_and_again_are_opened_less_and_less_often() {
    let mut rig = Rig::following(&[]);
    let mut waited = Duration::ZERO;
    for _ in 0..12 {
        let commands = rig.give(after_a_resume(vec![]));
        let Some(Command::Wake(wait)) = commands.get(1) else { panic!("{commands:?}") };
        waited += *wait;
        rig.give(Input::Woke);
        rig.give(Input::Opened(None));
    }
    assert!(waited > Duration::from_secs(20), "{waited:?}");
    rig.batch(vec![]);
    rig.batch(vec![]);
    let commands = rig.give(after_a_resume(vec![]));
    assert_eq!(commands[..2], [Command::Close, Command::Wake(Duration::ZERO)], "a stream that proved itself");
}

#[tokio::test(start_paused = true)]
async fn an_event_told_for_the_second_time_puts_nothing_back() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.batch(vec![insert(110, 2, "B"), event(120, What::Remove(id(2))), insert(121, 3, "C")]);
    let commands = rig.batch(vec![insert(110, 2, "B"), insert(121, 3, "C"), insert(121, 4, "D")]);
    assert_eq!(rig.states(&["A", "B", "C", "D"]), "open - open open", "events of one moment are one transaction's");
    assert_eq!(commands, [Command::Read(vec![id(2)])]);
}

#[tokio::test(start_paused = true)]
async fn a_comparison_finds_what_no_event_told_and_leaves_the_rest() {
    let mut rig = Rig::following(&[(1, "A"), (2, "B"), (3, "C"), (4, "D")]);
    rig.batch(vec![insert(120, 5, "E")]);
    rig.changes();
    rig.publishes();
    assert_eq!(rig.give(Input::CompareDue), [Command::Compare(OpTime(120))]);
    // Meanwhile the stream goes on; what it touches, the comparison may have read before or after.
    rig.batch(vec![set(130, 2, "disabled", Value::Bool(true)), insert(131, 6, "F"), remove(132, 3)]);
    let commands = rig.give(Input::Compared(Ok(documents(&[(1, "A!"), (2, "B"), (3, "C"), (5, "E")], 140))));
    // A was changed and D deleted without an event; B, C and F are read once more.
    assert_eq!(rig.states(&["A", "B", "C", "D", "E", "F"]), "disabled disabled - - open open");
    assert!(compare_in(&commands).unwrap() > Duration::from_mins(10));
    let Some(Command::Read(asked)) = commands.into_iter().next() else { panic!("no read") };
    assert_eq!(asked.len(), 3);
    rig.give(Input::Read(Ok(documents(&[(2, "B!"), (6, "F")], 141))));
    assert_eq!(rig.states(&["A", "B", "C", "D", "E", "F"]), "disabled disabled - - open open");
    assert_eq!(rig.reloads(), [ReloadCause::Start, ReloadCause::Reconcile]);
    assert_eq!(rig.changes().iter().filter(|c| **c == Change::Reconciled).count(), 2);
    // An event that was under way when the comparison read its document is not applied over it.
    assert_eq!(rig.batch(vec![set(139, 1, "disabled", Value::Bool(false))]), [Command::Read(vec![id(1)])]);
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_lost_more_than_half_is_looked_at_twice_while_the_stream_goes_on() {
    let mut rig = Rig::following(&[(1, "A"), (2, "B"), (3, "C")]);
    rig.give(Input::CompareDue);
    let commands = rig.give(Input::Compared(Ok(documents(&[], 140))));
    assert_eq!(compare_in(&commands), Some(Duration::from_secs(5)));
    assert!(rig.status.alarm(Alarm::LostHalf) && rig.supervisor.listens());
    rig.batch(vec![remove(150, 1)]);
    assert_eq!(rig.states(&["A", "B", "C"]), "- open open");
    assert_eq!(rig.give(Input::CompareDue), [Command::Compare(OpTime(150))]);
    rig.give(Input::Compared(Ok(documents(&[], 160))));
    assert_eq!(rig.states(&["A", "B", "C"]), "- - -");
    assert!(rig.status.alarms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_comparison_waits_for_a_read_under_way() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.give(Input::CompareDue);
    rig.batch(vec![event(130, What::Doubtful(id(1)))]);
    assert!(rig.give(Input::Compared(Ok(documents(&[(1, "A!")], 140)))).is_empty());
    assert_eq!(rig.states(&["A"]), "open");
    let commands = rig.give(Input::Read(Ok(documents(&[(1, "A:s")], 141))));
    assert!(commands.contains(&Command::Read(vec![id(1)])));
    assert_eq!(rig.states(&["A"]), "jwt");
}
