//! The gap-free start: position, load, follow; and the guard of what a load may lose.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_the_first_load_is_complete() {
    let mut rig = Rig::new();
    assert_eq!(rig.supervisor.start(), [Command::Position]);
    assert_eq!(rig.status.phase(), Phase::Positioning);
    assert_eq!(rig.give(Input::Positioned(Ok(token(7)))), [Command::Load]);
    assert!(!rig.supervisor.listens() && rig.publishes() == 0);
    assert!(!rig.status.ready() && rig.status.not_ready().unwrap().contains("loading"));
    let commands = rig.give(Input::Loaded(Ok(documents(&[(1, "A:s"), (2, "B")], 100))));
    assert_eq!(commands.first(), Some(&Command::Follow(token(7))));
    let wait = compare_in(&commands).unwrap();
    assert!(wait >= PACE.reconcile_every * 3 / 4 && wait <= PACE.reconcile_every * 5 / 4);
    assert!(rig.status.ready() && rig.publishes() == 1);
    assert_eq!(rig.states(&["A", "B", "C"]), "jwt open -");
    assert_eq!(rig.reloads(), [ReloadCause::Start]);
    assert_eq!(rig.status.last_load().unwrap().documents, 2);
}

#[tokio::test(start_paused = true)]
async fn a_load_is_as_old_as_its_beginning_until_the_stream_has_caught_up() {
    let mut rig = Rig::new();
    rig.supervisor.start();
    rig.give(Input::Positioned(Ok(token(0))));
    tokio::time::advance(Duration::from_secs(40)).await;
    rig.give(Input::Loaded(Ok(documents(&[(1, "A")], 100))));
    assert!(rig.status.ready());
    assert_eq!(rig.status.staleness(), Duration::from_secs(40));
    assert_eq!(rig.status.position_age(), Some(Duration::from_secs(40)));
    rig.give(Input::Opened(Some(OpTime(110))));
    rig.batch(vec![insert(101, 2, "B")]);
    assert_eq!(rig.status.staleness(), Duration::from_secs(40));
    rig.batch(vec![insert(110, 3, "C")]);
    assert_eq!(rig.status.staleness(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_half_way_leaves_nothing_and_begins_with_a_new_position() {
    let mut rig = Rig::new();
    rig.supervisor.start();
    rig.give(Input::Positioned(Ok(token(7))));
    let commands = rig.give(Input::Loaded(Err(failure(FailureKind::Transient))));
    assert!(commands.contains(&Command::Close) && wake(&commands).unwrap() <= Duration::from_millis(500));
    assert!(!rig.status.ready() && rig.publishes() == 0);
    assert_eq!(rig.status.not_ready().unwrap(), "apps are not loaded yet: Transient; trying again");
    assert_eq!(rig.give(Input::Woke), [Command::Position]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_fails_leaves_the_old_map_untouched() {
    let mut rig = Rig::following(&[(1, "A:s")]);
    rig.batch(vec![event(101, What::Gone(ReloadCause::Dropped))]);
    assert_eq!(rig.give(Input::Woke), [Command::Position]);
    rig.give(Input::Positioned(Ok(token(7))));
    rig.give(Input::Loaded(Err(failure(FailureKind::CursorLost))));
    assert_eq!(rig.states(&["A"]), "jwt");
    assert!(rig.status.ready());
    rig.give(Input::Woke);
    rig.load(&[(1, "A!")], 200);
    assert_eq!(rig.states(&["A"]), "disabled");
}

#[tokio::test(start_paused = true)]
async fn a_large_load_goes_into_force_in_slices_and_is_published_once() {
    let mut rig = Rig::new();
    rig.supervisor.start();
    rig.give(Input::Positioned(Ok(token(0))));
    let found = (0..10_000u32).map(|n| {
        let document = document(&format!("T{n}:s"));
        (DocId::from_bytes(&n.to_le_bytes()), document.pack())
    });
    let load = Documents { found: found.collect(), at: OpTime(5) };
    rig.supervisor.handle(Input::Loaded(Ok(load)));
    let mut slices = 0;
    while rig.supervisor.merges() {
        assert_eq!(rig.publishes(), 0);
        rig.supervisor.handle(Input::Slice);
        slices += 1;
    }
    assert!(slices >= 6, "{slices}");
    assert_eq!((rig.publishes(), rig.published.load().len()), (1, 10_000));
}

#[tokio::test(start_paused = true)]
async fn events_up_to_the_end_of_the_load_are_not_applied_but_read_again() {
    let mut rig = Rig::following(&[(1, "A:new"), (2, "B")]);
    // The load has already seen a later state: the old secret must not come back, not even for a batch.
    let commands = rig.batch(vec![set(99, 1, "jwt_secretkey", Value::Bool(true)), remove(100, 2), insert(101, 3, "C")]);
    let Some(Command::Read(mut asked)) = commands.into_iter().next() else { panic!("no read") };
    asked.sort_by_key(|id| format!("{id:?}"));
    assert_eq!(asked, [id(1), id(2)]);
    assert_eq!(rig.states(&["A", "B", "C"]), "jwt open open");
    assert!(!rig.supervisor.listens(), "later events must wait for the read");
    assert!(rig.give(Input::Read(Ok(documents(&[(1, "A!")], 150)))).is_empty());
    assert_eq!(rig.states(&["A", "B", "C"]), "disabled - open");
    assert!(rig.supervisor.listens());
}

#[tokio::test(start_paused = true)]
async fn events_older_than_a_read_of_their_document_are_read_again_and_later_ones_applied() {
    let mut rig = Rig::following(&[(1, "A:s1")]);
    rig.batch(vec![set(100, 1, "disabled", Value::Bool(false))]);
    // The read at 150 may have seen what happens at 120 already, and what happened after it.
    rig.give(Input::Read(Ok(documents(&[(1, "A!")], 150))));
    assert_eq!(rig.batch(vec![set(120, 1, "disabled", Value::Bool(false))]), [Command::Read(vec![id(1)])]);
    assert_eq!(rig.states(&["A"]), "disabled");
    rig.give(Input::Read(Ok(documents(&[(1, "A!")], 160))));
    assert!(rig.batch(vec![set(161, 1, "disabled", Value::Bool(false))]).is_empty());
    assert_eq!(rig.states(&["A"]), "open");
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_time_is_never_applied() {
    let mut rig = Rig::following(&[(1, "A")]);
    let nameless = Event { at: None, wrote: None, what: What::Remove(id(1)) };
    assert_eq!(rig.batch(vec![nameless]), [Command::Read(vec![id(1)])]);
    assert_eq!(rig.states(&["A"]), "open");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_tells_no_time_has_every_event_read() {
    let mut rig = Rig::new();
    rig.supervisor.start();
    rig.load(&[(1, "A")], u64::MAX);
    rig.give(Input::Opened(None));
    assert_eq!(rig.batch(vec![remove(5_000, 1)]), [Command::Read(vec![id(1)])]);
    rig.give(Input::Read(Ok(documents(&[], u64::MAX))));
    assert_eq!(rig.states(&["A"]), "-");
    assert_eq!(rig.batch(vec![insert(6_000, 2, "B")]), [Command::Read(vec![id(2)])]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_lost_more_than_half_needs_a_second_one_that_agrees() {
    let mut rig = Rig::following(&[(1, "A"), (2, "B"), (3, "C")]);
    rig.batch(vec![event(101, What::Gone(ReloadCause::Dropped))]);
    rig.give(Input::Woke);
    let commands = rig.load(&[(1, "A")], 200);
    assert_eq!(wake(&commands), Some(Duration::from_secs(5)));
    assert!(rig.status.alarm(Alarm::LostHalf));
    assert_eq!(rig.states(&["A", "B", "C"]), "open open open");
    assert_eq!(rig.reloads(), [ReloadCause::Start, ReloadCause::Refused]);
    assert_eq!(rig.give(Input::Woke), [Command::Position]);
    rig.load(&[(1, "A")], 300);
    assert_eq!(rig.states(&["A", "B", "C"]), "open - -");
    assert!(!rig.status.alarm(Alarm::LostHalf));
    assert_eq!(rig.reloads(), [ReloadCause::Dropped]);
}

#[tokio::test(start_paused = true)]
async fn a_second_load_that_has_the_apps_again_ends_the_alarm() {
    let mut rig = Rig::following(&[(1, "A"), (2, "B"), (3, "C")]);
    rig.batch(vec![event(101, What::Gone(ReloadCause::Renamed))]);
    rig.give(Input::Woke);
    // As many documents as before, but of other apps: lost all the same.
    rig.load(&[(7, "X"), (8, "Y"), (9, "Z")], 200);
    assert!(rig.status.alarm(Alarm::LostHalf));
    rig.give(Input::Woke);
    rig.load(&[(4, "A"), (5, "B!"), (6, "C")], 300);
    assert_eq!(rig.states(&["A", "B", "C", "X"]), "open disabled open -");
    assert!(rig.status.alarms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_later_read_of_another_document_does_not_make_older_events_of_the_first_applicable() {
    let mut rig = Rig::following(&[(1, "A:s"), (2, "B")]);
    // The stream lags far behind the store, so a read sees what its events will only tell later.
    rig.batch(vec![event(101, What::Doubtful(id(1)))]);
    rig.give(Input::Read(Ok(documents(&[(1, "A!")], 200))));
    rig.batch(vec![event(102, What::Doubtful(id(2)))]);
    rig.give(Input::Read(Ok(documents(&[(2, "B")], 210))));
    rig.batch(vec![insert(103, 3, "C")]);
    let old = event(150, What::Put(id(1), document("A"), Change::Replace));
    assert_eq!(rig.batch(vec![old]), [Command::Read(vec![id(1)])]);
    assert_eq!(rig.states(&["A"]), "disabled", "what was revoked stays so");
}
