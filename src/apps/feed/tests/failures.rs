//! The error table, from the supervisor's side.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_open_again_is_no_contact_before_it_told_what_had_happened() {
    for last in [vec![insert(200, 4, "D")], vec![]] {
        let mut rig = Rig::following(&[(1, "A:s")]);
        rig.fails(FailureKind::Transient);
        tokio::time::advance(Duration::from_mins(9)).await;
        rig.give(Input::Woke);
        rig.give(Input::Opened(Some(OpTime(200))));
        rig.batch(vec![insert(101, 2, "B")]);
        rig.batch(vec![insert(199, 3, "C")]);
        assert_eq!(rig.status.staleness(), Duration::from_mins(9), "A may have been revoked since");
        assert_eq!(rig.give(Input::CompareDue), [Command::CompareIn(Duration::from_secs(5))]);
        rig.batch(last);
        assert_eq!(rig.status.staleness(), Duration::ZERO);
        rig.batch(vec![insert(201, 5, "E")]);
        assert_eq!(rig.status.staleness(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_reopened_from_our_token_and_is_no_reload() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.batch(vec![insert(101, 2, "B")]);
    rig.reloads();
    let mut bound = Duration::from_millis(500);
    for _ in 0..9 {
        let commands = rig.fails(FailureKind::Transient);
        assert!(commands.contains(&Command::Close) && wake(&commands).unwrap() <= bound);
        assert_eq!(rig.give(Input::Woke), [Command::Follow(token(9))]);
        bound = (bound * 2).min(Duration::from_secs(30));
    }
    assert_eq!(rig.states(&["A", "B"]), "open open");
    assert!(rig.status.ready() && rig.reloads().is_empty());
    assert_eq!(rig.status.last_error().unwrap().0, "Transient");
    rig.give(Input::Opened(None));
    rig.batch(vec![]);
    assert!(rig.status.last_error().is_some(), "one batch proves nothing");
    rig.batch(vec![]);
    assert!(rig.status.last_error().is_none());
    assert!(wake(&rig.fails(FailureKind::Transient)).unwrap() <= Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_lost_cursor_is_reopened_at_once_and_then_with_back_off() {
    let mut rig = Rig::following(&[(1, "A")]);
    assert_eq!(wake(&rig.fails(FailureKind::CursorLost)), Some(Duration::ZERO));
    assert_eq!(rig.give(Input::Woke), [Command::Follow(token(0))]);
    let waits: Vec<_> = (0..20).filter_map(|_| wake(&rig.fails(FailureKind::CursorLost))).collect();
    assert!(waits.iter().any(|w| *w > Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn lost_history_drops_the_token_and_reloads_after_a_random_time() {
    let mut rig = Rig::following(&[(1, "A")]);
    let mut waits = Vec::new();
    for n in 0..20 {
        let commands = rig.fails(FailureKind::HistoryLost);
        waits.push(wake(&commands).unwrap());
        assert!(commands.contains(&Command::Close) && rig.status.alarm(Alarm::HistoryLost));
        assert_eq!(rig.states(&["A"]), "open", "the last snapshot serves");
        assert_eq!(rig.give(Input::Woke), [Command::Position], "{n}");
        rig.load(&[(1, "A")], 200);
        assert!(!rig.status.alarm(Alarm::HistoryLost));
        rig.give(Input::Opened(None));
        rig.batch(vec![]);
        rig.batch(vec![]);
    }
    assert!(waits.iter().all(|w| *w >= Duration::from_secs(1) && *w <= Duration::from_secs(5)), "{waits:?}");
    assert!(waits.iter().any(|w| *w > Duration::from_secs(3)));
    assert!(rig.reloads().contains(&ReloadCause::HistoryLost));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_every_token_is_not_read_again_and_again() {
    let mut rig = Rig::following(&[(1, "A")]);
    let mut waited = Duration::ZERO;
    for _ in 0..12 {
        waited += wake(&rig.fails(FailureKind::HistoryLost)).unwrap();
        rig.give(Input::Woke);
        rig.load(&[(1, "A")], 200);
    }
    assert!(waited > Duration::from_secs(40), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn drop_rename_and_invalidate_reload_everything() {
    for cause in [ReloadCause::Dropped, ReloadCause::Renamed, ReloadCause::Invalidated, ReloadCause::Unreadable] {
        let mut rig = Rig::following(&[(1, "A")]);
        let commands =
            rig.batch(vec![insert(101, 2, "B"), event(102, What::Gone(cause)), insert(103, 3, "never applied")]);
        assert!(commands.contains(&Command::Close) && wake(&commands).is_some());
        assert!(!rig.supervisor.listens());
        assert_eq!(rig.states(&["A", "B"]), "open open");
        assert_eq!(rig.give(Input::Woke), [Command::Position]);
        rig.load(&[(2, "B"), (4, "A!")], 200);
        assert_eq!(rig.states(&["A", "B"]), "disabled open");
        assert_eq!(rig.reloads(), [ReloadCause::Start, cause]);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_rights_are_tried_again_on_their_own_schedule_while_serving() {
    let mut rig = Rig::following(&[(1, "A")]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        waits.push(wake(&rig.fails(FailureKind::Unauthorised)).unwrap().as_secs());
        assert_eq!(rig.give(Input::Woke), [Command::Follow(token(0))]);
    }
    assert_eq!(waits, [1, 2, 5, 30, 30, 30]);
    assert!(rig.status.alarm(Alarm::Unauthorised) && rig.status.ready());
    assert_eq!(rig.states(&["A"]), "open");
    rig.give(Input::Opened(None));
    rig.batch(vec![]);
    assert!(rig.status.alarms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_standalone_server_is_said_to_be_one_and_looked_at_every_five_seconds() {
    let mut rig = Rig::new();
    rig.supervisor.start();
    for _ in 0..3 {
        let commands = rig.give(Input::Positioned(Err(failure(FailureKind::Standalone))));
        assert_eq!(wake(&commands), Some(Duration::from_secs(5)));
        assert!(rig.status.not_ready().unwrap().contains("Standalone") && rig.status.alarm(Alarm::Standalone));
        assert_eq!(rig.give(Input::Woke), [Command::Position]);
    }
    rig.load(&[(1, "A")], 100);
    rig.give(Input::Opened(None));
    rig.batch(vec![]);
    assert!(rig.status.ready() && rig.status.alarms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_fails_time_and_again_for_no_known_reason_is_given_up() {
    let mut rig = Rig::following(&[(1, "A")]);
    for _ in 0..4 {
        rig.fails(FailureKind::Unlisted);
        assert_eq!(rig.give(Input::Woke), [Command::Follow(token(0))]);
    }
    rig.fails(FailureKind::Unlisted);
    assert_eq!(rig.give(Input::Woke), [Command::Position]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_owed_until_the_stream_is_open_again() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.batch(vec![insert(101, 2, "B"), set(102, 7, "disabled", Value::Bool(true))]);
    let commands = rig.give(Input::Read(Err(failure(FailureKind::Transient))));
    assert!(commands.contains(&Command::Close) && wake(&commands).is_some());
    // The batch is not taken back: its events are applied, but for the one that needs the read.
    assert_eq!(rig.give(Input::Woke), [Command::Follow(token(9))]);
    assert_eq!(rig.give(Input::Opened(None)), [Command::Read(vec![id(7)])]);
    rig.give(Input::Read(Ok(documents(&[(7, "G")], 140))));
    assert_eq!(rig.states(&["A", "B", "G"]), "open open open");
}

#[tokio::test(start_paused = true)]
async fn a_comparison_dies_with_the_stream_and_its_turn_comes_again() {
    let mut rig = Rig::following(&[(1, "A")]);
    rig.give(Input::CompareDue);
    let commands = rig.fails(FailureKind::Transient);
    assert!(compare_in(&commands).unwrap() > Duration::from_mins(10), "it reads everything: not at every hiccup");
    assert_eq!(compare_in(&rig.give(Input::CompareDue)), Some(Duration::from_secs(5)), "no stream, no comparison");
    rig.give(Input::Woke);
    rig.give(Input::Opened(None));
    assert_eq!(rig.give(Input::CompareDue), [Command::Compare(OpTime(100))]);
    let commands = rig.give(Input::Compared(Err(failure(FailureKind::Transient))));
    assert!(compare_in(&commands).is_some() && wake(&commands).is_none(), "the stream goes on");
    assert!(rig.supervisor.listens());
    // Unless a loss waits to be confirmed.
    rig.give(Input::CompareDue);
    rig.give(Input::Compared(Ok(documents(&[], 140))));
    rig.give(Input::CompareDue);
    assert_eq!(compare_in(&rig.fails(FailureKind::Transient)), Some(Duration::from_secs(5)));
}
